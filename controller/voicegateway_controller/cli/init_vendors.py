"""Vendors that `voicegw init` knows by their keys' variables, and priced models that it proposes of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One vendor; immutable."""

    id: str
    variables: tuple[str, ...]
    """Where LiveKit's plugin looks for its key; the first that is set counts."""
    stt: str = ""
    llm: str = ""
    tts: str = ""
    """A model that an agent can begin with; empty where it is not the vendor's trade."""

    def variable(self, environ: Mapping[str, str]) -> str | None:
        """Return the variable that holds its key here, None where none does. The key itself is not looked at."""
        return next((name for name in self.variables if environ.get(name)), None)


VENDORS: Final = (
    Vendor(id="deepgram", variables=("DEEPGRAM_API_KEY",), stt="nova-3", tts="aura-2"),
    Vendor(id="openai", variables=("OPENAI_API_KEY",), llm="gpt-4.1-mini", stt="gpt-4o-mini-transcribe",
           tts="gpt-4o-mini-tts"),
    Vendor(id="cartesia", variables=("CARTESIA_API_KEY",), tts="sonic-3", stt="ink-whisper"),
    Vendor(id="elevenlabs", variables=("ELEVEN_API_KEY", "ELEVENLABS_API_KEY"), tts="eleven_flash_v2_5"),
    Vendor(id="assemblyai", variables=("ASSEMBLYAI_API_KEY",), stt="universal-streaming"),
    Vendor(id="groq", variables=("GROQ_API_KEY",), llm="openai/gpt-oss-120b"),
    Vendor(id="anthropic", variables=("ANTHROPIC_API_KEY",), llm="claude-haiku-4-5"),
    Vendor(id="google", variables=("GOOGLE_API_KEY", "GEMINI_API_KEY")),
    Vendor(id="xai", variables=("XAI_API_KEY",)),
    Vendor(id="mistralai", variables=("MISTRAL_API_KEY",)),
    Vendor(id="cerebras", variables=("CEREBRAS_API_KEY",)),
    Vendor(id="deepseek", variables=("DEEPSEEK_API_KEY",)),
    Vendor(id="together", variables=("TOGETHER_API_KEY",)),
    Vendor(id="openrouter", variables=("OPENROUTER_API_KEY",)),
    Vendor(id="soniox", variables=("SONIOX_API_KEY",)),
    Vendor(id="speechmatics", variables=("SPEECHMATICS_API_KEY",)),
    Vendor(id="gladia", variables=("GLADIA_API_KEY",)),
    Vendor(id="rime", variables=("RIME_API_KEY",)),
    Vendor(id="hume", variables=("HUME_API_KEY",)),
    Vendor(id="inworld", variables=("INWORLD_API_KEY",)),
    Vendor(id="lmnt", variables=("LMNT_API_KEY",)),
)  # fmt: skip
"""In the order in which their models are proposed: of several, the first is asked first."""


def found(environ: Mapping[str, str]) -> list[tuple[Vendor, str]]:
    """Return the vendors whose keys are in an environment, each with the variable."""
    return [(vendor, name) for vendor in VENDORS if (name := vendor.variable(environ)) is not None]
