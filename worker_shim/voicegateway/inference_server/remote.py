"""Remote sessions: what stands here for agent sessions that run in workers nobody touched, and how they are ended.

Such a session cannot be closed from here. It is brought to close itself: its language model says the sentence, its
voice speaks it, and then its ears are refused, which LiveKit takes for the end.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from voicegateway.identity import Identity
from voicegateway.runtime import Runtime
from voicegateway.sessions import Ending, LiveSession

SESSIONS_MAX: Final = 10_000
LINGER_S: Final = 30.0
"""A session without a connection is over after this long: between two calls to its model it may have none."""
GOODBYE_S: Final = 60.0
"""So long the sentence is said and spoken after a session was told to end; nothing is served after it."""
VOICED_WITHIN_S: Final = 15.0
"""Within this the voice of a sentence has been asked for, or nobody will."""
PLAYED_AFTER_S: Final = 1.0
"""What the loudspeaker lags behind the voice."""


class RemoteSession:
    """Stands for one agent session, with as much of its surface as ending it takes. Lives while it has connections.

    Used on the event loop.
    """

    current_speech = None
    agent_state = "listening"

    def __init__(self, identity: Identity) -> None:
        self.identity = replace(identity, carrier=self)
        self.live: LiveSession | None = None
        self.connections = 0
        self.seen_s = time.monotonic()
        self.ended_s = 0.0
        """When it was told to end, monotonic; 0 while it was not."""
        self.is_told = asyncio.Event()
        """Its language model has said the sentence."""
        self.is_voiced = asyncio.Event()
        """Its voice has spoken since."""
        self.spoken_s = 0.0
        """How long that takes to play."""
        self.is_ending = asyncio.Event()
        self._handlers: dict[str, list[Callable[[Any], None]]] = {}

    @property
    def ending(self) -> Ending | None:
        """Its end, once that is decided."""
        ending = None if self.live is None else self.live.ending
        if ending is not None and not self.is_ending.is_set():
            self.ended_s = time.monotonic()
            # No speech has an id here: whatever is voiced from now on is the goodbye.
            ending.speech_ids.add("")
            self.is_ending.set()
        return ending

    @property
    def is_over(self) -> bool:
        """Whether it was told to end, and has had its time to say so."""
        return self.ending is not None and time.monotonic() - self.ended_s > GOODBYE_S

    def voiced(self, seconds: float) -> None:
        """Note what its voice has spoken."""
        if self.is_told.is_set():
            self.spoken_s += seconds
            self.is_voiced.set()

    async def until_goodbye_was_heard(self) -> None:
        """Wait until the sentence has been played, or will not be any more; bounded."""
        try:
            async with asyncio.timeout(VOICED_WITHIN_S):
                await self.is_told.wait()
                await self.is_voiced.wait()
        except TimeoutError:
            return
        await asyncio.sleep(min(self.spoken_s + PLAYED_AFTER_S, GOODBYE_S))

    # What `Sessions` and `goodbye` ask of an agent session.

    def on(self, event: str, handler: Callable[[Any], None]) -> None:
        """Be told of an event."""
        self._handlers.setdefault(event, []).append(handler)

    once = on

    def off(self, event: str, handler: Callable[[Any], None]) -> None:
        """Be told no more."""
        if handler in self._handlers.get(event, []):
            self._handlers[event].remove(handler)

    def say(self, sentence: str, *, allow_interruptions: bool = True) -> Any:
        """Refuse: it speaks only when its agent asks for it.

        Raises:
            RuntimeError: always, as an agent session without a voice.
        """
        raise RuntimeError("the agent of this session runs elsewhere")

    def shutdown(self, *, drain: bool = True) -> None:
        """Bring it to close itself."""
        _ = self.ending

    def closed(self) -> None:
        """Tell that it is over."""
        for handler in self._handlers.pop("close", []):
            handler(None)


class RemoteSessions:
    """The sessions of the moment, by who pays and their job: a job's id is only what a caller says.

    Lives as long as the server; used on the event loop.
    """

    def __init__(self, runtime: Callable[[], Runtime]) -> None:
        self._runtime = runtime
        self._sessions: OrderedDict[tuple[str | None, str], RemoteSession] = OrderedDict()

    def met(self, identity: Identity) -> RemoteSession | None:
        """Return the session of a connection; None where it has no job to be known by."""
        if not identity.job_id:
            return None
        key = identity.project, identity.session_id
        session = self._sessions.get(key)
        if session is None:
            session = RemoteSession(identity)
            session.live = self._runtime().sessions.met(session, session.identity)
            self._sessions[key] = session
            if len(self._sessions) > SESSIONS_MAX:
                self._sessions.popitem(last=False)[1].closed()
        else:
            # A room has an id only once it was joined.
            started_at = session.identity.started_at
            session.identity = replace(identity, carrier=session, started_at=started_at)
        session.seen_s = time.monotonic()
        return session

    def forget_those_gone(self) -> None:
        """Let go of sessions that have no connection any more; called every few seconds."""
        horizon_s = time.monotonic() - LINGER_S
        for key, session in list(self._sessions.items()):
            if not session.connections and session.seen_s < horizon_s:
                del self._sessions[key]
                session.closed()

    def close(self) -> None:
        """Let go of all."""
        for session in self._sessions.values():
            session.closed()
        self._sessions.clear()
