"""Re-rating's rules: whatever prices follow one another, the books end at the last ones, and twice is once."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.fixtures.rerating import CACHED, CHEAP, DEAR, UNKNOWN

from voicegateway_controller.ledger.rerating.rules import Booked, booked_requests, correct
from voicegateway_controller.ledger.rules import HourSums, SpanFacts, post
from voicegateway_shared.pricing import Catalog

CATALOGS = st.lists(st.sampled_from([CACHED, CHEAP, DEAR, UNKNOWN]), min_size=2, max_size=6)
USAGE = st.fixed_dictionaries(
    {
        "input_tokens": st.integers(50, 10**6),
        "cache_read_tokens": st.integers(0, 50),
        "output_tokens": st.integers(0, 9),
    }
)


def _span(usage: dict[str, int]) -> SpanFacts:
    at_us = 1_795_000_000_000_000
    return SpanFacts(
        "2026-11-18", "019a0000-0000-7000-8000-000000000001", "p", "AJ_1", "a", "room", "acme", "m", "llm", "ok", False,
        400, at_us - 900_000, at_us, at_us, "k-1", "r-1", "host-1", "", "", "streaming", "default",
        str(usage).replace("'", '"'), None,
    )  # fmt: skip


def _rows(entries: list[tuple[str, ...]], revision: int) -> list[tuple[Any, ...]]:
    """Return entries as the books would give them back."""
    return [
        (
            facts[1], meter, revision, int(quantity), int(billed), _plain(amount), _plain(list_amount),
            price_id or None, reason or None,
        )
        for meter, quantity, billed, amount, list_amount, price_id, reason, *facts in entries
    ]  # fmt: skip


def _plain(amount: str) -> str:
    pico = int(amount.removesuffix("e-12"))
    return f"{'-' if pico < 0 else ''}{abs(pico) // 10**12}.{abs(pico) % 10**12:012d}"


def _state(booked: Booked) -> dict[str, Any]:
    return {
        meter: (held.sums, held.reason)
        for meter, held in booked.meters.items()
        if held.sums != (0, 0, 0, 0) or held.reason
    }


def _add(sums: dict[str, list[int]], hours: dict[Any, HourSums]) -> None:
    for hour in hours.values():
        for meter, values in hour.meters.items():
            sums[meter] = [a + b for a, b in zip(sums.get(meter, [0] * 6), values, strict=True)]


@given(USAGE, CATALOGS)
def test_the_books_end_at_the_last_prices_and_twice_is_once(usage: dict[str, int], catalogs: list[Catalog]) -> None:
    span = _span(usage)
    spans = {span.request_id: span}
    first = post([span], catalogs[0])
    rows = _rows(first.entries, 0)
    sums: dict[str, list[int]] = {}
    _add(sums, first.hours)

    for revision, catalog in enumerate(catalogs[1:], start=1):
        made = correct(booked_requests(rows), spans, catalog, may_lose_price=True)
        rows += _rows(made.posting.entries, revision)
        _add(sums, made.posting.hours)
        again = correct(booked_requests(rows), spans, catalog, may_lose_price=True)
        assert (again.posting.entries, again.posting.hours, again.verdicts) == ([], {}, {"same": 1})

    last = post([span], catalogs[-1])
    assert _state(booked_requests(rows)[0]) == _state(booked_requests(_rows(last.entries, 0))[0])
    wanted: dict[str, list[int]] = {}
    _add(wanted, last.hours)
    # Requests and estimates are counted once; quantities, amounts and what is unrated are those of the last prices.
    for meter in sums:
        assert [sums[meter][n] for n in (1, 2, 3, 5)] == [wanted.get(meter, [0] * 6)[n] for n in (1, 2, 3, 5)]
    assert sums["requests"][0] == 1


@given(USAGE)
def test_a_price_is_never_lost_by_itself(usage: dict[str, int]) -> None:
    span = _span(usage)
    rows = _rows(post([span], CHEAP).entries, 0)

    made = correct(booked_requests(rows), {span.request_id: span}, UNKNOWN, may_lose_price=False)

    assert (made.posting.entries, made.verdicts) == ([], {"kept": 1})
