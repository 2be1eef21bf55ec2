"""Caller: one connection of an agent, with whose call it is."""

from dataclasses import dataclass

from voicegateway.identity import Identity
from voicegateway.inference_server.problems import Problem, session_ended
from voicegateway.inference_server.remote import RemoteSession


@dataclass(slots=True, kw_only=True)
class Caller:
    """Lives as long as its connection."""

    identity: Identity
    session: RemoteSession | None
    """None where the caller is in no job: what it asks cannot be ended as one call."""
    provider: str
    """Who is to serve a language model, where the caller says so."""

    @property
    def sentence(self) -> str:
        """What its call says instead of anything else, since it was told to end; empty while it was not."""
        ending = None if self.session is None else self.session.ending
        return "" if ending is None else ending.sentence

    def refusal(self) -> Problem | None:
        """Why nothing is heard or spoken for it any more."""
        return session_ended(self.sentence) if self.session is not None and self.session.is_over else None

    def refusal_of_ears(self) -> Problem:
        """Why nothing is heard for it any more: LiveKit ends a session whose ears are refused again and again."""
        return session_ended(self.sentence)
