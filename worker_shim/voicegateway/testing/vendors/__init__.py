"""Local simulators of voice-AI vendors, faithful on the wire, with a truth log of what each would bill.

    async with VendorSimulators(truth_dir="truth") as sims:
        stt = deepgram.STT(**sims.deepgram.plugin_kwargs())
        llm = openai.LLM(**sims.openai.plugin_kwargs())
        tts = cartesia.TTS(**sims.cartesia.plugin_kwargs())

`python -m voicegateway.testing.vendors --truth-dir D --port-file F` runs the same in a process of its own.
"""

try:
    import aiohttp as _aiohttp  # noqa: F401
except ImportError as error:
    raise ImportError(
        "voicegateway.testing.vendors needs aiohttp, which comes with the livekit extra: "
        "pip install 'voicegateway[livekit]'"
    ) from error

from voicegateway.testing.vendors.assemblyai import AssemblyAIOptions
from voicegateway.testing.vendors.cartesia import CartesiaOptions
from voicegateway.testing.vendors.deepgram import DeepgramOptions
from voicegateway.testing.vendors.elevenlabs import ElevenLabsOptions
from voicegateway.testing.vendors.faults import DEMO_PLAN, FaultKind, FaultPlan, FaultRule, parse_faults
from voicegateway.testing.vendors.hearing import HearingOptions
from voicegateway.testing.vendors.openai import OpenAIOptions
from voicegateway.testing.vendors.simulators import VendorSimulators
from voicegateway.testing.vendors.truth import TruthRecord, read_truth
from voicegateway.testing.vendors.voice import VoiceOptions

__all__ = [
    "DEMO_PLAN",
    "AssemblyAIOptions",
    "CartesiaOptions",
    "DeepgramOptions",
    "ElevenLabsOptions",
    "FaultKind",
    "FaultPlan",
    "FaultRule",
    "HearingOptions",
    "OpenAIOptions",
    "TruthRecord",
    "VendorSimulators",
    "VoiceOptions",
    "parse_faults",
    "read_truth",
]
