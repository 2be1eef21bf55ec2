"""The end of one session, from the order to the outcome, as a value; and what is to be done about it next. Pure."""

from typing import Final, Literal

import msgspec

from voicegateway_shared.wire.money import Directive

Outcome = Literal["", "obeyed", "left", "removed", "failed"]
"""Empty: not known yet. `obeyed`: the worker ended it. `left`: it ended, whoever ended it. `removed`: LiveKit took the
agent or the room away. `failed`: it was still carried when we gave up."""
State = Literal["told", "obeyed", "escalated", "ended", "failed"]
Step = Literal["settle", "remove_agent", "delete_room", "give_up"]

SENTENCE_CHARS_MAX: Final = 300
"""Some twenty seconds of speech: nobody should pay for a longer goodbye."""
REASON_CHARS_MAX: Final = 300
ESCALATE_AFTER_MS: Final = 10_000
"""A worker in a call speaks to us every second, so it has had ten chances to hear of it."""
SPOKEN_MS_PER_CHAR: Final = 80
"""Slow speech: a sentence that is being spoken is not cut off."""
DEFAULT_CHARS: Final = 100
"""How long the worker's own sentence is taken to be, which is spoken in place of an empty one."""
RECHECK_MS: Final = 10_000
"""After LiveKit did what we asked: the worker's last message is forgotten within eight seconds."""
RETRY_MS: Final = 5_000
"""After LiveKit did not answer."""
ATTEMPTS_MAX: Final = 5
"""Some forty seconds of trying; then a person is told."""


class Ending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was ordered of one session and what came of it."""

    id: str
    session_id: str
    project: str = ""
    sentence: str = ""
    reason: str = ""
    by: str = ""
    """The access token's id, or what of ours ordered it."""
    told_ms: int
    """When it was ordered, Unix time."""
    done_ms: int = 0
    """When the worker said that it obeyed; 0: it has not."""
    attempts: int = 0
    """How often LiveKit was asked."""
    last_error: str = ""
    outcome: Outcome = ""

    @property
    def is_pending(self) -> bool:
        """Whether the session's worker is still told."""
        return self.done_ms == 0 and self.outcome in ("", "failed")

    @property
    def state(self) -> State:
        """How far it is, for people."""
        if self.outcome:
            return "failed" if self.outcome == "failed" else "ended"
        if self.attempts:
            return "escalated"
        return "obeyed" if self.done_ms else "told"

    @property
    def directive(self) -> Directive:
        """What the worker is told."""
        return Directive(id=self.id, session_id=self.session_id, sentence=self.sentence, reason=self.reason)


def patience_ms(sentence: str) -> int:
    """Return how long a worker has to end a session, from the order on and once more from its obeying."""
    return ESCALATE_AFTER_MS + (len(sentence) or DEFAULT_CHARS) * SPOKEN_MS_PER_CHAR


def next_step(ending: Ending, *, is_carried: bool, can_remove: bool) -> Step:
    """Say what to do about an ending whose time has come."""
    if not is_carried:
        return "settle"
    if not can_remove or ending.attempts >= ATTEMPTS_MAX:
        return "give_up"
    return "remove_agent" if ending.attempts == 0 else "delete_room"


def outcome_of(ending: Ending) -> Outcome:
    """Say how a session ended that is carried no longer."""
    if ending.attempts > 0:
        return "removed"
    return "obeyed" if ending.done_ms else "left"
