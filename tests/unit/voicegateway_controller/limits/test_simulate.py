"""The simulation's arithmetic, against tables and against a slow bucket that is obviously right."""

from fractions import Fraction
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.limits.simulate import Recorded, Simulated, _replay, simulate
from voicegateway_controller.limits.traffic import amounts
from voicegateway_shared.limits import LimitMeter, PoolSpec, Selector, Target

GROQ = Target(provider="groq", model="whisper", modality="stt", project="acme", agent="a")


def _rate(units: int, burst: int, *, period_ms: int = 60_000, meter: LimitMeter = "requests") -> PoolSpec:
    return PoolSpec(
        id="x:y",
        limit="x",
        meter=meter,
        selector=Selector(provider="groq"),
        units=units,
        period_ms=period_ms,
        burst=burst,
    )


def _slots(slots: int) -> PoolSpec:
    return PoolSpec(id="x:concurrent", limit="x", meter="slots", selector=Selector(provider="groq"), slots=slots)


def _at(*starts_ms: int, lasting_ms: int = 0, target: Target = GROQ, **amounts: int) -> list[Recorded]:
    taken = cast(dict[LimitMeter, int], amounts or {"requests": 1})
    return [Recorded(target, start_ms, lasting_ms, taken) for start_ms in starts_ms]


def _summary(found: Simulated) -> tuple[int, int, int, int]:
    return found.matched, found.at_once, found.delayed, found.refused


@pytest.mark.parametrize(
    ("spec", "requests", "expected", "smallest"),
    [
        # One a second, two at once: the third of an instant waits a second, which is too long.
        (_rate(60, 2), _at(0, 0, 0), (3, 2, 0, 1), 239),
        (_rate(60, 2), _at(0, 0, 1_000, 2_000), (4, 4, 0, 0), 54),
        # Four a second: the next in the queue waits 250 ms, the one after that would wait 500 ms.
        (_rate(240, 1), _at(0, 0, 0), (3, 1, 1, 1), 479),
        (_slots(1), _at(0, 100, lasting_ms=300), (2, 1, 1, 0), 1),
        (_slots(1), _at(0, 10, lasting_ms=300), (2, 1, 0, 1), 2),
        # Both slots end at 300; the third and fourth wait for one each, the fifth for the third's end.
        (_slots(2), _at(0, 0, 100, 100, 100, lasting_ms=300), (5, 2, 2, 1), 3),
    ],
)
def test_requests_are_admitted_delayed_and_refused(
    spec: PoolSpec, requests: list[Recorded], expected: tuple[int, ...], smallest: int
) -> None:
    found = simulate(spec, requests, admit_wait_ms=250)

    assert _summary(found) == expected
    assert found.smallest == pytest.approx(smallest, rel=0.01)


def test_delays_and_worst_minutes_are_told() -> None:
    found = simulate(_rate(240, 1), _at(0, 0, 60_000, 60_000, 60_000), admit_wait_ms=250)

    assert (found.delay_p50_ms, found.delay_p95_ms) == (250, 250)
    assert (found.peak_per_min, found.peak_open) == (3, 3)
    assert (found.first_refused_ms, found.worst_minute_ms, found.worst_minute_refused) == (60_000, 60_000, 1)


def test_a_request_larger_than_the_burst_leaves_a_debt() -> None:
    found = simulate(_rate(1_000, 500), _at(0, tokens=800) + _at(1_000, tokens=1), admit_wait_ms=250)
    of_tokens = simulate(
        _rate(1_000, 500, meter="tokens"), _at(0, tokens=800) + _at(1_000, tokens=1), admit_wait_ms=250
    )

    assert _summary(found) == (0, 0, 0, 0)
    assert _summary(of_tokens) == (2, 1, 0, 1)


def test_a_stream_spends_its_audio_while_it_lasts_and_is_not_cut() -> None:
    spec = _rate(60_000, 10_000, meter="audio_ms")

    one = simulate(spec, _at(0, lasting_ms=60_000, audio_ms=60_000), admit_wait_ms=250)
    two = simulate(spec, _at(0, 1, lasting_ms=60_000, audio_ms=60_000) + _at(50_000, audio_ms=1_000), admit_wait_ms=250)

    assert _summary(one) == (1, 1, 0, 0)
    assert one.peak_per_min == 60_000
    assert _summary(two) == (3, 2, 0, 1)


def test_too_many_in_one_instant_are_not_saved_by_any_rate() -> None:
    found = simulate(_rate(60, 2), _at(0, 0, 0), admit_wait_ms=0)

    assert (found.refused, found.smallest) == (1, None)


def test_what_the_limit_is_not_about_is_left_out() -> None:
    other = Target(provider="openai", model="gpt", modality="llm")

    assert simulate(_slots(1), _at(0, 0, target=other), admit_wait_ms=250).matched == 0
    assert simulate(_slots(1), [], admit_wait_ms=250).smallest == 0


def test_a_request_counts_what_its_vendor_was_sent() -> None:
    usage = {"input_tokens": 10, "cache_read_tokens": 8, "output_tokens": 5, "characters_sent": 3, "audio_sent_ms": 7}

    assert amounts(usage, modality="stt", mode="streaming", attempts=2) == {
        "requests": 2,
        "sessions": 2,
        "tokens": 15,
        "characters": 3,
        "audio_ms": 7,
    }
    assert amounts({}, modality="stt", mode="batch", attempts=0) == {"requests": 1}
    assert amounts({}, modality="llm", mode="streaming", attempts=1) == {"requests": 1}


gaps = st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 40)), min_size=1, max_size=40)


@given(gaps=gaps, units=st.integers(1, 5_000), burst=st.integers(1, 60), wait_ms=st.integers(0, 2_000))
def test_the_bucket_holds_its_bound_in_every_interval(
    gaps: list[tuple[int, int]], units: int, burst: int, wait_ms: int
) -> None:
    requests, at_ms = [], 0
    for gap_ms, tokens in gaps:
        at_ms += gap_ms
        requests += _at(at_ms, tokens=min(tokens, burst))
    spec = _rate(units, burst, meter="tokens")

    delays = _replay(spec, requests, limit=units, admit_wait_ms=wait_ms)

    spent = [
        (request.start_ms + delay, request.amounts["tokens"])
        for request, delay in zip(requests, delays, strict=True)
        if delay is not None
    ]
    assert [at for at, _ in spent] == sorted(at for at, _ in spent)
    assert all(delay is None or 0 <= delay <= wait_ms for delay in delays)
    for first in range(len(spent)):
        total = 0
        for at, tokens in spent[first:]:
            total += tokens
            assert total <= burst + Fraction(units * (at - spent[first][0]), spec.period_ms)


@given(gaps=gaps, slots=st.integers(1, 5), wait_ms=st.integers(0, 500))
def test_never_more_open_than_there_are_slots_and_the_smallest_limit_refuses_nothing(
    gaps: list[tuple[int, int]], slots: int, wait_ms: int
) -> None:
    requests, at_ms = [], 0
    for gap_ms, lasting in gaps:
        at_ms += gap_ms
        requests += _at(at_ms, lasting_ms=lasting * 100)

    delays = _replay(_slots(slots), requests, limit=slots, admit_wait_ms=wait_ms)
    found = simulate(_slots(slots), requests, admit_wait_ms=wait_ms)

    open_ms = [
        (request.start_ms + delay, request.start_ms + delay + request.duration_ms)
        for request, delay in zip(requests, delays, strict=True)
        if delay is not None
    ]
    for start, _ in open_ms:
        assert sum(1 for begun, end in open_ms if begun <= start < end) <= slots
    assert found.smallest is not None
    assert simulate(_slots(found.smallest), requests, admit_wait_ms=wait_ms).refused == 0
    assert found.smallest == 1 or simulate(_slots(found.smallest - 1), requests, admit_wait_ms=wait_ms).refused > 0
