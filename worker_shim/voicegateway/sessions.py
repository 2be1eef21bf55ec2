"""Sessions: the agent sessions that this process carries, and how one of them is ended from anywhere."""

import asyncio
import logging
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Final

from voicegateway import goodbye, tracing
from voicegateway.identity import Identity
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.budgets.budget import SENTENCE_DEFAULT
from voicegateway_shared.limits import Target
from voicegateway_shared.wire.money import DIRECTIVES_MAX, Directive

logger = logging.getLogger("voicegateway")

SESSIONS_MAX: Final = 1_024
"""Handles kept; a job process carries one session, a thread-based worker some dozens."""
TARGETS_MAX: Final = 64
"""Kinds of requests remembered of each session; an ordinary one has three."""
SPEECHES_MAX: Final = 16
"""Speeches that wait to be spoken at once; an ordinary session has one or two."""
_OF_ONE_REQUEST: Final = frozenset(
    (
        "voicegateway_request",
        "voicegateway_passage",
        "agents_activity",
        "agents_speech_handle",
        "stt_pipeline",
        "current_context",
    )
)
"""Context variables that belong to what runs at the moment, not to the job."""


@dataclass(slots=True, kw_only=True, eq=False)
class Ending:
    """One session's end, from the moment it is decided. Immutable, save `speech_ids`."""

    sentence: str
    reason: str
    budget_id: str = ""
    carrier: Any = None
    """The speech that says the sentence already, if one does."""
    speech_ids: set[str] = field(default_factory=set)
    """The speeches that say it: their voice is never refused."""


@dataclass(slots=True, kw_only=True, eq=False, weakref_slot=True)
class LiveSession:
    """A handle on one `AgentSession`, which it does not keep alive. Lives until the session has closed."""

    identity: Identity
    session: "weakref.ref[Any]"
    job: "weakref.ref[Any] | None"
    loop: asyncio.AbstractEventLoop
    context: Context
    """In which things are said on its behalf: its job, and the job's HTTP client."""
    targets: set[Target] = field(default_factory=set)
    """Whom it has asked for what: which budgets are about it."""
    paid: "deque[str]" = field(default_factory=lambda: deque(maxlen=SPEECHES_MAX))
    """The last speeches whose language model was admitted: what it said may be spoken."""
    ending: Ending | None = None
    is_closed: bool = False
    task: "asyncio.Task[None] | None" = None


class Sessions:
    """Lives as long as its runtime. Every method may be called from any thread, unless it says otherwise."""

    def __init__(self, hook_failed: Callable[[str, BaseException], None], *, is_deleting_rooms: bool = True) -> None:
        self._hook_failed = hook_failed
        self._is_deleting_rooms = is_deleting_rooms
        self._lock = threading.Lock()
        self._live: weakref.WeakKeyDictionary[Any, LiveSession] = weakref.WeakKeyDictionary()
        self._by_id: dict[str, list[LiveSession]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        """Sessions that were carried here and have closed, the last of them."""
        self._directives: dict[str, str] = {}
        """Directives that are being obeyed: their sessions by their ids."""
        self._obeyed: list[str] = []
        self.on_done: Callable[[], None] = lambda: None
        """Rung when a directive has been obeyed, and the controller should hear of it."""
        self.on_closed: Callable[[str], None] = lambda session_id: None
        """Told the id of each session that has closed."""

    def met(self, session: Any, identity: Identity, job: Any = None) -> LiveSession:
        """Return the handle of a session, new when it was not known. Called on the session's own loop."""
        found = self._live.get(session)
        return found if found is not None and not found.is_closed else self._add(session, identity, job)

    def is_carried(self, session_id: str) -> bool:
        """Whether an agent session of this id runs here, as far as is known."""
        return session_id in self._by_id

    def end(self, session_id: str, sentence: str, reason: str, *, budget_id: str = "") -> bool:
        """End a session: it says the sentence and closes. Returns at once, False when it is not carried here.

        The first end of a session counts, those after it do nothing.

        Args:
            session_id: Its id; a job's id, as the controller knows it.
            sentence: What the caller hears; the default when it is empty.
            reason: For the log and the trace.
            budget_id: The budget that ends it, if one does.
        """
        with self._lock:
            found = list(self._by_id.get(session_id, ()))
        for live in found:
            self.end_one(live, sentence, reason, budget_id=budget_id)
        return bool(found)

    def end_one(
        self, live: LiveSession, sentence: str, reason: str, *, budget_id: str = "", carrier: Any = None
    ) -> bool:
        """End a session by its handle; False when it was ending already, and somebody else's sentence is said.

        Args:
            live: The handle.
            sentence: What the caller hears; the default when it is empty.
            reason: For the log and the trace.
            budget_id: The budget that ends it, if one does.
            carrier: The speech that says the sentence already, if one does.
        """
        ending = Ending(sentence=sentence or SENTENCE_DEFAULT, reason=reason, budget_id=budget_id, carrier=carrier)
        if carrier is not None:
            ending.speech_ids.add(str(carrier.id))
        with self._lock:
            if live.ending is not None or live.is_closed:
                return False
            live.ending = ending
        logger.warning("voicegateway: session %s is ended: %s", live.identity.session_id, reason)
        self._begin(live, ending)
        return True

    def end_under(self, budget: BudgetSpec, reason: str) -> int:
        """End all sessions that a budget is about, with its sentence; return how many there are."""
        with self._lock:
            ids = {
                live.identity.session_id
                for each in self._by_id.values()
                for live in each
                if any(budget.selector.matches(target) for target in live.targets)
            }
        for session_id in ids:
            self.end(session_id, budget.sentence, reason, budget_id=budget.id)
        return len(ids)

    def obey(self, directives: Iterable[Directive]) -> None:
        """Do what the controller says; what is being done already is not begun again, what is done is told again."""
        for directive in directives:
            if self._is_new(directive) and not self.end(
                directive.session_id, directive.sentence, directive.reason or "the controller said so"
            ):
                with self._lock:
                    self._directives.pop(directive.id, None)
                logger.info("voicegateway: session %s is not carried here, and cannot be ended", directive.session_id)

    def _is_new(self, directive: Directive) -> bool:
        with self._lock:
            if directive.id in self._directives or directive.id in self._obeyed:
                return False
            if directive.session_id in self._ended:
                self._obeyed.append(directive.id)
            elif len(self._directives) < DIRECTIVES_MAX:
                self._directives[directive.id] = directive.session_id
                return True
        self.on_done()
        return False

    def done(self) -> tuple[str, ...]:
        """Return the directives that were obeyed since the last time; one whose word is lost is told again."""
        with self._lock:
            obeyed, self._obeyed = tuple(self._obeyed), []
            return obeyed

    @property
    def is_done(self) -> bool:
        """Whether there is a directive whose end the controller should hear of."""
        return bool(self._obeyed)

    def _add(self, session: Any, identity: Identity, job: Any) -> LiveSession:
        live = LiveSession(
            identity=identity,
            session=weakref.ref(session),
            job=None if job is None else weakref.ref(job),
            loop=asyncio.get_running_loop(),
            context=_of_the_job(copy_context()),
        )
        with self._lock:
            self._ended.pop(identity.session_id, None)
            self._live[session] = live
            self._by_id.setdefault(identity.session_id, []).append(live)
            if len(self._by_id) > SESSIONS_MAX:
                del self._by_id[next(iter(self._by_id))]
        known = weakref.ref(live)

        def closed(_: Any) -> None:
            if (closing := known()) is not None:
                self._closed(closing)

        session.once("close", closed)
        return live

    def _closed(self, live: LiveSession) -> None:
        session_id = live.identity.session_id
        with self._lock:
            live.is_closed = True
            rest = [each for each in self._by_id.get(session_id, ()) if not each.is_closed]
            if rest:
                self._by_id[session_id] = rest
                return
            self._by_id.pop(session_id, None)
            self._ended[session_id] = None
            if len(self._ended) > SESSIONS_MAX:
                self._ended.popitem(last=False)
            done = [each for each, session in self._directives.items() if session == session_id]
            for directive_id in done:
                del self._directives[directive_id]
                self._obeyed.append(directive_id)
            del self._obeyed[:-DIRECTIVES_MAX]
        self.on_closed(session_id)
        if done:
            self.on_done()

    def _begin(self, live: LiveSession, ending: Ending) -> None:
        def begin() -> None:
            live.task = live.loop.create_task(self._end(live, ending), name="voicegateway-goodbye")

        try:
            live.loop.call_soon_threadsafe(begin, context=live.context)
        except RuntimeError:
            # Its loop has ended, and it with it.
            self._closed(live)

    async def _end(self, live: LiveSession, ending: Ending) -> None:
        session = live.session()
        if session is None:
            self._closed(live)
            return
        is_said = is_closed = False
        try:
            is_said = await goodbye.say_goodbye(
                session, ending.sentence, carrier=ending.carrier, on_speech=ending.speech_ids.add
            )
            is_closed = live.is_closed or await goodbye.shut_down(session)
        except Exception as error:  # noqa: BLE001 - a session that cannot be ended nicely is ended with its job
            self._hook_failed("sessions.end", error)
        if not is_closed:
            logger.warning("voicegateway: session %s did not close in time; its job is ended", live.identity.session_id)
        try:
            tracing.session_ended(live.identity, reason=ending.reason, budget_id=ending.budget_id, is_said=is_said)
            self._hang_up(live, session, ending.reason)
        except Exception as error:  # noqa: BLE001 - the session has ended all the same
            self._hook_failed("sessions.hang_up", error)
        live.task = None

    def _hang_up(self, live: LiveSession, session: Any, reason: str) -> None:
        """End the job of a session that is its call, and the room first: the caller would go on listening to nobody.

        A job's own shutdown waits for its entrypoint, up to 15 seconds, before it leaves the room.
        """
        job = None if live.job is None else live.job()
        if job is None or job.primary_session is not session:
            return
        if self._is_deleting_rooms and not job.is_fake_job():
            job.delete_room()
        job.shutdown(reason=f"voicegateway: {reason}")


def _of_the_job(context: Context) -> Context:
    """What outlives the request in which a session was met."""
    kept = Context()
    for variable, value in context.items():
        if variable.name not in _OF_ONE_REQUEST:
            kept.run(variable.set, value)
    return kept
