"""The 65 worked examples: each rated by the built-in catalogue, total and lines equal to the last digit."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from voicegateway_shared.money import PICO_PER_USD, divide_half_even, format_usd, parse_usd
from voicegateway_shared.pricing import Catalog, Rating, RatingRequest, local_document, rate
from voicegateway_shared.usage import METERS

_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
_PATH = Path(__file__).parents[2] / "data" / "rating_examples.json"
_EXAMPLES: dict[str, dict[str, Any]] = {
    example["id"]: example for example in json.loads(_PATH.read_text("utf-8"))["examples"]
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of an example; `usage` gives each meter as words of the example (added up) or as a number."""

    provider: str
    model: str
    modality: str
    usage: Mapping[str, tuple[str, ...] | int]
    context: Mapping[str, str] = field(default_factory=dict)


_SECONDS = {"audio_sent_ms": ("audio_s",)}
_AUDIO_SENT = {"audio_sent_ms": ("audio_sent_s",)}
_CHARACTERS = {"characters_sent": ("chars_sent",)}
_CALL = {"participant_ms": ("s",)}
_CHAT = {"input_tokens": ("input",), "cache_read_tokens": ("cached",), "output_tokens": ("output",)}
_CLAUDE = {
    "input_tokens": ("uncached", "write_5m", "write_1h", "read"),
    "cache_write_5m_tokens": ("write_5m",),
    "cache_write_1h_tokens": ("write_1h",),
    "cache_read_tokens": ("read",),
    "output_tokens": ("output",),
}
_REALTIME = {
    "input_tokens": ("text", "audio"),
    "input_audio_tokens": ("audio",),
    "cache_read_tokens": ("cached_text", "cached_audio"),
    "cache_read_audio_tokens": ("cached_audio",),
    "output_tokens": ("out_text", "out_audio"),
    "output_audio_tokens": ("out_audio",),
}
_TRANSCRIBED = {
    "input_tokens": ("audio_tokens_in", "audio_tokens"),
    "input_audio_tokens": ("audio_tokens_in", "audio_tokens"),
    "output_tokens": ("output_tokens", "output"),
}
_SPOKEN = {
    "input_tokens": ("text_tokens",),
    "output_tokens": ("audio_tokens_out",),
    "output_audio_tokens": ("audio_tokens_out",),
}
_PRICE_LIST = {"rate_card": "price_list"}
_NOVA = ("deepgram", "nova-3", "stt")
_LOCAL_NODE = local_document(
    models=["ollama"], node_usd_per_hour="0.70", slots=20, stated_on=date(2026, 11, 21), modalities=["llm"]
)

ASKS: dict[str, list[Ask]] = {
    "S01": [Ask(*_NOVA, _AUDIO_SENT)],
    "S02": [Ask(*_NOVA, _AUDIO_SENT)],
    "S03": [Ask(*_NOVA, {**_AUDIO_SENT, "socket_open_ms": ("socket_s",)})],
    "S04": [Ask(*_NOVA, {**_AUDIO_SENT, "audio_pushed_ms": ("speech_s",)})],
    "S05": [Ask(*_NOVA, _AUDIO_SENT, {"channels": "2"})],
    "S06": [Ask(*_NOVA, _AUDIO_SENT, {"language": "multi"})],
    "S07": [Ask(*_NOVA, dict.fromkeys(("audio_sent_ms", "diarize_ms", "keyterm_ms"), ("audio_sent_s",)))],
    "S08": [Ask("assemblyai", "universal-streaming", "stt", {"session_ms": ("session_s",), **_AUDIO_SENT})],
    "S09": [Ask("assemblyai", "universal-streaming", "stt", {"session_ms": ("session_s",)})],
    "S10": [Ask("groq", "whisper-large-v3-turbo", "stt", {**_SECONDS, "requests": ("requests",)})],
    "S11": [Ask("groq", "whisper-large-v3-turbo", "stt", {"audio_sent_ms": 400_000, "requests": 100})],
    "S12": [Ask("cartesia", "ink-whisper", "stt", _AUDIO_SENT, {"plan": "pro"})],
    "S13": [Ask("cartesia", "ink-2", "stt", _AUDIO_SENT, {"plan": "pro"})],
    "S14": [Ask("openai", "gpt-4o-transcribe", "stt", _TRANSCRIBED, _PRICE_LIST)],
    "S15": [Ask("openai", "gpt-4o-transcribe", "stt", _TRANSCRIBED)],
    "S16": [Ask("elevenlabs", "scribe_v2_realtime", "stt", _SECONDS)],
    "S17": [Ask("livekit", "deepgram/nova-3", "stt", {"socket_open_ms": ("connection_s",)}, {"plan": "build"})],
    "T01": [Ask("elevenlabs", "eleven_flash_v2_5", "tts", _CHARACTERS)],
    "T02": [Ask("elevenlabs", "eleven_multilingual_v2", "tts", _CHARACTERS)],
    "T03": [Ask("elevenlabs", "eleven_flash_v2_5", "tts", _CHARACTERS)],
    "T04": [Ask("cartesia", "sonic-3", "tts", _CHARACTERS, {"plan": "pro"})],
    "T05": [Ask("cartesia", "sonic-3", "tts", _CHARACTERS, {"plan": "scale"})],
    "T06": [Ask("cartesia", "sonic-3", "tts", _CHARACTERS, {"plan": "pro", "voice_class": "pvc"})],
    "T07": [Ask("deepgram", "aura-2-thalia-en", "tts", _CHARACTERS)],
    "T08": [Ask("openai", "tts-1", "tts", _CHARACTERS)],
    "T09": [Ask("openai", "gpt-4o-mini-tts", "tts", _SPOKEN)],
    "T10": [Ask("openai", "gpt-4o-mini-tts", "tts", _SPOKEN)],
    "T11": [Ask("openai", "gpt-4o-mini-tts", "tts", _SPOKEN)],
    "T12": [Ask("groq", "canopylabs/orpheus-v1-english", "tts", _CHARACTERS)],
    "T13": [Ask("rime", "mistv2", "tts", _CHARACTERS)],
    "T14": [Ask("inworld", "inworld-tts-2", "tts", _CHARACTERS)],
    "T15": [Ask("azure", "neural", "tts", _CHARACTERS)],
    "L01": [Ask("openai", "gpt-4.1-mini", "llm", _CHAT)],
    "L02": [Ask("openai", "gpt-4.1-mini", "llm", _CHAT)],
    "L03": [Ask("openai", "gpt-4.1-mini", "llm", _CHAT, {"service_tier": "priority"})],
    "L04": [Ask("openai", "gpt-4.1-mini", "llm", _CHAT, {"processing": "batch", "service_tier": "default"})],
    "L05": [Ask("anthropic", "claude-haiku-4-5", "llm", _CLAUDE)],
    "L06": [Ask("anthropic", "claude-haiku-4-5", "llm", _CLAUDE)],
    "L07": [Ask("anthropic", "claude-sonnet-5-5", "llm", _CLAUDE)],
    "L08": [Ask("anthropic", "claude-haiku-5-5", "llm", _CHAT)],
    "L09": [Ask("anthropic", "claude-haiku-5-5", "llm", _CHAT)],
    "L10": [Ask("groq", "openai/gpt-oss-120b", "llm", _CHAT)],
    "L11": [Ask("groq", "llama-3.3-70b-versatile", "llm", _CHAT)],
    "L12": [
        Ask(
            "openai",
            "gpt-6.1-terra",
            "llm",
            {**_CHAT, "cache_read_tokens": ("read",), "cache_write_tokens": ("write",)},
        )
    ],
    "L13": [Ask("local", "ollama", "llm", {"node_busy_ms": ("busy_s",)})],
    "R01": [Ask("openai", "gpt-realtime", "realtime", _REALTIME)],
    "R02": [Ask("openai", "gpt-realtime-mini", "realtime", _REALTIME)],
    "R03": [Ask("openai", "gpt-realtime-2", "realtime", _REALTIME)],
    "R04": [Ask("openai", "gpt-realtime-2", "realtime", _REALTIME)],
    "R05": [
        Ask(
            "openai",
            "gpt-realtime-2",
            "realtime",
            {"input_tokens": ("audio_tokens",), "input_audio_tokens": ("audio_tokens",)},
        )
    ],
    "R06": [
        Ask(
            "openai",
            "gpt-realtime-2",
            "realtime",
            {"output_tokens": ("audio_tokens",), "output_audio_tokens": ("audio_tokens",)},
        )
    ],
    # 30 s were generated, at one token per 50 ms; 8 s were played, which changes nothing.
    "R07": [Ask("openai", "gpt-realtime-2", "realtime", {"output_tokens": 600, "output_audio_tokens": 600})],
    "R08": [Ask("openai", "gpt-4o-transcribe", "realtime", _TRANSCRIBED, _PRICE_LIST)],
    "R09": [Ask("openai", "gpt-live-1", "realtime", {"session_ms": ("session_s",)}, {"transport": "webrtc"})],
    "R10": [Ask("openai", "gpt-live-1", "realtime", {"session_ms": ("session_s",)}, {"transport": "webrtc"})],
    "R11": [
        Ask(
            "elevenlabs",
            "eleven_realtime_v1_max",
            "realtime",
            {"socket_open_ms": ("connected_s",), "input_tokens": ("input",), "output_tokens": ("output",)},
        )
    ],
    "R12": [
        Ask(
            "google",
            "gemini-3.8-live",
            "realtime",
            {
                "input_tokens": ("text_in", "audio_in"),
                "input_audio_tokens": ("audio_in",),
                "output_tokens": ("audio_out",),
                "output_audio_tokens": ("audio_out",),
            },
        )
    ],
    "R13": [Ask("openai", "gpt-realtime-whisper", "realtime", _SECONDS)],
    "C01": [Ask("livekit", "agent-session", "transport", _CALL)],
    "C02": [Ask("livekit", "agent-session", "transport", _CALL)],
    # Three sessions are three requests: each is rounded up by itself.
    "C03": [Ask("livekit", "agent-session", "transport", {"participant_ms": ms}) for ms in (10_000, 70_000, 61_000)],
    "C04": [Ask("livekit", "us-local-inbound", "telephony", _CALL)],
    "C05": [Ask("livekit", "sip-third-party", "telephony", _CALL, {"plan": "ship"})],
    "C06": [Ask("twilio", "us-local-inbound", "telephony", _CALL)],
    "C07": [
        Ask(*_NOVA, {"audio_sent_ms": ("stt_s",)}),
        Ask(
            "openai",
            "gpt-4.1-mini",
            "llm",
            {"input_tokens": ("llm_in",), "cache_read_tokens": ("llm_cached",), "output_tokens": ("llm_out",)},
        ),
        Ask("elevenlabs", "eleven_flash_v2_5", "tts", {"characters_sent": ("tts_chars",)}),
        Ask("livekit", "agent-session", "transport", {"participant_ms": 180_000}),
        Ask("livekit", "us-local-inbound", "telephony", {"participant_ms": 180_000}),
    ],
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.builtin().extended([_LOCAL_NODE])


def test_every_example_is_asked() -> None:
    assert ASKS.keys() == _EXAMPLES.keys()


@pytest.mark.parametrize("example_id", _EXAMPLES)
def test_example_is_rated_to_the_last_digit(example_id: str, catalog: Catalog) -> None:
    example = _EXAMPLES[example_id]

    ratings = _ratings(example_id, catalog)

    assert [line for rating in ratings for line in rating.lines if line.unrated_reason] == []
    total = sum(rating.amount_pico_usd for rating in ratings)
    assert format_usd(total) == _plain(example["total_usd"])
    exact = Fraction(example["exact_fraction"]) * PICO_PER_USD
    assert total == divide_half_even(exact.numerator, exact.denominator)


@pytest.mark.parametrize("example_id", _EXAMPLES)
def test_lines_of_an_example_cost_what_they_should(example_id: str, catalog: Catalog) -> None:
    example = _EXAMPLES[example_id]

    lines = [line for rating in _ratings(example_id, catalog) for line in rating.lines]

    costs = Counter(line.amount_pico_usd for line in lines if line.amount_pico_usd)
    if example_id == "C03":  # The example writes the three sessions as one line.
        costs = Counter([sum(costs.elements())])
    assert costs == Counter(parse_usd(_plain(line["cost"])) for line in example["lines"])


def _ratings(example_id: str, catalog: Catalog) -> list[Rating]:
    words = _EXAMPLES["R01" if example_id == "R02" else example_id]["usage"]
    return [
        rate(
            RatingRequest(
                provider=ask.provider,
                model=ask.model,
                modality=ask.modality,
                at=_AT,
                usage=_usage(ask, words),
                context=ask.context,
            ),
            catalog,
        )
        for ask in ASKS[example_id]
    ]


def _usage(ask: Ask, words: Mapping[str, Any]) -> dict[str, int]:
    """The example's words as meters; seconds become milliseconds, words an example lacks count nothing."""
    usage = {}
    for meter, source in ask.usage.items():
        if isinstance(source, int):
            usage[meter] = source
            continue
        scale = 1_000 if METERS[meter].unit == "ms" else 1
        amount = sum(Decimal(str(words[word])) * scale for word in source if word in words)
        assert amount == int(amount), "an example's quantity is finer than our base unit"
        usage[meter] = int(amount)
    return usage


def _plain(text: str) -> str:
    return format(Decimal(text).normalize(), "f")
