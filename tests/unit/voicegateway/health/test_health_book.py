"""The health book: what a process saw itself, what the fleet says, and which of the two counts."""

from typing import Any

import pytest

from voicegateway.health.book import HealthBook
from voicegateway.health.state import Health
from voicegateway_shared.health import account_of
from voicegateway_shared.wire import HealthTarget, ModelHealth, Observation, RoutingAnswer

TARGET = HealthTarget(provider="openai", model="gpt-4.1-mini", modality="llm", account="k1")
ACCOUNT = account_of(TARGET)
S = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_000 * S

    def __call__(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += round(seconds * S)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> HealthBook:
    return HealthBook(now_ns=clock)


def attached(clock: Clock) -> tuple[HealthBook, list[int]]:
    book, rung = HealthBook(now_ns=clock), list[int]()
    book.told_to(lambda: rung.append(clock.now_ns))
    return book, rung


def hears(book: HealthBook, clock: Clock, *told: ModelHealth, number: int = 0, version: int = 1) -> None:
    book.answered(RoutingAnswer(health_version=version, health=told, number=number), sent_ns=clock.now_ns)


def ill(state: Any = "open", *, target: HealthTarget = TARGET, **changes: Any) -> ModelHealth:
    return ModelHealth(target=target, state=state, **{"cause": "errors", **changes})


def test_one_failure_says_little_two_in_a_row_keep_a_process_away_for_a_turn(book: HealthBook, clock: Clock) -> None:
    book.observe(TARGET, outcome="failed")
    assert (book.is_all_well, book.state(TARGET)) == (True, Health())

    book.observe(TARGET, outcome="timed_out")
    assert (book.is_all_well, book.state(TARGET)) == (False, Health(state="open", cause="timeouts", retry_ms=2_000))

    clock.pass_s(2)
    assert book.state(TARGET).state == "half_open"


def test_a_success_between_two_failures_makes_them_two_of_one(book: HealthBook) -> None:
    for outcome in ("failed", "ok", "failed", "ok", "failed"):
        book.observe(TARGET, outcome=outcome)

    assert book.is_all_well


def test_one_probe_goes_at_a_time_and_its_success_closes(book: HealthBook, clock: Clock) -> None:
    for _ in range(2):
        book.observe(TARGET, outcome="failed")
    clock.pass_s(2)
    book.began(TARGET)
    assert book.state(TARGET).state == "open"

    book.observe(TARGET, outcome="ok")

    assert (book.is_all_well, book.state(TARGET)) == (True, Health())


def test_a_probe_that_fails_doubles_the_time_and_one_that_never_ends_is_replaced(
    book: HealthBook, clock: Clock
) -> None:
    waits = []
    for _ in range(2):
        book.observe(TARGET, outcome="failed")
    for _ in range(4):
        clock.pass_s(book.state(TARGET).retry_ms / 1_000)
        book.began(TARGET)
        book.observe(TARGET, outcome="failed")
        waits.append(book.state(TARGET).retry_ms)
    clock.pass_s(waits[-1] / 1_000)
    book.began(TARGET)
    clock.pass_s(10)

    assert waits == [2_000, 4_000, 8_000, 16_000]
    assert book.state(TARGET).state == "half_open"


def test_a_vendor_that_says_when_is_asked_then(book: HealthBook, clock: Clock) -> None:
    book.observe(TARGET, outcome="limited", retry_after_ms=7_000)

    assert book.state(TARGET) == Health(state="open", cause="rate_limited", retry_ms=7_000)


def test_a_refused_key_is_the_trouble_of_all_models_of_its_account(book: HealthBook) -> None:
    other = HealthTarget(provider="openai", model="whisper-1", modality="stt", account="k1")
    another = HealthTarget(provider="openai", model="whisper-1", modality="stt", account="k2")

    book.observe(TARGET, outcome="unauthorized")

    assert [book.state(each).state for each in (TARGET, other, another)] == ["open", "open", "closed"]


def test_the_fleets_word_keeps_a_process_away_from_what_it_never_met(clock: Clock) -> None:
    book, _ = attached(clock)
    disabled = ill(target=HealthTarget(provider="deepgram"), cause="disabled", retry_ms=60_000)

    hears(book, clock, ill(retry_ms=4_000), disabled)

    assert book.state(TARGET) == Health(state="open", cause="errors", retry_ms=4_000)
    nova = HealthTarget(provider="deepgram", model="nova-3", modality="stt", account="k3")
    assert [str(each) for each in book.state(nova).rejections("deepgram/nova-3")] == [
        "deepgram/nova-3: disabled (switched off by hand, again in 60 s)"
    ]
    clock.pass_s(60)
    assert book.state(nova).state == "closed"


def test_while_the_fleet_is_heard_only_its_prober_probes(clock: Clock) -> None:
    book, _ = attached(clock)
    hears(book, clock, ill(retry_ms=1_000))
    assert book.state(TARGET).state == "open"

    clock.pass_s(1)
    assert book.state(TARGET).state == "open"
    number, observations = book.report()
    assert observations == (Observation(target=TARGET),), "whoever would have asked offers to probe"

    hears(book, clock, ill("half_open", is_prober=True, retry_ms=10_000), number=number, version=2)
    assert book.state(TARGET).state == "half_open"
    book.began(TARGET)
    assert book.state(TARGET).state == "open"
    book.observe(TARGET, outcome="ok", ttfb_ns=90_000_000)
    assert book.report()[1] == (Observation(target=TARGET, ok=1, ttfb_counts=((10, 1),), is_probe=True),)


def test_who_let_its_turn_pass_leaves_the_next_to_others_until_it_would_use_it(clock: Clock) -> None:
    book, _ = attached(clock)
    hears(book, clock, ill(retry_ms=0))
    book.state(TARGET)
    number, observations = book.report()
    hears(book, clock, ill("half_open", is_prober=True, retry_ms=10_000), number=number, version=2)
    clock.pass_s(11)
    hears(book, clock, ill("half_open", is_prober=True, retry_ms=0), number=number, version=2)
    assert book.report() == (0, ())

    book.state(TARGET)

    assert book.report()[1] == observations


def test_without_the_fleet_each_process_probes_when_the_time_has_come(clock: Clock) -> None:
    book, _ = attached(clock)
    hears(book, clock, ill(retry_ms=1_000))

    clock.pass_s(11)

    assert book.state(TARGET).state == "half_open"


def test_a_fleet_that_heard_of_the_trouble_and_is_well_ends_it_after_a_turn(clock: Clock) -> None:
    book, _ = attached(clock)
    for _ in range(2):
        book.observe(TARGET, outcome="limited", retry_after_ms=60_000)
    number, _ = book.report()
    hears(book, clock, number=number)
    assert book.state(TARGET).state == "open"

    clock.pass_s(2.1)
    hears(book, clock)

    assert book.is_all_well


def test_a_fleet_that_has_not_heard_of_the_trouble_does_not_end_it(clock: Clock) -> None:
    book, _ = attached(clock)
    for _ in range(2):
        book.observe(TARGET, outcome="limited", retry_after_ms=60_000)
    book.report()
    clock.pass_s(2.1)

    hears(book, clock)

    assert book.state(TARGET).state == "open"


def test_a_report_is_repeated_as_it_was_until_it_is_acknowledged(clock: Clock) -> None:
    book, rung = attached(clock)
    book.observe(TARGET, outcome="failed")
    assert rung == [clock.now_ns]
    first = book.report()
    book.observe(TARGET, outcome="ok", ttfb_ns=S)
    book.failed()

    assert book.report() == first == (1, (Observation(target=TARGET, failed=1),))
    hears(book, clock, number=1)
    assert book.report() == (2, (Observation(target=TARGET, ok=1, ttfb_counts=((20, 1),)),))


def test_what_nobody_takes_is_repeated_as_often_as_presence_and_offers_wait_with_it(clock: Clock) -> None:
    """As where Redis is away, and at a controller that knows nothing of routing: all holders at once repeat."""
    book, _ = attached(clock)
    hears(book, clock, ill(retry_ms=0))
    began_ns, said = clock.now_ns, 0
    while clock.now_ns < began_ns + 60 * S:
        book.observe(TARGET, outcome="failed")
        book.state(TARGET)
        due_ns = book.due_ns()
        if due_ns is not None and due_ns <= clock.now_ns:
            book.report()
            book.failed()
            said += 1
        clock.pass_s(0.01)

    assert 30 <= said <= 75


def test_what_could_not_be_told_for_long_is_no_news(clock: Clock) -> None:
    book, _ = attached(clock)
    book.observe(TARGET, outcome="failed")
    book.report()
    book.observe(TARGET, outcome="failed")
    clock.pass_s(11)

    assert book.report() == (0, ())


def test_failures_are_told_at_once_but_not_in_a_flood_and_successes_with_presence(clock: Clock) -> None:
    book, _ = attached(clock)
    assert book.due_ns() is None
    book.observe(TARGET, outcome="ok")
    assert book.due_ns() == clock.now_ns + 2 * S
    book.observe(TARGET, outcome="failed")
    due_ns = book.due_ns()
    assert due_ns is not None
    assert due_ns <= clock.now_ns
    number, _ = book.report()
    hears(book, clock, number=number)
    assert book.due_ns() is None

    book.observe(TARGET, outcome="failed")

    assert book.due_ns() == clock.now_ns + S // 10


def test_an_engine_of_this_host_is_nobody_elses_business(clock: Clock) -> None:
    book, _ = attached(clock)
    for _ in range(2):
        book.observe(HealthTarget(provider="ollama", model="llama3", modality="llm", region="localhost:11434"),
                     outcome="failed")  # fmt: skip

    assert (book.is_all_well, book.report()) == (False, (0, ()))


def test_a_model_that_became_slow_is_said_to_be_and_times_are_known_when_all_is_well(clock: Clock) -> None:
    book, _ = attached(clock)
    timed = ModelHealth(target=TARGET, ttfb_p50_ms=251, ttfb_p95_ms=501, samples=40)
    hears(book, clock, timed)
    assert (book.is_all_well, book.state(TARGET)) == (True, Health(ttfb_p50_ms=251, ttfb_p95_ms=501))

    slow = ModelHealth(target=TARGET, ttfb_p50_ms=251, ttfb_p95_ms=2_512, samples=40, is_degraded=True)
    hears(book, clock, slow, version=2)

    assert not book.is_all_well
    assert book.state(TARGET) == Health(is_degraded=True, ttfb_p50_ms=251, ttfb_p95_ms=2_512)


def test_nothing_grows_without_bound(clock: Clock) -> None:
    book, _ = attached(clock)
    for number in range(1_000):
        book.observe(HealthTarget(provider="x", model=str(number)), outcome="failed")

    assert len(book.report()[1]) == 64
    assert len(book._breakers) == 256
