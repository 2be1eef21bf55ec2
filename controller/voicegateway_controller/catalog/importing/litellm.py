"""Reads LiteLLM's price map from a file that the operator has: for comparison only, its numbers are rounded floats."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from voicegateway_controller.catalog.importing.published import Published, PublishedModel
from voicegateway_shared.errors import ConfigurationError

FILE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Five times today's map."""
_PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "anthropic": "anthropic",
        "assemblyai": "assemblyai",
        "azure": "azure",
        "deepgram": "deepgram",
        "elevenlabs": "elevenlabs",
        "gemini": "google",
        "groq": "groq",
        "openai": "openai",
        "xai": "xai",
    }
)
_FIELDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "input_cost_per_token": ("input_tokens", "1 token"),
        "cache_read_input_token_cost": ("cache_read_tokens", "1 token"),
        "cache_creation_input_token_cost": ("cache_write_tokens", "1 token"),
        "cache_creation_input_token_cost_above_1hr": ("cache_write_1h_tokens", "1 token"),
        "input_cost_per_audio_token": ("input_audio_tokens", "1 token"),
        "cache_read_input_audio_token_cost": ("cache_read_audio_tokens", "1 token"),
        "output_cost_per_token": ("output_tokens", "1 token"),
        "output_cost_per_audio_token": ("output_audio_tokens", "1 token"),
        "input_cost_per_second": ("audio_sent_ms", "1 second"),
        "input_cost_per_character": ("characters_sent", "1 character"),
    }
)
_CONTEXTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "": {},
        "_batches": {"processing": "batch"},
        "_priority": {"service_tier": "priority"},
        "_flex": {"service_tier": "flex"},
    }
)
_MODALITIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "chat": ("llm", "realtime"),
        "responses": ("llm",),
        "realtime": ("realtime",),
        "audio_transcription": ("stt", "realtime"),
        "audio_speech": ("tts",),
    }
)
_STREAMING: Final = "streaming/"


def read_litellm(file: Path) -> Iterator[PublishedModel]:
    """Return the models of a file such as LiteLLM's `model_prices_and_context_window.json`.

    Raises:
        ConfigurationError: it cannot be read, or is no such map.
    """
    for key, entry in _read(file).items():
        if not isinstance(entry, dict) or entry.get("mode") not in _MODALITIES:
            continue
        provider = _PROVIDERS.get(str(entry.get("litellm_provider")))
        if provider is None:
            continue
        model = key.removeprefix(f"{entry['litellm_provider']}/")
        when = {}
        if model.startswith(_STREAMING):
            model, when = model.removeprefix(_STREAMING), {"mode": "streaming"}
        if "/" in model and provider != "groq":
            # A region, a fine-tune, a size of picture: nothing that we have under that name.
            continue
        prices = tuple(_prices(entry, when))
        if prices:
            yield PublishedModel(
                provider=provider, model=model, modalities=_MODALITIES[str(entry["mode"])], prices=prices
            )


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise ConfigurationError(f"{file}: larger than {FILE_BYTES_MAX} bytes")
        document = json.loads(file.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{file} is no price map: it must map names of models to their prices")
    return document


def _prices(entry: Mapping[str, Any], when: Mapping[str, str]) -> Iterator[Published]:
    for field, (meter, per) in _FIELDS.items():
        for suffix, context in _CONTEXTS.items():
            amount = _number(entry.get(f"{field}{suffix}"))
            if amount is not None:
                tiers = tuple(sorted(_tiers(entry, field, suffix)))
                yield Published(meter=meter, amount=amount, per=per, tiers=tiers, when={**when, **context})


def _tiers(entry: Mapping[str, Any], field: str, suffix: str) -> Iterator[tuple[int, Decimal]]:
    start, end = f"{field}_above_", f"k_tokens{suffix}"
    for key, value in entry.items():
        middle = key[len(start) : -len(end)]
        amount = _number(value)
        if key.startswith(start) and key.endswith(end) and middle.isdigit() and amount is not None:
            yield int(middle) * 1_000, amount


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
        return None
    # LiteLLM writes 0 for what a model does not bill as well as for what is free.
    return Decimal(value) if value > 0 else None
