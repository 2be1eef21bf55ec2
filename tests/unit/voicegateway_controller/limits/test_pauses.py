"""Which pools a vendor's 429 stops, and for how long."""

import pytest

from voicegateway_controller.limits.signals import PAUSE_DEFAULT_MS, PAUSE_MAX_MS, pauses
from voicegateway_shared.limits import PoolSpec, Selector, Target
from voicegateway_shared.wire.sync import VendorSignal

TARGET = Target(provider="openai", model="gpt-5", modality="llm", account="k-1", project="acme", agent="desk")


def _pool(selector: Selector) -> PoolSpec:
    return PoolSpec(id="x:concurrent", limit="x", meter="slots", selector=selector, slots=1)


def _refused(retry_after_ms: int) -> VendorSignal:
    return VendorSignal(target=TARGET, kind="refused", retry_after_ms=retry_after_ms)


@pytest.mark.parametrize(
    ("selector", "is_paused"),
    [
        (Selector(provider="openai"), True),
        (Selector(provider="openai", project="acme"), True),
        (Selector(account="k-1"), True),
        (Selector(model="gpt-*"), True),
        (Selector(provider="openai", project="beta"), False),
        (Selector(provider="groq"), False),
        (Selector(account="k-2"), False),
        (Selector(project="acme"), False),
        (Selector(agent="desk", modality="llm"), False),
    ],
)
def test_a_429_is_about_the_vendors_limits_that_match(selector: Selector, is_paused: bool) -> None:
    assert bool(pauses([_refused(2_000)], [_pool(selector)])) is is_paused


@pytest.mark.parametrize(
    ("told_ms", "pause_ms"),
    [((0,), PAUSE_DEFAULT_MS), ((2_000, 500), 2_000), ((10**12,), PAUSE_MAX_MS)],
)
def test_a_pause_is_as_long_as_told_and_bounded(told_ms: tuple[int, ...], pause_ms: int) -> None:
    pool = _pool(Selector(provider="openai"))

    assert pauses([_refused(each) for each in told_ms], [pool]) == {pool.id: pause_ms}


def test_a_limit_that_is_told_pauses_nothing() -> None:
    told = VendorSignal(target=TARGET, kind="limit", meter="slots", limit=1)

    assert pauses([told], [_pool(Selector(provider="openai"))]) == {}
