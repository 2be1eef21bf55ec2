"""Who may hear what, what filters let through, and what is told of a large batch."""

from datetime import datetime
from typing import Any

import pytest

from voicegateway_controller.access import Access, Role
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.events.event import KINDS, Event, Filter, checked_kinds, format_id, parse_id
from voicegateway_controller.events.telling import BATCH_MAX, WAITING_MAX, RequestTeller, events_of
from voicegateway_controller.ledger.rules import SpanFacts, post
from voicegateway_shared.pricing import Catalog


def _access(*projects: str) -> Access:
    return Access(token_id="t", role=Role.VIEWER, projects=frozenset(projects) or None, expires_at=None)


@pytest.mark.parametrize(
    ("event", "heard_by"),
    [
        (Event(kind="request.settled", at="", project="acme"), [True, True, False]),
        (Event(kind="alert.raised", at=""), [True, False, False]),
        (Event(kind="configuration.changed", at="", audience="fleet"), [True, False, False]),
        (Event(kind="worker.drained", at="", audience="fleet", project="acme"), [True, False, False]),
        (Event(kind="breaker.opened", at="", audience="everybody"), [True, True, True]),
    ],
    ids=["project", "no-project", "fleet", "fleet-of-a-project", "everybody"],
)
def test_who_may_hear(event: Event, heard_by: list[bool]) -> None:
    assert [event.is_for(each) for each in (_access(), _access("acme"), _access("beta"))] == heard_by


@pytest.mark.parametrize(
    ("wanted", "is_taken"),
    [
        (Filter(), True),
        (Filter(kinds=("request",)), True),
        (Filter(kinds=("request.settled", "alert")), True),
        (Filter(kinds=("session", "requests")), False),
        (Filter(project="acme"), True),
        (Filter(project="beta"), False),
        (Filter(fields={"model": "", "provider": "openai"}), True),
        (Filter(fields={"provider": "groq"}), False),
        (Filter(fields={"room": "x"}), False),
    ],
    ids=range(9),
)
def test_filters(wanted: Filter, is_taken: bool) -> None:
    assert wanted.takes(Event(kind="request.settled", at="", project="acme", data={"provider": "openai"})) is is_taken


@pytest.mark.parametrize("text", ["", "1", "1-", "-1", "1-2-3", "a-1", "9" * 16 + "-0", "١-٠"], ids=range(8))
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is no id of an event"):
        parse_id(text)


def test_ids_and_kinds_are_read_back() -> None:
    assert format_id(parse_id("1763700000000-12")) == "1763700000000-12"
    assert checked_kinds(["session", *KINDS]) == ("session", *KINDS)
    with pytest.raises(BadRequest, match="kind 'weather' is no kind of event"):
        checked_kinds(["weather"])


def _spans(count: int, **changes: Any) -> list[SpanFacts]:
    us = int(datetime.fromisoformat("2026-06-01T00:00:00Z").timestamp()) * 1_000_000
    facts: dict[str, Any] = {
        "day": "2026-06-01", "project": "acme", "session_id": "AJ", "agent": "a", "room": "r", "provider": "openai",
        "model": "gpt-4.1-mini", "modality": "llm", "outcome": "ok", "estimated": False, "ttfb_ms": 5,
        "key_id": "k", "response_id": "", "incarnation": "i", "language": "", "voice": "",
        "mode": "streaming", "service_tier": "default", "usage": '{"input_tokens": 1000, "output_tokens": 100}',
        "attributes": None, **changes,
    }  # fmt: skip
    times = [us + each for each in range(count)]
    return [SpanFacts(request_id=str(at), started_us=at - 2_000, ended_us=at, charged_us=at, **facts) for at in times]


def test_of_a_large_batch_the_newest_are_told_and_the_others_counted() -> None:
    spans = _spans(BATCH_MAX + 30)

    events = events_of(spans, post(spans, Catalog.builtin()))

    assert (events[0].kind, events[0].project, events[0].data) == ("request.left_out", "acme", {"requests": 30})
    assert [each.data["request_id"] for each in events[1:]] == [each.request_id for each in spans[30:]]
    assert {each.data["amount_usd"] for each in events[1:]} == {"0.00056"}


def test_a_request_without_a_price_says_so() -> None:
    spans = _spans(1, model="nobody-prices-this")

    [event] = events_of(spans, post(spans, Catalog.builtin()))

    assert (event.data["is_unrated"], event.data["amount_usd"]) == (True, "0")


async def test_what_waits_for_redis_is_bounded() -> None:
    teller = RequestTeller()
    spans = _spans(BATCH_MAX)
    posting = post(spans, Catalog.builtin())

    for _ in range(WAITING_MAX // BATCH_MAX + 3):
        teller.take(spans, posting)

    assert len(teller._waiting) == WAITING_MAX
