"""Call plans: what a scripted caller does, decided by the call's number alone."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from voicegateway.identity import PROJECT_KEY

PROJECTS: Final = ("acme-support", "globex-sales", "initech-booking")
INTERRUPTED_EVERY: Final = 3
OPENAI_VOICE_EVERY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """One call: who pays, how many turns the caller takes, and whether it talks over the agent."""

    number: int
    project: str
    turns: int = 2
    is_interrupting: bool = False
    stt: str = "deepgram/nova-3:en-US"
    llm: str = "openai/gpt-4.1-mini"
    tts: str = "cartesia/sonic-3"

    @classmethod
    def of(cls, number: int) -> "CallPlan":
        """The plan of call `number`: every third caller interrupts, every fifth hears an OpenAI voice."""
        has_openai_voice = number % OPENAI_VOICE_EVERY == OPENAI_VOICE_EVERY - 1
        return cls(
            number=number,
            project=PROJECTS[number % len(PROJECTS)],
            # An interrupted OpenAI voice never tells its tokens: its cost could only be estimated.
            is_interrupting=number % INTERRUPTED_EVERY == 1 and not has_openai_voice,
            tts="openai/gpt-4o-mini-tts" if has_openai_voice else "cartesia/sonic-3",
        )

    def to_metadata(self) -> str:
        """Room metadata: the project where the shim looks for it, and the plan for the agent."""
        return json.dumps({PROJECT_KEY: self.project, "call": asdict(self)})

    @classmethod
    def from_metadata(cls, text: str) -> "CallPlan":
        """Read back what `to_metadata` wrote."""
        return cls(**json.loads(text)["call"])
