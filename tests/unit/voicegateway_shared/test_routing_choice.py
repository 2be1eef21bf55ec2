"""Choice: the strategies order who passes, lasting rejections exclude, passing ones come last."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_shared.routing import Rejection, Standing, choose
from voicegateway_shared.routing.choice import LASTING
from voicegateway_shared.routing.fields import STRATEGIES

DRAWS = 4_000
REASONS = ("unknown_model", "missing_package", "missing_key", "refused_argument", "disabled", "breaker", "limit")


def _standings(*values: int | None, field: str = "cost_nano_usd") -> list[Standing]:
    return [Standing(model=f"vendor/{index}", **{field: value}) for index, value in enumerate(values)]  # type: ignore[arg-type]  # one field by name


def _rejected(model: str, reason: str) -> Standing:
    return Standing(model=model, rejections=(Rejection(model=model, reason=reason),))  # type: ignore[arg-type]  # from a table


@pytest.mark.parametrize(
    ("values", "order"),
    [
        ((3, 1, 2), (1, 2, 0)),
        ((2, 2), (0, 1)),
        ((None, 2, 1), (0, 2, 1)),
        ((3, None, 1), (2, 1, 0)),
        ((3, 1, None), (1, 0, 2)),
        ((None, None), (0, 1)),
        ((0, None, 5), (0, 1, 2)),
        ((), ()),
    ],
)
def test_those_with_a_number_are_sorted_and_those_without_stay_where_they_stand(
    values: tuple[int | None, ...], order: tuple[int, ...]
) -> None:
    assert choose(_standings(*values), "cheapest").order == order
    assert choose(_standings(*values, field="ttfb_p50_ms"), "fastest").order == order
    assert choose(_standings(*values), "order").order == tuple(range(len(values)))


@pytest.mark.parametrize(
    ("values", "order"), [((3, 1, 2), (1, 2, 0)), ((1, None), (1, 0)), ((None, None, None), (2, 1, 0)), ((5,), (0,))]
)
def test_throttle_makes_every_strategy_cheapest_and_the_last_stands_for_it_without_prices(
    values: tuple[int | None, ...], order: tuple[int, ...]
) -> None:
    for strategy in STRATEGIES:
        decision = choose(_standings(*values), strategy, lot="a", is_throttled=True)  # type: ignore[arg-type]  # from a table

        assert (decision.order, decision.strategy) == (order, "cheapest")


def test_weighted_draws_the_first_in_proportion_to_the_weights() -> None:
    standings = [Standing(model="a/a", weight=5), Standing(model="b/b", weight=3), Standing(model="c/c", weight=2)]

    firsts = Counter(choose(standings, "weighted", lot=str(lot)).order[0] for lot in range(DRAWS))

    shares = [firsts[index] / DRAWS for index in range(3)]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_those_behind_a_drawn_one_are_drawn_among_themselves() -> None:
    standings = [Standing(model="a/a", weight=5), Standing(model="b/b", weight=3), Standing(model="c/c", weight=1)]

    orders = [choose(standings, "weighted", lot=str(lot)).order for lot in range(DRAWS)]

    after_a = Counter(order[1] for order in orders if order[0] == 0)
    assert after_a[1] / (after_a[1] + after_a[2]) == pytest.approx(0.75, abs=0.04)


def test_a_lot_keeps_its_order_and_most_lots_keep_their_first_when_a_model_joins() -> None:
    two = [Standing(model="a/a"), Standing(model="b/b")]
    three = [Standing(model="c/c"), *two]

    for lot in map(str, range(200)):
        before = [two[index].model for index in choose(two, "sticky", lot=lot).order]
        after = [three[index].model for index in choose(three, "sticky", lot=lot).order]
        assert [model for model in after if model != "c/c"] == before
        assert choose(three, "sticky", lot=lot) == choose(three, "sticky", lot=lot)


def test_a_model_that_is_named_twice_draws_twice() -> None:
    standings = [Standing(model="a/a"), Standing(model="a/a"), Standing(model="b/b")]

    firsts = Counter(choose(standings, "weighted", lot=str(lot)).order[0] for lot in range(DRAWS))

    assert min(firsts[0], firsts[1], firsts[2]) / DRAWS == pytest.approx(1 / 3, abs=0.04)


def test_rejected_for_a_while_come_last_and_for_good_not_at_all() -> None:
    standings = [
        _rejected("a/a", "breaker"),
        _rejected("b/b", "missing_key"),
        Standing(model="c/c", is_degraded=True),
        Standing(model="d/d"),
    ]

    decision = choose(standings)

    assert decision.order == (3, 2, 0)
    assert [str(each) for each in decision.rejections] == ["a/a: breaker", "b/b: missing_key"]
    assert not decision.is_last_resort


def test_where_nobody_passes_those_rejected_for_a_while_are_the_last_resort() -> None:
    decision = choose([_rejected("a/a", "breaker"), _rejected("b/b", "limit"), _rejected("c/c", "disabled")])

    assert (decision.order, decision.is_last_resort) == ((0, 1), True)


def test_where_all_are_out_nobody_is_asked() -> None:
    decision = choose([_rejected("a/a", "unknown_model")])

    assert (decision.order, decision.is_last_resort) == ((), False)


@st.composite
def _any_standing(draw: st.DrawFn) -> Standing:
    model = draw(st.sampled_from(["a/a", "b/b", "c/c", "d/d"]))
    reasons = draw(st.lists(st.sampled_from(REASONS), max_size=2))
    number = st.none() | st.integers(0, 10)
    return Standing(
        model=model,
        weight=draw(st.integers(0, 5)),
        rejections=tuple(Rejection(model=model, reason=reason) for reason in reasons),  # type: ignore[arg-type]  # from a table
        is_degraded=draw(st.booleans()),
        cost_nano_usd=draw(number),
        ttfb_p50_ms=draw(number),
    )


@given(st.lists(_any_standing(), max_size=8), st.sampled_from(STRATEGIES), st.text(max_size=4), st.booleans())
def test_whatever_is_known_the_order_holds_everyone_who_can_serve_once_and_nobody_else(
    standings: list[Standing], strategy: str, lot: str, is_throttled: bool
) -> None:
    decision = choose(standings, strategy, lot=lot, is_throttled=is_throttled)  # type: ignore[arg-type]  # from a table

    able = [index for index, each in enumerate(standings) if not each.is_out]
    assert sorted(decision.order) == able
    kinds = [(bool(standings[i].rejections), standings[i].is_degraded) for i in decision.order]
    assert [is_rejected for is_rejected, _ in kinds] == sorted(is_rejected for is_rejected, _ in kinds)
    passing = [is_degraded for is_rejected, is_degraded in kinds if not is_rejected]
    assert passing == sorted(passing)
    assert decision.is_last_resort == bool(able and not passing)
    assert all(rejection.reason in LASTING or rejection.reason in REASONS for rejection in decision.rejections)
    assert len(decision.rejections) == sum(len(each.rejections) for each in standings)
