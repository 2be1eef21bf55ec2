"""Runtime: what one worker process owns — outbox, open requests, its part of the limits. Made per process id."""

import logging
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from multiprocessing import util
from typing import Any, Final

from voicegateway.brief import brief_intent
from voicegateway.budgets.around import ProcessAround
from voicegateway.budgets.cashier import Cashier
from voicegateway.budgets.pricing import rating_of
from voicegateway.duty import Duty
from voicegateway.encode import encode_span
from voicegateway.guards import SessionGuards
from voicegateway.health.book import HealthBook
from voicegateway.health.desk import Desk
from voicegateway.health.state import Health
from voicegateway.health.target import target_of as health_target
from voicegateway.keys import Keyring, Lend
from voicegateway.limits.amounts import Habits
from voicegateway.limits.book import LeaseBook
from voicegateway.limits.signals import Signals
from voicegateway.limits.sync_connection import SyncConnection
from voicegateway.limits.syncer import Syncer
from voicegateway.options import Options
from voicegateway.outbox import Intent, Outbox
from voicegateway.presence import Presence
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway.routing.directory import Directory, memory_of
from voicegateway.sessions import Sessions
from voicegateway.steward import Steward
from voicegateway_shared.ids import Incarnation, new_incarnation
from voicegateway_shared.limits import Target
from voicegateway_shared.usage import Outcome
from voicegateway_shared.wire import SessionPresence, WorkerState
from voicegateway_shared.wire.money import Directive
from voicegateway_shared.wire.sync import OutboxState

logger = logging.getLogger("voicegateway")

TICK_S: Final = 2.0
"""How often long requests are checkpointed, for the outbox and for limits: what a kill -9 may cost of a stream."""
EXIT_PRIORITY: Final = 20
"""Before the outbox's own finalizer (10): open requests are settled first, then flushed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process that has a controller keeps of the fleet's limits."""

    book: LeaseBook
    signals: Signals
    syncer: Syncer


class Runtime:
    """Lives as long as its process; closed by a multiprocessing finalizer, which also runs in job processes.

    Every method is called from an event loop and returns without I/O.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.incarnation: Incarnation = new_incarnation()
        self.hook_errors = 0
        self._pid = os.getpid()
        self._open: dict[str, RequestRecord] = {}
        self._outbox = Outbox(
            options.outbox_dir,
            incarnation=self.incarnation,
            url=options.url,
            token=options.token,
            bytes_max=options.outbox_bytes_max,
        )
        self.habits = Habits()
        self.health = HealthBook()
        self.directory = Directory(options.routing, memory=memory_of(options.outbox_dir, options.url, options.token))
        self._presence = Presence()
        self.sessions = Sessions(self.hook_failed, is_deleting_rooms=options.delete_room)
        self.guards = SessionGuards(self.sessions.end)
        self.sessions.on_closed = self.guards.forget
        self.limits: Limits | None = None
        """None without a controller: then nobody counts for the fleet."""
        self.money: Cashier | None = None
        """Likewise."""
        self.keys: Keyring | None = None
        """Likewise: keys are then those of the environment alone."""
        self.duty = Duty()
        if options.url is not None:
            self.money = self._cashier()
            self.keys = Keyring()
            self.limits = self._attached(options.url, options.token, self.money, self.keys)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._close = util.Finalize(self, Runtime._at_exit, args=(self,), exitpriority=EXIT_PRIORITY)

    @property
    def outbox(self) -> Outbox:
        return self._outbox

    def start(self) -> None:
        """Speak with the controller from now on, if there is one; the first request does this too."""
        if self._thread is None:
            self._start_threads()

    def begin(self, record: RequestRecord) -> Intent:
        """Write the intent that a request starts; returns at once, await its durability where it matters."""
        self._open[record.request_id] = record
        if self.money is not None:
            self.money.met(record)
        if self._thread is None:
            self._start_threads()
        elif self.limits is not None:
            self.limits.syncer.request_began()
        return self._outbox.begin(record.request_id, partial(encode_span, record), brief_intent(record))

    def settle(self, record: RequestRecord, outcome: Outcome) -> None:
        """Replace the intent by the finished request; the second call for the same record does nothing."""
        if self._open.pop(record.request_id, None) is None:
            return
        record.ended_ns = record.ended_ns or record.started_ns + record.duration_ns
        record.outcome, record.is_settled = outcome, True
        try:
            self._outbox.settle(record.request_id, partial(encode_span, record))
            self._presence.note(record)
        finally:
            # Whatever becomes of its span: what it holds of budgets must not be held for ever.
            if self.money is not None:
                self.money.ended(record)

    def hook_failed(self, where: str, error: BaseException) -> None:
        """Count an error of our own inside a call; the call never hears of it."""
        self.hook_errors += 1
        if self.hook_errors == 1:
            logger.error("voicegateway: metering failed in %s, the call goes on", where, exc_info=error)
        else:
            logger.debug("voicegateway: metering failed in %s", where, exc_info=error)

    def carried(self) -> tuple[SessionPresence, ...]:
        """The calls of the moment."""
        return self._presence.sessions(list(self._open.values()))

    def outbox_state(self) -> tuple[OutboxState, bool]:
        """What waits on this host, and whether the outbox itself complains of the controller."""
        stats = self._outbox.stats()
        state = OutboxState(rows=stats.rows, bytes=stats.bytes, dropped=stats.dropped, hook_errors=self.hook_errors)
        return state, bool(stats.error)

    def directed(self, directives: Iterable[Directive]) -> None:
        """Do what the controller's answer says is to be done, once."""
        self.sessions.obey(directives)

    def is_throttled(self, target: Target, session_id: str) -> bool:
        """Whether a budget or a guard says that such a request should make do with less."""
        if self.guards.is_throttled(session_id):
            return True
        plan = None if self.money is None else self.money.book.known(target, session_id)
        return plan is not None and self.money is not None and self.money.book.is_throttled(plan)

    def health_of(self, facts: PluginFacts, model: str) -> Health:
        """What is known of the vendor, the account and the model that a plugin would ask now."""
        return self.health.state(health_target(facts, model))

    def lender(self, project: str) -> Lend | None:
        """Return what lends a project the fleet's keys, waiting for the controller's word where none is here; or None.

        Its wait is bounded to a second, and happens only where a model could not be resolved without a key.
        """
        keys, limits = self.keys, self.limits
        if keys is None or limits is None:
            return None

        def ask() -> None:
            self.start()
            limits.syncer.ask()

        return lambda provider: keys.borrow(provider, project, ask=ask)

    def worker_state(self) -> WorkerState:
        """How this process is."""
        return self.duty.state(
            identity=self._presence.last,
            budgets_tag="" if self.money is None else self.money.book.tag,
            routing_tag=self.directory.tag,
        )

    def cost_of(self, target: Target, usage: Mapping[str, int], at: datetime) -> int | None:
        """What such a usage of a model costs in nano-dollars; None when it is not known yet, or has no price."""
        if self.money is None:
            return None
        key = (target.provider, target.model, target.modality)
        self.money.tariffs.need(key)
        tariff = self.money.tariffs.find(key)
        return tariff.cost(rating_of(target, usage, at)) if tariff is not None and tariff.is_priced else None

    def close(self) -> None:
        """Settle what is open, tell the controller, flush the outbox. Bounded to a few seconds."""
        self._close()

    def _attached(self, url: str, token: str | None, money: Cashier, keys: Keyring) -> Limits:
        book, signals = LeaseBook(), Signals()
        connection = SyncConnection(url, token)
        syncer = Syncer(
            connection,
            self.incarnation,
            book=book,
            signals=signals,
            holder=self,
            money=money,
            routing=Desk(self.health, self.directory),
            steward=Steward(keys, self.duty, self.worker_state),
        )
        self.sessions.on_done = syncer.ring
        return Limits(book=book, signals=signals, syncer=syncer)

    def _cashier(self) -> Cashier:
        around = ProcessAround(
            sessions=self.sessions, guards=self.guards, outbox=self._outbox, hook_failed=self.hook_failed
        )
        return Cashier(around)

    def _start_threads(self) -> None:
        self._thread = threading.Thread(target=self._tick_forever, name="voicegateway-runtime", daemon=True)
        self._thread.start()
        if self.limits is not None:
            self.limits.syncer.start()

    def _tick_forever(self) -> None:
        while True:
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001 - the outermost net: checkpoints must go on
                self.hook_failed("tick", error)
            if self._stop.wait(TICK_S):
                return

    def _tick(self) -> None:
        self.guards.tick()
        for record in list(self._open.values()):
            if record.modality in ("stt", "realtime") and record.outcome is None:
                self._outbox.checkpoint(record.request_id, partial(encode_span, record))
            self._tell_progress("limits.progress", record.ticket)
            self._tell_progress("budgets.progress", record.money)
            self._tell_guards(record)

    def _tell_guards(self, record: RequestRecord) -> None:
        """What an open request has cost so far: a call that only listens would else cost nothing until its end."""
        if self.money is None or not self.guards.is_watching:
            return
        try:
            cost = self.money.cost_so_far(record)
            if cost is not None and record.outcome is None:
                self.guards.priced(record, cost)
        except Exception as error:  # noqa: BLE001 - the others' checkpoints must go on
            self.hook_failed("guards.priced", error)

    def _tell_progress(self, where: str, held: Any) -> None:
        """Of what an open request holds of limits or budgets, if it does."""
        if held is None:
            return
        try:
            held.progress()
        except Exception as error:  # noqa: BLE001 - the others' checkpoints must go on
            self.hook_failed(where, error)

    @staticmethod
    def _at_exit(runtime: "Runtime") -> None:
        if os.getpid() != runtime._pid:
            return
        runtime._stop.set()
        for record in list(runtime._open.values()):
            try:
                runtime.settle(record, "cancelled")
            except Exception as error:  # noqa: BLE001 - the others must be settled too
                runtime.hook_failed("exit", error)
        if runtime.limits is not None:
            runtime.limits.syncer.leave()
        runtime._outbox.close(timeout_s=3.0)


_runtime: Runtime | None = None
_runtime_pid = 0


def current_runtime(options: Options | None = None) -> Runtime:
    """The process's runtime; a forked child gets its own, with its own incarnation.

    The options of the first caller win: one process has one outbox and one controller.
    """
    global _runtime, _runtime_pid
    if _runtime is None or _runtime_pid != os.getpid():
        _runtime = Runtime(options or Options.load_or_default())
        _runtime_pid = os.getpid()
    return _runtime


def reset_runtime() -> None:
    """Close the process's runtime, so that the next request makes a new one. For tests and `Gateway.aclose`."""
    global _runtime
    if _runtime is not None and _runtime_pid == os.getpid():
        _runtime.close()
    _runtime = None
