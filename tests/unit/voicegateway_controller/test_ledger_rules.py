"""Spans to entries and sums, without a database."""

from math import log2
from typing import Any

import pytest

from voicegateway_controller.ledger import rules
from voicegateway_controller.ledger.rules import ENTRY_COLUMNS, SessionSums, SpanFacts, latency_bucket, post
from voicegateway_shared.pricing import Catalog, rate

HOUR_US = 1_795_251_600_000_000
CATALOG = Catalog.builtin()


def facts(**changes: Any) -> SpanFacts:
    """Return a rated-able LLM request of 60.5 s into its hour."""
    values: dict[str, Any] = {
        "day": "2026-11-21",
        "request_id": "01930000-0000-7000-8000-000000000001",
        "project": "acme",
        "session_id": "AJ_1",
        "agent": "receptionist",
        "room": "call-1",
        "provider": "openai",
        "model": "gpt-4.1-mini",
        "modality": "llm",
        "outcome": "ok",
        "estimated": False,
        "ttfb_ms": 400,
        "started_us": HOUR_US + 60_000_000,
        "ended_us": HOUR_US + 60_500_000,
        "charged_us": HOUR_US + 60_500_000,
        "key_id": "k",
        "response_id": "chatcmpl-1",
        "incarnation": "i",
        "language": "",
        "voice": "",
        "mode": "streaming",
        "service_tier": "default",
        "usage": '{"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 60}',
        "attributes": None,
    }
    return SpanFacts(**(values | changes))


def test_a_span_is_posted_whole() -> None:
    posting = post([facts()], CATALOG)

    entries = [dict(zip(ENTRY_COLUMNS, entry, strict=True)) for entry in posting.entries]
    assert all(entry.pop("price_id").startswith("openai/gpt-4.1-mini/") for entry in entries)
    common = {
        "unrated_reason": "", "day": "2026-11-21", "request_id": "01930000-0000-7000-8000-000000000001",
        "project": "acme", "session_id": "AJ_1", "agent": "receptionist", "provider": "openai",
        "model": "gpt-4.1-mini", "modality": "llm", "estimated": "f", "charged_us": str(HOUR_US + 60_500_000),
        "key_id": "k", "response_id": "chatcmpl-1", "incarnation": "i",
    }  # fmt: skip
    assert entries == [
        common | _line("input_tokens", 1_200, 176, 70_400_000),
        common | _line("cache_read_tokens", 1_024, 1_024, 102_400_000),
        common | _line("output_tokens", 60, 60, 96_000_000),
    ]
    [(key, hour)] = posting.hours.items()
    assert key == (HOUR_US, "acme", "receptionist", "openai", "gpt-4.1-mini", "llm")
    assert hour.meters == {
        "requests": [1, 0, 0, 0, 0, 0],
        "input_tokens": [1, 1_200, 176, 70_400_000, 0, 0],
        "cache_read_tokens": [1, 1_024, 1_024, 102_400_000, 0, 0],
        "output_tokens": [1, 60, 60, 96_000_000, 0, 0],
    }
    assert hour.latency == {latency_bucket(400): 1}
    assert posting.sessions == {
        ("AJ_1", "acme"): SessionSums(
            "receptionist", "call-1", HOUR_US + 60_000_000, HOUR_US + 60_500_000, 1, 0, 0, 0, 268_800_000
        )
    }
    assert (posting.spans, posting.unrated, posting.poisoned) == (1, 0, [])


def test_sums_grow_and_groups_stay_apart() -> None:
    spans = [
        facts(),
        facts(outcome="error", estimated=True, ttfb_ms=None, started_us=HOUR_US),
        facts(agent="other"),
        facts(charged_us=HOUR_US + rules.HOUR_US),
        facts(session_id=""),
    ]

    posting = post(spans, CATALOG)

    assert len(posting.hours) == 3
    first = posting.hours[(HOUR_US, "acme", "receptionist", "openai", "gpt-4.1-mini", "llm")]
    assert first.meters["requests"] == [3, 0, 0, 0, 1, 0]
    assert first.meters["output_tokens"] == [3, 180, 180, 288_000_000, 1, 0]
    assert first.latency == {69: 2}
    [session] = posting.sessions.values()
    assert (session.requests, session.errors, session.estimated) == (4, 1, 1)
    assert (session.first_us, session.last_us) == (HOUR_US, HOUR_US + 60_500_000)


@pytest.mark.parametrize(
    ("changes", "lines", "requests_row"),
    [
        # A failure that used nothing costs nothing, and is there.
        ({"usage": "{}", "outcome": "error"}, [("requests", "1", "")], [1, 1, 0, 0, 0, 0]),
        # So does one that was cancelled before the vendor was asked; had it been asked, there would be an estimate.
        ({"usage": '{"requests": 1}', "outcome": "cancelled"}, [("requests", "1", "")], [1, 1, 0, 0, 0, 0]),
        (
            {"usage": "{}", "outcome": "cancelled", "estimated": True},
            [("requests", "1", "no_billable_usage")],
            [1, 1, 0, 0, 1, 1],
        ),
        # A success without usage is a count that the vendor owes us.
        ({"usage": "{}"}, [("requests", "1", "no_billable_usage")], [1, 1, 0, 0, 0, 1]),
        (
            {"model": "gpt-99", "estimated": True},
            [("input_tokens", "1200", "unknown_model"), ("output_tokens", "60", "unknown_model")],
            [1, 0, 0, 0, 1, 1],
        ),
        (
            {"modality": "tts", "provider": "cartesia", "model": "sonic-3", "usage": '{"characters_sent": 0}'},
            [("requests", "1", "")],
            [1, 1, 0, 0, 0, 0],
        ),
    ],
)
def test_every_request_leaves_an_entry_and_counts_once(
    changes: dict[str, Any], lines: list[tuple[str, str, str]], requests_row: list[int]
) -> None:
    posting = post([facts(**changes)], CATALOG)

    assert [(entry[0], entry[1], entry[6]) for entry in posting.entries] == lines
    [hour] = posting.hours.values()
    assert hour.meters["requests"] == requests_row


@pytest.mark.parametrize(
    ("usage", "meters"),
    [
        ('{"input_tokens": 5, "sighs": 2}', ["input_tokens"]),
        ('{"input_tokens": "5"}', ["requests"]),
        ("nonsense", ["requests"]),
    ],
)
def test_a_span_that_cannot_be_rated_is_kept_unrated(
    usage: str, meters: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(request: Any, catalog: Any) -> None:
        raise KeyError("x")

    monkeypatch.setattr(rules, "rate", broken)

    posting = post([facts(usage=usage)], CATALOG)

    assert [(entry[0], entry[6]) for entry in posting.entries] == [(meter, "rating_failed") for meter in meters]
    assert [each.request_id for each in posting.poisoned] == ["01930000-0000-7000-8000-000000000001"]
    assert (posting.spans, posting.unrated) == (1, 1)


def test_prices_see_the_circumstances(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []

    def remember(request: Any, catalog: Any) -> Any:
        seen.append(dict(request.context))
        return rate(request, catalog)

    monkeypatch.setattr(rules, "rate", remember)
    post([facts(attributes='{"voicegateway.request.channels": 2, "customer.tier": "gold"}', language="en")], CATALOG)

    assert seen == [{"mode": "streaming", "language": "en", "voice": "", "service_tier": "default", "channels": "2"}]


@pytest.mark.parametrize("ms", [0, 1, 2, 3, 90, 91, 399, 400, 401, 10_000, 2**31 - 1])
def test_latency_buckets_are_an_eighth_of_a_doubling(ms: int) -> None:
    bucket = latency_bucket(ms)

    assert bucket == int(log2(max(ms, 1)) * 8)
    assert 0 <= bucket < 2**15
    if ms:
        assert 2 ** (bucket / 8) <= ms * (1 + 1e-9)
        assert ms < 2 ** ((bucket + 1) / 8)


def _line(meter: str, quantity: int, billed: int, pico_usd: int) -> dict[str, str]:
    return {
        "meter": meter,
        "quantity": str(quantity),
        "billed_quantity": str(billed),
        "amount": f"{pico_usd}e-12",
        "list_amount": f"{pico_usd}e-12",
    }
