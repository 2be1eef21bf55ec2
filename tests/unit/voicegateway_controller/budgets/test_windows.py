"""Which windows are open, which are heard, and what a holder is told of them."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from voicegateway_controller.budgets import windows
from voicegateway_controller.budgets.windows import next_window, open_window, open_windows, windows_heard
from voicegateway_shared import budgets as shared
from voicegateway_shared.budgets import BudgetSpec, Window, WindowKind
from voicegateway_shared.limits import Selector
from voicegateway_shared.wire.money import BudgetPool

NOW = datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC)
"""In Berlin a second before Sunday, which has 23 hours."""


def spec(window: WindowKind, *, zone: str = "UTC", name: str = "b") -> BudgetSpec:
    return BudgetSpec(id=name, selector=Selector(), amount_nano_usd=1_000, window=window, zone=zone)


def test_a_holder_hears_how_long_the_window_and_the_next_last() -> None:
    budget = spec("day", zone="Europe/Berlin")
    windows = open_windows([budget], NOW, revision=3)

    assert windows.tell(budget, NOW) == BudgetPool(
        spec=budget, window_id="day:2026-03-28", ends_in_ms=1_000, next_window_id="day:2026-03-29",
        next_ends_in_ms=1_000 + 23 * 3_600_000,
    )  # fmt: skip


@pytest.mark.parametrize(("window", "id_"), [("total", "total"), ("rolling_24h", "rolling_24h"), ("session", "")])
def test_what_never_ends_is_one_window(window: WindowKind, id_: str) -> None:
    budget = spec(window)
    windows = open_windows([budget], NOW, revision=1)

    assert windows.tell(budget, NOW) == BudgetPool(spec=budget, window_id=id_)
    assert windows.ends_at is None
    assert windows.holds_at(NOW + timedelta(days=10_000))
    assert next_window(spec("total"), NOW) is None


def test_the_tag_changes_with_the_revision_and_when_a_window_ends() -> None:
    budgets = [spec("month", name="m"), spec("hour", name="h")]
    first = open_windows(budgets, NOW, revision=1)
    same = open_windows(budgets, NOW + timedelta(milliseconds=999), revision=1)
    later = open_windows(budgets, NOW + timedelta(seconds=1), revision=1)
    declared = open_windows(budgets, NOW, revision=2)

    assert first.tag == same.tag
    assert len({first.tag, later.tag, declared.tag}) == 3
    assert first.holds_at(NOW + timedelta(milliseconds=999))
    assert not first.holds_at(NOW + timedelta(seconds=1))


def test_claims_are_heard_on_the_open_window_the_next_and_two_that_are_over() -> None:
    heard = windows_heard(spec("day", zone="Europe/Berlin"), NOW)

    assert [(each.pool, each.is_past) for each in heard] == [
        ("b@day:2026-03-28", False),
        ("b@day:2026-03-29", False),
        ("b@day:2026-03-27", True),
        ("b@day:2026-03-26", True),
    ]
    assert windows_heard(spec("session"), NOW) == []


def test_keys_live_for_days_after_the_window() -> None:
    day = open_window(spec("day"), NOW)
    long_over = open_window(spec("day"), NOW - timedelta(days=30))

    assert day.live_ms(NOW) == (3_600 + 1 + 3 * 86_400) * 1_000
    assert long_over.live_ms(NOW) == 60_000
    assert open_window(spec("total"), NOW).live_ms(NOW) == 90 * 86_400_000


def test_budgets_that_share_zone_and_window_are_one_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[datetime] = []

    def window_at(kind: WindowKind, instant: datetime, *, zone: tzinfo) -> Window:
        computed.append(instant)
        return shared.window_at(kind, instant, zone=zone)

    monkeypatch.setattr(windows, "window_at", window_at)
    now = NOW + timedelta(microseconds=1)
    budgets = [spec("hour", zone="Europe/Berlin", name=f"b{number}") for number in range(500)]
    found = open_windows(budgets, now, revision=1)

    assert len(found.by_pool) == 500 * 4
    assert len(computed) == len(set(computed)) == 4
