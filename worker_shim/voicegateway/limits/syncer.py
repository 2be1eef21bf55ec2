"""The syncer: the one thread of a process that speaks `/v1/sync`, for its calls and for its leases alike."""

import logging
import os
import random
import socket
import threading
from collections.abc import Callable
from functools import cache
from importlib import metadata
from typing import Final, Protocol

import msgspec

from voicegateway.limits.first_word import FirstWord
from voicegateway.limits.lease import boot_ns
from voicegateway.limits.signals import Signals
from voicegateway.limits.sync_connection import Answer, SyncConnection
from voicegateway.limits.sync_pacing import Random, pause_s
from voicegateway_shared import __version__
from voicegateway_shared.ids import Incarnation
from voicegateway_shared.wire import (
    Claim,
    KeysReport,
    MoneyAnswer,
    MoneyReport,
    RoutingAnswer,
    RoutingReport,
    SessionPresence,
    SyncRequest,
    SyncResponse,
    VendorSignal,
    WorkerState,
)
from voicegateway_shared.wire.sync import OutboxState

logger = logging.getLogger("voicegateway")

NS_PER_S: Final = 1_000_000_000
PRESENCE_S: Final = 1.0
"""How often the controller hears which calls are carried, and tells what is declared; eight missed ones are an end."""
TIMEOUT_S: Final = 2.0
"""A controller slower than this is as good as gone: a rate's lease lasts three seconds."""
GOODBYE_S_MAX: Final = 3.0
"""A job process is killed 10 s after it was told to stop, and the outbox needs some of them."""
ERROR_PAUSE_S: Final = 1.0
"""After an error of our own, so that it cannot spin."""
WORDS_AFTER_S: Final = 2.0
"""A controller that is away for less, say while it restarts, is no news."""
TOGETHER_S: Final = 0.5
"""Presence that would be due so soon goes with the leases' message: one message less."""
GAP_S: Final = 0.005
"""Between two messages, so that no state of leases can make us flood a controller."""
STALE_S: Final = 10.0
"""After so long a silence what is known of the limits is old news: the first request asks again."""


class Book(Protocol):
    """The leases, as far as the syncer is concerned; called from its thread."""

    on_due: Callable[[], None]

    @property
    def revision(self) -> int:
        """Of the pools that are known, -1 when none."""
        ...

    def due_ns(self) -> int | None:
        """When the next message should be sent; None: it need not."""
        ...

    def serve(self) -> int | None:
        """Admit whom units that were promised for later serve now; return when to do so again."""
        ...

    def claims(self, seq: int, *, is_leaving: bool = False) -> tuple[Claim, ...]:
        """What to say of each lease, at once: a lease's time counts from before its claim leaves."""
        ...

    def answered(self, seq: int, response: SyncResponse) -> None:
        """The controller answered."""
        ...

    def failed(self, seq: int) -> None:
        """It did not."""
        ...


class Money(Protocol):
    """The budgets, likewise."""

    on_due: Callable[[], None]

    def look(self) -> None:
        """Price what has ended, and see who can be served."""
        ...

    def due_ns(self) -> int | None:
        """When the next message should be sent; None: it need not."""
        ...

    def report(self, seq: int, *, is_leaving: bool = False) -> MoneyReport:
        """What to say of money, at once: a lease's time counts from before its claim leaves."""
        ...

    def answered(self, seq: int, answer: MoneyAnswer | None) -> None:
        """The controller answered; None: not of money."""
        ...

    def failed(self, seq: int) -> None:
        """It did not."""
        ...


class Routing(Protocol):
    """Vendors' health and the chains, likewise."""

    on_due: Callable[[], None]

    def look(self) -> None:
        """Forget what is over."""
        ...

    def due_ns(self) -> int | None:
        """When the next message should be sent; None: it need not."""
        ...

    def report(self) -> RoutingReport:
        """What to say now."""
        ...

    def answered(self, answer: RoutingAnswer | None, *, sent_ns: int) -> None:
        """The controller answered what was sent then; None: not of routing."""
        ...

    def failed(self) -> None:
        """It did not."""
        ...


class Self(Protocol):
    """The process itself: the keys it needs, the worker it is."""

    on_due: Callable[[], None]

    def look(self) -> None:
        """Forget what is over."""
        ...

    def due_ns(self) -> int | None:
        """When the next message should be sent; None: it need not."""
        ...

    def report(self) -> tuple[KeysReport | None, WorkerState]:
        """What to say now."""
        ...

    def answered(self, response: SyncResponse, *, sent_ns: int) -> None:
        """The controller answered what was sent then."""
        ...

    def failed(self) -> None:
        """It did not."""
        ...


class Holder(Protocol):
    """The process around the syncer: what it has to tell beside leases."""

    hook_errors: int

    def carried(self) -> tuple[SessionPresence, ...]:
        """The calls of the moment."""
        ...

    def outbox_state(self) -> tuple[OutboxState, bool]:
        """What waits on this host, and whether the outbox itself complains of the controller."""
        ...

    def hook_failed(self, where: str, error: BaseException) -> None:
        """Count an error of our own."""
        ...


class Syncer:
    """Lives as long as its runtime, which starts it with the first request and stops it with `leave`."""

    def __init__(
        self,
        connection: SyncConnection,
        incarnation: Incarnation,
        *,
        book: Book,
        signals: Signals,
        holder: Holder,
        money: Money | None = None,
        routing: Routing | None = None,
        steward: Self | None = None,
        random: Random = random.random,
    ) -> None:
        self._connection, self._incarnation = connection, incarnation
        self._book, self._signals, self._holder, self._money = book, signals, holder, money
        self._routing, self._steward = routing, steward
        self._random = random
        self._bell = threading.Event()
        self._is_leaving = False
        self._thread: threading.Thread | None = None
        self._seq = 0
        self._presence_ns = 0
        self._not_before_ns = 0
        self._spoke_ns = 0
        self._failures = 0
        self._failing_since_ns = 0
        self._is_said = False
        self.first_word = FirstWord()
        self.next_word = FirstWord()
        """Of the answer to the last `ask`."""
        self._is_asked = False
        book.on_due = signals.on_urgent = self.ring
        if money is not None:
            money.on_due = self.ring
        if routing is not None:
            routing.on_due = self.ring
        if steward is not None:
            steward.on_due = self.ring

    def start(self) -> None:
        """Start the thread, which speaks at once."""
        self._thread = threading.Thread(target=self._run, name="voicegateway-sync", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        """Have the thread look at what is due."""
        self._bell.set()

    def request_began(self) -> None:
        """After a silence the controller hears of a call at once, and we of the limits."""
        if self._spoke_ns and boot_ns() - self._spoke_ns > STALE_S * NS_PER_S:
            self._spoke_ns = self._presence_ns = 0
            self.first_word.is_heard = False
            self._bell.set()

    def ask(self) -> None:
        """Have the controller asked now, for a process that carries no call: `next_word` is heard once it answers."""
        self.next_word.is_heard = False
        self._is_asked = True
        self._bell.set()

    def leave(self) -> None:
        """Say goodbye, if we ever said hello, and stop. Bounded to `GOODBYE_S_MAX`."""
        self._is_leaving = True
        self._bell.set()
        if self._thread is not None:
            self._thread.join(GOODBYE_S_MAX)

    def _run(self) -> None:
        while not self._is_leaving:
            try:
                self._bell.clear()
                wait_s = self._look()
            except Exception as error:  # noqa: BLE001 - the outermost net: the fleet must go on hearing of us
                self._holder.hook_failed("sync", error)
                self.first_word.heard()
                wait_s = ERROR_PAUSE_S
            if wait_s > 0 and not self._is_leaving:
                self._bell.wait(wait_s)
        try:
            if self._seq:
                self._money_says()
                self._speak((), self._signals.take(), is_leaving=True)
            self._connection.close()
        except Exception as error:  # noqa: BLE001 - nothing of ours may disturb a process that ends
            self._holder.hook_failed("sync.leave", error)

    def _look(self) -> float:
        """Say what is due; return for how many seconds nothing is."""
        turn_ns, lease_ns = self._book_says()
        money_ns = self._money_says()
        routing_ns = self._routing_says()
        self_ns = self._self_says()
        now_ns = boot_ns()
        if now_ns < self._not_before_ns:
            return _until_s(now_ns, self._not_before_ns, turn_ns)
        due_ns = min((each for each in (lease_ns, money_ns, routing_ns, self_ns) if each is not None), default=None)
        is_lease_due = (due_ns is not None and due_ns <= now_ns) or self._signals.is_urgent or self._is_asked
        is_self_due = self_ns is not None and self_ns <= now_ns
        is_presence_due = is_self_due or now_ns >= self._presence_ns - round(TOGETHER_S * NS_PER_S) * is_lease_due
        if is_presence_due:
            self._presence_ns = now_ns + round(PRESENCE_S * NS_PER_S)
        sessions = self._holder.carried() if is_presence_due else ()
        if sessions or is_lease_due:
            self._speak(sessions if is_presence_due else None, self._signals.take())
            return 0.0
        if is_presence_due:
            self.first_word.heard()
        return _until_s(now_ns, self._presence_ns, due_ns, turn_ns)

    def _book_says(self) -> tuple[int | None, int | None]:
        """When a waiter's turn is, and when the next message is due."""
        try:
            return self._book.serve(), self._book.due_ns()
        except Exception as error:  # noqa: BLE001 - presence goes on without leases
            self._holder.hook_failed("limits.due", error)
            return None, None

    def _money_says(self) -> int | None:
        """When the next message about money is due, everything that has ended priced."""
        if self._money is None:
            return None
        try:
            self._money.look()
            return self._money.due_ns()
        except Exception as error:  # noqa: BLE001 - presence and limits go on without money
            self._holder.hook_failed("budgets.due", error)
            return None

    def _routing_says(self) -> int | None:
        """When the next message about routing is due."""
        if self._routing is None:
            return None
        try:
            self._routing.look()
            return self._routing.due_ns()
        except Exception as error:  # noqa: BLE001 - presence, limits and money go on without routing
            self._holder.hook_failed("routing.due", error)
            return None

    def _self_says(self) -> int | None:
        """When the next message about the process itself is due."""
        if self._steward is None:
            return None
        try:
            self._steward.look()
            return self._steward.due_ns()
        except Exception as error:  # noqa: BLE001 - everything else goes on without it
            self._holder.hook_failed("self.due", error)
            return None

    def _speak(
        self,
        sessions: tuple[SessionPresence, ...] | None,
        signals: tuple[VendorSignal, ...],
        *,
        is_leaving: bool = False,
    ) -> None:
        self._seq += 1
        seq = self._seq
        is_asked, self._is_asked = self._is_asked, False
        outbox, is_said_by_outbox = self._holder.outbox_state()
        revision, claims = self._claims(seq, is_leaving=is_leaving)
        money = self._report_of_money(seq, is_leaving=is_leaving)
        routing = self._report_of_routing()
        is_about_self = (sessions is not None or is_asked) and not is_leaving
        keys, worker = self._report_of_self() if is_about_self else (None, None)
        self._spoke_ns = boot_ns()
        message = SyncRequest(
            incarnation=self._incarnation,
            seq=seq,
            host=socket.gethostname(),
            pid=os.getpid(),
            shim_version=__version__,
            agents_version=agents_version(),
            is_leaving=is_leaving,
            sessions=sessions,
            limits_revision=revision,
            claims=claims,
            signals=signals,
            money=money,
            routing=routing,
            keys=keys,
            worker=worker,
            outbox=outbox,
        )
        answer = self._connection.say(message, timeout_s=TIMEOUT_S if not is_leaving else TIMEOUT_S / 2)
        if answer.response is None:
            self._signals.put_back(signals)
            # Who carries what is said again as soon as we may.
            self._presence_ns = 0 if sessions else self._presence_ns
        self._take(seq, answer)
        self._report(answer.problem, is_said_by_outbox=is_said_by_outbox)

    def _claims(self, seq: int, *, is_leaving: bool) -> tuple[int, tuple[Claim, ...]]:
        try:
            revision, claims = self._book.revision, self._book.claims(seq, is_leaving=is_leaving)
        except Exception as error:  # noqa: BLE001 - presence goes on without leases
            self._holder.hook_failed("limits.claims", error)
            return -1, ()
        return revision, tuple(returned(claim) for claim in claims) if is_leaving else claims

    def _report_of_money(self, seq: int, *, is_leaving: bool) -> MoneyReport | None:
        if self._money is None:
            return None
        try:
            return self._money.report(seq, is_leaving=is_leaving)
        except Exception as error:  # noqa: BLE001 - presence and limits go on without money
            self._holder.hook_failed("budgets.claims", error)
            return None

    def _report_of_routing(self) -> RoutingReport | None:
        if self._routing is None:
            return None
        try:
            return self._routing.report()
        except Exception as error:  # noqa: BLE001 - presence, limits and money go on without routing
            self._holder.hook_failed("routing.report", error)
            return None

    def _report_of_self(self) -> tuple[KeysReport | None, WorkerState | None]:
        if self._steward is None:
            return None, None
        try:
            return self._steward.report()
        except Exception as error:  # noqa: BLE001 - everything else goes on without it
            self._holder.hook_failed("self.report", error)
            return None, None

    def _take(self, seq: int, answer: Answer) -> None:
        """Heed an answer, or be silent for a while."""
        now_ns = boot_ns()
        if answer.response is None:
            self._failing_since_ns = self._failing_since_ns if self._failures else now_ns
            self._failures += 1
            pause = pause_s(self._failures, answer.retry_after_s, self._random)
        else:
            self._failures, pause = 0, GAP_S
        self._not_before_ns = now_ns + round(pause * NS_PER_S)
        try:
            if answer.response is None:
                self._book.failed(seq)
            else:
                self._book.answered(seq, answer.response)
        except Exception as error:  # noqa: BLE001 - presence goes on without leases
            self._holder.hook_failed("limits.answer", error)
        self._take_money(seq, answer)
        self._take_routing(answer)
        self._take_self(answer)
        self.first_word.heard()
        self.next_word.heard()

    def _take_money(self, seq: int, answer: Answer) -> None:
        if self._money is None:
            return
        try:
            if answer.response is None:
                self._money.failed(seq)
            else:
                self._money.answered(seq, answer.response.money)
        except Exception as error:  # noqa: BLE001 - presence and limits go on without money
            self._holder.hook_failed("budgets.answer", error)

    def _take_routing(self, answer: Answer) -> None:
        if self._routing is None:
            return
        try:
            if answer.response is None:
                self._routing.failed()
            else:
                self._routing.answered(answer.response.routing, sent_ns=self._spoke_ns)
        except Exception as error:  # noqa: BLE001 - presence, limits and money go on without routing
            self._holder.hook_failed("routing.answer", error)

    def _take_self(self, answer: Answer) -> None:
        if self._steward is None:
            return
        try:
            if answer.response is None:
                self._steward.failed()
            else:
                self._steward.answered(answer.response, sent_ns=self._spoke_ns)
        except Exception as error:  # noqa: BLE001 - everything else goes on without it
            self._holder.hook_failed("self.answer", error)

    def _report(self, problem: str, *, is_said_by_outbox: bool) -> None:
        """Say once that the controller does not answer, unless the outbox does, and once that it does again."""
        failing_s = (boot_ns() - self._failing_since_ns) / NS_PER_S
        if problem and failing_s >= WORDS_AFTER_S and not self._is_said and not is_said_by_outbox:
            self._is_said = True
            logger.warning(
                "voicegateway: controller %s does not answer /v1/sync (%s); calls go on and are not shown as live, "
                "limits and budgets hold as their `offline` policies say",
                self._connection.url,
                problem,
            )
        elif not problem and self._is_said:
            self._is_said = False
            logger.warning("voicegateway: controller %s answers /v1/sync again", self._connection.url)


def returned(claim: Claim) -> Claim:
    """The claim of a process that ends: what it has not spent goes back, and streams that are open keep their slots.

    Those slots come back when the lease has run out: a socket may outlive our last word by a moment.
    """
    return msgspec.structs.replace(claim, target=claim.used, need=0, wait_ms=0, demand_milli=0, waiters=0)


def _until_s(now_ns: int, *moments_ns: int | None) -> float:
    return max(0.0, (min(each for each in moments_ns if each is not None) - now_ns) / NS_PER_S)


@cache
def agents_version() -> str:
    """The version of livekit-agents, empty without it."""
    try:
        return metadata.version("livekit-agents")
    except metadata.PackageNotFoundError:
        return ""
