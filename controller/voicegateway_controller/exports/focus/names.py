"""What vendors, services and units are called on a bill. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from voicegateway_shared.usage import METERS

VENDORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "anthropic": "Anthropic", "assemblyai": "AssemblyAI", "azure": "Microsoft Azure", "cartesia": "Cartesia",
        "deepgram": "Deepgram", "elevenlabs": "ElevenLabs", "google": "Google", "groq": "Groq", "inworld": "Inworld",
        "livekit": "LiveKit", "openai": "OpenAI", "rime": "Rime", "twilio": "Twilio", "xai": "xAI",
    }
)  # fmt: skip
"""Other vendors stand under the name that model strings give them."""
LOCAL_METER: Final = "node_busy_ms"
"""What only models on nodes of one's own are priced by."""
_SERVICES: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "stt": ("Speech to Text", "AI and Machine Learning", "Natural Language Processing"),
        "llm": ("Language Models", "AI and Machine Learning", "Generative AI"),
        "tts": ("Text to Speech", "AI and Machine Learning", "Generative AI"),
        "realtime": ("Realtime Speech", "AI and Machine Learning", "Generative AI"),
        "transport": ("Realtime Transport", "Networking", "Network Connectivity"),
        "telephony": ("Telephony", "Networking", "Network Connectivity"),
    }
)
_OTHER: Final = ("Account", "Other", "Other (Other)")
_SKU_METERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "input_tokens": "Input Tokens",
        "cache_read_tokens": "Cache Read Input Tokens",
        "cache_write_tokens": "Cache Write Input Tokens",
        "cache_write_5m_tokens": "Cache Write Input Tokens",
        "cache_write_1h_tokens": "Cache Write Input Tokens",
        "input_audio_tokens": "Audio Input Tokens",
        "cache_read_audio_tokens": "Cache Read Audio Input Tokens",
        "output_tokens": "Output Tokens",
        "output_audio_tokens": "Audio Output Tokens",
        "audio_sent_ms": "Audio Sent",
        "socket_open_ms": "Connection Time",
        "characters_sent": "Characters",
        "node_busy_ms": "Node Busy Time",
        "session_ms": "Session Time",
        "participant_ms": "Participant Time",
        "diarize_ms": "Diarization",
        "keyterm_ms": "Keyterm Prompting",
    }
)
TOKEN_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "input_tokens": "Input", "input_audio_tokens": "Input", "cache_read_tokens": "CacheRead",
        "cache_read_audio_tokens": "CacheRead", "cache_write_tokens": "CacheWrite",
        "cache_write_5m_tokens": "CacheWrite", "cache_write_1h_tokens": "CacheWrite", "output_tokens": "Output",
        "output_audio_tokens": "Output",
    }
)  # fmt: skip
"""Which kind of token a meter counts, in the words of the specification's draft: alike for all vendors."""
CACHE_LIFETIMES: Final[Mapping[str, str]] = MappingProxyType(
    {"cache_write_5m_tokens": "5m", "cache_write_1h_tokens": "1h"}
)
_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ms": "Milliseconds", "second": "Seconds", "minute": "Minutes", "hour": "Hours", "token": "Tokens",
        "character": "Characters", "request": "Requests", "chunk": "Chunks", "byte": "Bytes", "credit": "Credits",
    }
)  # fmt: skip


def vendor(provider: str) -> str:
    """Return a provider's name as people write it."""
    return VENDORS.get(provider, provider)


def publisher(provider: str, model: str) -> str:
    """Return who made a model: LiveKit Inference resells those of others, and names them so."""
    maker, slash, _ = model.partition("/")
    return vendor(maker) if provider == "livekit" and slash else vendor(provider)


def service(provider: str, modality: str) -> tuple[str, str, str]:
    """Return a service's name, category and subcategory."""
    name, category, subcategory = _SERVICES.get(modality, _OTHER)
    return f"{vendor(provider)} {name}", category, subcategory


def sku_meter(meter: str) -> str:
    """Return what a meter is called on a bill."""
    return _SKU_METERS.get(meter) or meter.removesuffix("_ms").replace("_", " ").title()


def priced_unit(count: int, unit: str) -> str:
    """Return the unit of a price, such as `1000000 Tokens` or `Minutes`."""
    return _UNITS[unit] if count == 1 else f"{count} {_UNITS[unit]}"


def consumed(meter: str) -> tuple[str, int]:
    """Return the unit that a meter's use is shown in, and how many base units it has: seconds, not milliseconds."""
    unit = METERS[meter].unit if meter in METERS else "request"
    if meter == "credits":
        unit_name = "Credits"
    elif meter not in METERS:
        unit_name = "Units"
    else:
        unit_name = _UNITS[unit]
    return ("Seconds", 1_000) if unit == "ms" else (unit_name, 1)
