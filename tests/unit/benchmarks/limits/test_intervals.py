"""The checker that benchmarks judge limiters with, held to the definition by trying every interval."""

import importlib.util
from pathlib import Path
from random import Random

import pytest

_spec = importlib.util.spec_from_file_location(
    "intervals_under_test", Path(__file__).parents[4] / "benchmarks" / "limits" / "intervals.py"
)
assert _spec is not None
assert _spec.loader is not None
_intervals = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_intervals)
NS_PER_S, worst_excess, certain_excess = _intervals.NS_PER_S, _intervals.worst_excess, _intervals.certain_excess


def _by_definition(spans: list[tuple[int, int]], rate_per_s: float, burst: float) -> float:
    excess: list[float] = [
        sum(begin <= before and after <= end for before, after in spans) - burst - rate_per_s * (end - begin) / NS_PER_S
        for begin, _ in spans
        for _, end in spans
        if end >= begin
    ]
    return max(excess)


def test_a_bucket_emptied_at_once_and_spent_as_it_refills_exceeds_nothing() -> None:
    times = [0] * 10 + [second * NS_PER_S // 5 for second in range(1, 50)]

    assert worst_excess(times, rate_per_s=5, burst=10) == pytest.approx(0)


def test_one_admission_too_many_is_found_wherever_it_is() -> None:
    times = [0] * 10 + [second * NS_PER_S // 5 for second in range(1, 50)]

    for extra in (0, NS_PER_S, 9 * NS_PER_S):
        assert worst_excess(sorted([*times, extra]), rate_per_s=5, burst=10) == pytest.approx(1)


def test_a_window_used_up_on_both_sides_of_its_edge_exceeds_by_almost_a_window() -> None:
    edge = [NS_PER_S - 1] * 100 + [NS_PER_S] * 100

    assert worst_excess([0, *edge], rate_per_s=100, burst=100) == pytest.approx(100)


def test_silence_counts_for_nobody() -> None:
    assert worst_excess([], rate_per_s=5, burst=10) == -10
    assert certain_excess([], rate_per_s=5, burst=10) == -10


@pytest.mark.parametrize("seed", range(30))
def test_every_log_is_judged_as_by_definition(seed: int) -> None:
    random = Random(seed)
    rate_per_s, burst = random.choice([0.5, 3, 100]), random.choice([1, 4, 20])
    times = sorted(random.randrange(4 * NS_PER_S) for _ in range(random.randint(1, 60)))
    spans = [(now - random.randrange(NS_PER_S // 10), now + random.randrange(NS_PER_S // 10)) for now in times]

    exact = worst_excess(times, rate_per_s=rate_per_s, burst=burst)
    certain = certain_excess(spans, rate_per_s=rate_per_s, burst=burst)

    assert exact == pytest.approx(_by_definition([(now, now) for now in times], rate_per_s, burst))
    assert certain == pytest.approx(max(-burst, _by_definition(spans, rate_per_s, burst)))
    assert certain <= exact + 1e-6
