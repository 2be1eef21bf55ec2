"""Signals: a limit is told once in a while, a refusal at once, and never more than fit into a message."""

from voicegateway.limits.signals import REPEAT_S, Signals
from voicegateway.limits.vendor_headers import VendorLimit
from voicegateway_shared.limits import Target
from voicegateway_shared.wire.sync import SIGNALS_MAX, VendorSignal

TARGET = Target(provider="openai", model="gpt-4.1-mini", modality="llm")
REQUESTS = VendorLimit(meter="requests", limit=500, remaining=499, reset_ms=120, period_ms=60_000, header="x")


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def test_same_limit_is_told_again_only_after_a_while() -> None:
    clock = Clock()
    signals = Signals(now_s=clock)

    signals.limit(TARGET, REQUESTS)
    signals.limit(TARGET, REQUESTS)
    first = signals.take()
    clock.s += REPEAT_S
    signals.limit(TARGET, REQUESTS)

    expected = VendorSignal(
        target=TARGET,
        kind="limit",
        meter="requests",
        limit=500,
        period_ms=60_000,
        remaining=499,
        reset_ms=120,
        header="x",
    )
    assert first == (expected,)
    assert signals.take() == (expected,)
    assert not signals.is_urgent


def test_answer_that_tells_what_the_last_one_told_is_no_news() -> None:
    clock = Clock()
    signals = Signals(now_s=clock)

    assert signals.is_news(TARGET, ("500",))
    assert not signals.is_news(TARGET, ("500",))
    assert signals.is_news(TARGET, ("400",))
    clock.s += REPEAT_S
    assert signals.is_news(TARGET, ("400",))


def test_changed_limit_and_other_meters_are_told_at_once() -> None:
    signals = Signals(now_s=Clock())

    signals.limit(TARGET, REQUESTS)
    signals.limit(TARGET, VendorLimit(meter="requests", limit=400))
    signals.limit(TARGET, VendorLimit(meter="tokens", limit=400))

    assert [(signal.meter, signal.limit) for signal in signals.take()] == [
        ("requests", 500),
        ("requests", 400),
        ("tokens", 400),
    ]


def test_refusal_rings_every_time() -> None:
    signals, rung = Signals(now_s=Clock()), []
    signals.on_urgent = lambda: rung.append(signals.is_urgent)

    signals.refused(TARGET, retry_after_ms=1500, header="retry-after")
    signals.refused(TARGET, retry_after_ms=0)

    assert rung == [True, True]
    assert [signal.retry_after_ms for signal in signals.take()] == [1500, 0]
    assert not signals.is_urgent


def test_no_more_wait_than_fit_into_a_message_and_the_newest_win() -> None:
    signals = Signals(now_s=Clock())

    for number in range(SIGNALS_MAX + 3):
        signals.refused(TARGET, retry_after_ms=number)

    assert [signal.retry_after_ms for signal in signals.take()] == list(range(3, SIGNALS_MAX + 3))


def test_what_could_not_be_told_comes_first_next_time() -> None:
    signals = Signals(now_s=Clock())
    signals.refused(TARGET, retry_after_ms=1)
    taken = signals.take()
    signals.limit(TARGET, REQUESTS)

    signals.put_back(taken)

    assert signals.is_urgent
    assert [signal.kind for signal in signals.take()] == ["refused", "limit"]


def test_what_could_not_be_told_never_pushes_out_what_is_newer() -> None:
    signals = Signals(now_s=Clock())
    signals.refused(TARGET, retry_after_ms=-1)
    signals.refused(TARGET, retry_after_ms=-2)
    taken = signals.take()
    for number in range(SIGNALS_MAX - 1):
        signals.refused(TARGET, retry_after_ms=number)

    signals.put_back(taken)

    assert [signal.retry_after_ms for signal in signals.take()] == [-2, *range(SIGNALS_MAX - 1)]
