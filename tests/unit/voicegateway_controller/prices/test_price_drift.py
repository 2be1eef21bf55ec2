"""Our prices held against others': what agrees, what is explained, and what is new."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from voicegateway_controller.catalog.importing.drift import Drift, compare
from voicegateway_controller.catalog.importing.genai import read_library
from voicegateway_controller.catalog.importing.known_differences import KNOWN
from voicegateway_controller.catalog.importing.litellm import read_litellm
from voicegateway_controller.catalog.importing.price_file import declared_conditions
from voicegateway_controller.catalog.importing.published import Published, PublishedModel
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.pricing import Catalog

AT = datetime(2026, 11, 22, tzinfo=UTC)
# In the shape of LiteLLM's map, with the faults that it was seen to have.
_HEARS = {"mode": "audio_transcription"}
LITELLM: dict[str, dict[str, Any]] = {
    "sample_spec": {"mode": "one of: chat, …", "input_cost_per_token": 0},
    "gpt-4.1-mini": {
        "litellm_provider": "openai", "mode": "chat",
        "input_cost_per_token": 4e-07, "input_cost_per_token_batches": 2e-07, "input_cost_per_token_priority": 7e-07,
        "cache_read_input_token_cost": 1e-07, "output_cost_per_token": 1.6e-06,
    },
    "claude-haiku-5-5": {
        "litellm_provider": "anthropic", "mode": "chat",
        "input_cost_per_token": 1e-07, "input_cost_per_token_above_100k_tokens": 5e-07,
        "cache_creation_input_token_cost_above_1hr": 2e-07,
        "cache_creation_input_token_cost_above_1hr_above_100k_tokens": 1e-06,
    },
    "deepgram/nova-3": {"litellm_provider": "deepgram", **_HEARS, "input_cost_per_second": 7.167e-05},
    "deepgram/streaming/nova-3": {"litellm_provider": "deepgram", **_HEARS, "input_cost_per_second": 8e-05},
    "groq/whisper-large-v3-turbo": {"litellm_provider": "groq", **_HEARS, "input_cost_per_second": 1.111e-05},
    "elevenlabs/eleven_v3": {
        "litellm_provider": "elevenlabs", "mode": "audio_speech", "input_cost_per_character": 0.00018,
    },
    "gpt-4o-transcribe": {
        "litellm_provider": "openai", "mode": "audio_transcription",
        "input_cost_per_audio_token": 2.5e-06, "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05,
    },
    "gpt-7": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06},
    "eu/gpt-4.1-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 9e-07},
    "dall-e-3": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_pixel": 3e-08},
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model_prices_and_context_window.json"
    path.write_text(json.dumps(LITELLM))
    return path


def drift_of(file: Path) -> Drift:
    return compare(Catalog.builtin(), read_litellm(file), at=AT, against="litellm-json", is_rounded=True)


def test_rounded_numbers_agree_and_known_faults_are_named(file: Path) -> None:
    drift = drift_of(file)

    assert drift.of("new") == ()
    assert {(each.their_model, each.meter, each.what) for each in drift.of("known")} == {
        ("nova-3", "audio_sent_ms", "amount"),
        ("whisper-large-v3-turbo", "audio_sent_ms", "minimum"),
        ("eleven_v3", "characters_sent", "amount"),
    }
    assert all(each.reason for each in drift.of("known"))
    assert {(each.their_model, each.meter, tuple(each.when.values())) for each in drift.of("agrees")} == {
        ("gpt-4.1-mini", "input_tokens", ()),
        ("gpt-4.1-mini", "input_tokens", ("batch",)),
        ("gpt-4.1-mini", "input_tokens", ("priority",)),
        ("gpt-4.1-mini", "cache_read_tokens", ()),
        ("gpt-4.1-mini", "output_tokens", ()),
        ("claude-haiku-5-5", "input_tokens", ()),
        ("claude-haiku-5-5", "cache_write_1h_tokens", ()),
        ("nova-3", "audio_sent_ms", ("streaming",)),
        ("gpt-4o-transcribe", "input_tokens", ()),
        ("gpt-4o-transcribe", "input_audio_tokens", ()),
        ("gpt-4o-transcribe", "output_tokens", ()),
    }
    assert drift.only_theirs == ("openai/gpt-7",)


@pytest.mark.parametrize(
    ("model", "field", "value", "what"),
    [
        ("gpt-4.1-mini", "output_cost_per_token", 1.7e-06, "amount"),
        ("claude-haiku-5-5", "input_cost_per_token_above_100k_tokens", 6e-07, "tiers"),
        ("claude-haiku-5-5", "input_cost_per_token_above_100k_tokens", 0, "tiers"),
        # A known difference explains one of its own size only.
        ("deepgram/nova-3", "input_cost_per_second", 9e-05, "amount"),
        ("groq/whisper-large-v3-turbo", "input_cost_per_second", 2e-05, "amount"),
    ],
)
def test_anything_else_is_new(file: Path, model: str, field: str, value: float, what: str) -> None:
    file.write_text(json.dumps({**LITELLM, model: {**LITELLM[model], field: value}}))

    new = drift_of(file).of("new")

    assert [(each.their_model, each.what) for each in new] == [(model.rpartition("/")[2], what)]


def test_our_prices_agree_with_the_library_but_for_what_is_known() -> None:
    catalog = Catalog.builtin()
    models = [each for each in read_library(declared_conditions(catalog)) if isinstance(each, PublishedModel)]

    drift = compare(catalog, models, at=AT, against="genai-prices", is_rounded=False)

    assert drift.of("new") == ()
    assert {(each.model, each.meter, str(each.ratio)) for each in drift.of("known")} == {
        ("gpt-4o-transcribe", "input_audio_tokens", "12/5"),
        ("gpt-4o-mini-transcribe", "input_audio_tokens", "12/5"),
    }
    assert len(drift.of("agrees")) > 400


def test_every_known_difference_has_a_reason_and_a_size() -> None:
    assert all(each.reason and (each.what != "amount" or each.ratio != "1") for each in KNOWN)


def test_a_price_of_nothing_is_compared_without_a_ratio() -> None:
    def theirs() -> Iterator[PublishedModel]:
        price = Published(meter="characters_sent", amount=Decimal("15"), per="1_000_000 characters")
        yield PublishedModel(provider="livekit", model="fishaudio/s2.1-pro-free", modalities=("tts",), prices=(price,))

    (only,) = compare(Catalog.builtin(), theirs(), at=AT, against="genai-prices", is_rounded=False).compared

    assert (only.status, only.what, only.ratio) == ("new", "amount", None)


@pytest.mark.parametrize(
    ("text", "said"), [("[1]", "is no price map"), ("{", "is no JSON"), (None, "No such file or directory")]
)
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "map.json"
    if text is not None:
        path.write_text(text)

    with pytest.raises(ConfigurationError, match=said):
        list(read_litellm(path))
