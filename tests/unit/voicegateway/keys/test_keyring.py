"""The keyring: what was lent is chosen by project and share, renewed, exchanged, revoked and forgotten."""

import pickle
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.fixtures.key_controller import leased

from voicegateway.keys import Keyring, Loan, keyring
from voicegateway_shared.wire import HeldKey, KeysAnswer, KeysReport, LeasedKey
from voicegateway_shared.wire.keys import NEEDS_MAX

MINUTE_NS = 60_000_000_000


class Clock:
    """Nanoseconds that go on when the test says so."""

    def __init__(self) -> None:
        self.now_ns = 1_000 * MINUTE_NS

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(keyring, "boot_ns", made)
    return made


@pytest.fixture
def lots() -> Iterator[float]:
    """Lots that are drawn evenly."""
    return ((number % 100) / 100 for number in range(10_000))


def told(ring: Keyring, clock: Clock, *keys: LeasedKey) -> KeysReport:
    """Let the ring ask, and answer it with these keys; return what it said."""
    report = ring.report()
    assert report is not None
    ring.answered(KeysAnswer(tag="t", keys=keys), sent_ns=clock.now_ns)
    return report


def secret_of(loan: Loan | None) -> str:
    return "" if loan is None else loan.secret


def test_ring_that_nobody_has_asked_says_nothing() -> None:
    ring = Keyring()

    assert (ring.report(), ring.due_ns(), ring.lend("openai", "acme")) == (None, None, None)
    assert ring.report() == KeysReport(needs=("openai",))


def test_what_is_held_is_named_and_its_secret_is_not_sent_again(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    first = told(ring, clock, leased("openai", "sk-one"))
    second = told(ring, clock, leased("openai", ""))

    assert first == KeysReport(needs=("openai",))
    assert second == KeysReport(needs=("openai",), held=(HeldKey(id="openai", version=1),), tag="t")
    assert secret_of(ring.lend("openai", "acme")) == "sk-one"


def test_version_that_is_not_held_is_not_taken_without_its_secret(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    told(ring, clock, leased("openai", "sk-one"))
    told(ring, clock, leased("openai", "", version=2))

    assert ring.lend("openai", "acme") is None
    assert ring.report() == KeysReport(needs=("openai",), tag="t"), "so that the next answer brings it"


def test_of_several_keys_each_is_lent_by_its_share(clock: Clock, lots: Iterator[float]) -> None:
    ring = Keyring(random=lambda: next(lots))
    ring.need(("openai",))
    shares = {"a": 600, "b": 300, "c": 100, "d": 0}
    told(
        ring, clock, *(leased("openai", f"sk-{name}", id=name, share_permille=share) for name, share in shares.items())
    )
    lent = Counter(secret_of(ring.lend("openai", "acme")) for _ in range(1_000))

    assert lent == {"sk-a": 600, "sk-b": 300, "sk-c": 100}


def test_where_all_are_used_up_the_preferred_one_is_lent(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    told(ring, clock, *(leased("openai", f"sk-{name}", id=name, share_permille=0) for name in "ab"))

    assert secret_of(ring.lend("openai", "acme")) == "sk-a"


@pytest.mark.parametrize(
    ("project", "secret"), [("acme", "sk-acme"), ("globex", "sk-all"), ("initech", "sk-all")], ids=str
)
def test_a_projects_own_key_comes_before_those_for_all(project: str, secret: str, clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    told(
        ring, clock,
        leased("openai", "sk-all", id="all"),
        leased("openai", "sk-acme", id="acme", projects=("acme",), share_permille=1),
        leased("deepgram", "dg", id="dg"),
    )  # fmt: skip

    assert secret_of(ring.lend("openai", project)) == secret


def test_loan_holds_while_nothing_changes_and_follows_a_rotation(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    told(ring, clock, leased("openai", "sk-one"))
    loan = ring.lend("openai", "acme")
    assert loan is not None
    told(ring, clock, leased("openai", ""))
    same = ring.renewed(loan, "acme")
    told(ring, clock, leased("openai", "sk-two", version=2))
    next_one = ring.renewed(loan, "acme")

    assert same is loan
    assert (secret_of(next_one), next_one and next_one.version) == ("sk-two", 2)


@pytest.mark.parametrize(
    ("left", "secret"),
    [
        ((), ""),
        ((leased("openai", "sk-b", id="b"),), "sk-b"),
        ((leased("openai", "sk-b", id="b", projects=("globex",)),), ""),
        ((leased("openai", "", projects=("globex",)), leased("openai", "sk-b", id="b")), "sk-b"),
        ((leased("deepgram", "dg"),), ""),
    ],
    ids=["none", "another", "anothers", "no longer this project's", "another vendor's"],
)
def test_revoked_key_is_followed_by_another_that_the_project_may_use(
    left: tuple[LeasedKey, ...], secret: str, clock: Clock
) -> None:
    ring = Keyring()
    ring.need(("openai", "deepgram"))
    told(ring, clock, leased("openai", "sk-a"))
    loan = ring.lend("openai", "acme")
    assert loan is not None
    told(ring, clock, *left)

    assert secret_of(ring.renewed(loan, "acme")) == secret


def test_key_that_is_used_up_is_left_for_one_that_is_not_and_only_for_that(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    told(ring, clock, leased("openai", "sk-b", id="b", share_permille=0), leased("openai", "sk-a", id="a"))
    loan = ring.lend("openai", "acme")
    assert secret_of(loan) == "sk-a"
    assert loan is not None
    told(ring, clock, *(leased("openai", "", id=name, share_permille=0) for name in "ba"))
    stays = ring.renewed(loan, "acme")
    told(ring, clock, leased("openai", "", id="b"), leased("openai", "", id="a", share_permille=0))

    assert (secret_of(stays), secret_of(ring.renewed(loan, "acme"))) == ("sk-a", "sk-b")


def test_without_a_word_keys_go_on_until_they_expire_and_are_forgotten_then(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    told(ring, clock, leased("openai", "sk-a", ttl_ms=600_000))
    loan = ring.lend("openai", "acme")
    assert loan is not None
    held = []
    for minutes in (9, 1, 0):
        clock.now_ns += minutes * MINUTE_NS
        ring.report()
        ring.failed() if minutes else ring.answered(None, sent_ns=clock.now_ns)
        ring.look()
        held.append((secret_of(ring.renewed(loan, "acme")), secret_of(ring.lend("openai", "acme"))))

    assert held == [("sk-a", "sk-a"), ("", ""), ("", "")]
    assert ring.report() == KeysReport(needs=("openai",), tag="t")


def test_each_answer_renews_and_its_time_counts_from_when_it_was_asked_for(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    told(ring, clock, leased("openai", "sk-a", ttl_ms=600_000))
    loan = ring.lend("openai", "acme")
    assert loan is not None
    ring.report()
    asked_ns = clock.now_ns
    clock.now_ns += 9 * MINUTE_NS
    ring.answered(KeysAnswer(keys=(leased("openai", "", ttl_ms=1_000_000),)), sent_ns=asked_ns)
    clock.now_ns = asked_ns + 16 * MINUTE_NS
    still = ring.renewed(loan, "acme")
    clock.now_ns += MINUTE_NS

    assert (secret_of(still), ring.renewed(loan, "acme")) == ("sk-a", None)


def test_answer_that_says_nothing_of_keys_changes_nothing(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    told(ring, clock, leased("openai", "sk-a"))
    epoch = ring.epoch
    ring.report()
    ring.answered(None, sent_ns=clock.now_ns)

    assert (secret_of(ring.lend("openai", "acme")), ring.epoch) == ("sk-a", epoch)


def test_fork_goes_on_with_what_its_parent_borrowed_until_it_has_heard_for_itself(clock: Clock) -> None:
    parent, child = Keyring(), Keyring()
    parent.need(("openai",))
    told(parent, clock, leased("openai", "sk-a", ttl_ms=600_000))
    loan = parent.lend("openai", "acme")
    assert loan is not None
    unheard = child.renewed(loan, "acme")
    told(child, clock)

    assert (unheard, child.renewed(loan, "acme")) == (loan, None)


def test_who_needs_more_than_can_be_said_needs_all() -> None:
    ring = Keyring()
    ring.need(f"vendor-{number}" for number in range(200))
    report = ring.report()

    assert report is not None
    assert len(report.needs) == NEEDS_MAX
    assert "*" in report.needs


def test_borrowing_waits_for_the_word_and_only_once(clock: Clock) -> None:
    ring = Keyring()
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        told(ring, clock, leased("openai", "sk-a"))

    first = ring.borrow("openai", "acme", ask=ask)
    nothing = [ring.borrow("groq", "acme", ask=ask) for _ in range(3)]
    clock.now_ns += round(keyring.TOLD_FRESH_S * 1e9)
    ring.borrow("groq", "acme", ask=ask)

    assert (secret_of(first), nothing, len(asked)) == ("sk-a", [None] * 3, 3)


def test_controller_that_is_silent_is_waited_for_once_and_not_for_every_model(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "WORD_WITHIN_S", 0.01)
    ring = Keyring()
    asked: list[int] = []
    found = [ring.borrow("openai", "acme", ask=lambda: asked.append(1)) for _ in range(3)]

    assert (found, asked) == ([None] * 3, [1])


def test_who_waits_is_woken_by_a_failure(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    ring.report()
    heard: list[bool] = []
    waiting = threading.Thread(target=lambda: heard.append(ring.wait("openai", 30, since_ns=clock.now_ns)))
    waiting.start()
    ring.failed()
    waiting.join(10)

    assert heard == [False]


def test_no_repr_and_no_pickle_has_a_secret(clock: Clock) -> None:
    ring = Keyring()
    ring.need(("openai",))
    told(ring, clock, leased("openai", "sk-planted-secret-123456"))
    loan = ring.lend("openai", "acme")

    assert "planted" not in f"{ring!r}{loan!r}{ring._keys!r}{vars(ring)!r}{leased('openai', 'sk-planted')!r}"
    for each in (ring, loan, *ring._keys.values()):
        with pytest.raises(TypeError, match="memory of the process"):
            pickle.dumps(each)
