"""What the words of line items mean."""

import pytest

from voicegateway_controller.reconcile.sources import deepgram, elevenlabs, openai
from voicegateway_controller.reconcile.sources.line_words import TOKEN_METERS, category_of, service_tier
from voicegateway_shared.usage import METERS


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("Sales tax", "tax"),
        ("VAT 19 %", "tax"),
        ("Free tier credit", "credit"),
        ("Promotional discount", "credit"),
        ("Credit pack 100k", "purchase"),
        ("Pro subscription", "purchase"),
        ("Monthly minimum", "minimum"),
        ("Rounding", "rounding"),
        ("web search tool calls", "usage"),
        ("whisper-large-v3", "usage"),
        ("syntax-model", "usage"),
        ("", "usage"),
    ],
)
def test_words_tell_use_from_the_rest(words: str, category: str) -> None:
    assert category_of(words) == category


@pytest.mark.parametrize(
    ("item", "meaning"),
    [
        ("gpt-4.1-mini, input_tokens", ("gpt-4.1-mini", "input_tokens", {})),
        ("gpt-4.1-mini-2025-04-14, cached input", ("gpt-4.1-mini-2025-04-14", "cache_read_tokens", {})),
        ("gpt-4.1-mini, output_tokens, priority", ("gpt-4.1-mini", "output_tokens", {"service_tier": "priority"})),
        ("gpt-4.1-mini, input_tokens, batch", ("gpt-4.1-mini", "input_tokens", {"processing": "batch"})),
        ("gpt-6, input_cache_write_30m_tokens", ("gpt-6", "cache_write_tokens", {"cache_ttl": "30m"})),
        ("gpt-realtime, cached_input_audio_tokens", ("gpt-realtime", "cache_read_audio_tokens", {})),
        ("gpt-6, telepathy", ("gpt-6", "", {})),
        ("web_search", ("", "", {})),
    ],
)
def test_openais_line_items(item: str, meaning: tuple[str, str, dict[str, str]]) -> None:
    assert openai.line_item(item) == meaning


@pytest.mark.parametrize(
    ("item", "meaning"),
    [
        ("streaming::nova-3", ("nova-3", "audio_sent_ms", {"mode": "streaming"})),
        ("streaming::nova-3-multi", ("nova-3", "audio_sent_ms", {"mode": "streaming", "language": "multi"})),
        ("batch::nova-3-multilingual", ("nova-3", "audio_sent_ms", {"mode": "batch", "language": "multi"})),
        ("streaming::flux-general-multi", ("flux-general-multi", "audio_sent_ms", {"mode": "streaming"})),
        ("streaming::nova-3::keyterm", ("nova-3", "keyterm_ms", {"mode": "streaming"})),
        ("streaming::nova-3::sorcery", ("nova-3", "", {"mode": "streaming"})),
        ("speak::aura-2", ("aura-2", "characters_sent", {})),
        ("agent::standard", ("standard", "", {})),
        ("Sales tax", ("", "", {})),
    ],
)
def test_deepgrams_line_items(item: str, meaning: tuple[str, str, dict[str, str]]) -> None:
    assert deepgram.line_item(item) == meaning


@pytest.mark.parametrize(
    ("model", "meter"),
    [
        ("eleven_flash_v2_5", "characters_sent"),
        ("scribe_v2_realtime", "audio_sent_ms"),
        ("eleven_realtime_v1_max", ""),
        ("", ""),
    ],
)
def test_elevenlabs_models(model: str, meter: str) -> None:
    assert elevenlabs.meter_of(model) == meter


def test_words_mean_meters_that_exist() -> None:
    assert set(TOKEN_METERS.values()) <= METERS.keys()
    assert (service_tier("default"), service_tier("Standard"), service_tier("flex")) == (
        {},
        {},
        {"service_tier": "flex"},
    )
