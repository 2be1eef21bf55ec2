"""The shipped prices: dated checks, known traps of other catalogues, aliases, and where each price comes from."""

import re
from datetime import UTC, datetime
from importlib import resources

import pytest

from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog, Rating, RatingRequest, rate
from voicegateway_shared.pricing.price import CONFIDENCES

_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
_VENDORS = ("openai", "anthropic", "deepgram", "elevenlabs", "cartesia", "assemblyai", "groq")


def _rate(model: str, usage: dict[str, int], *, at: datetime = _AT, **context: str) -> Rating:
    provider, modality, name = model.split(":", 2)
    request = RatingRequest(provider=provider, model=name, modality=modality, at=at, usage=usage, context=context)
    return rate(request, Catalog.builtin())


def _usd(rating: Rating) -> str:
    assert not rating.is_unrated
    return format_usd(rating.amount_pico_usd)


def _price_ids(rating: Rating) -> list[str]:
    return [line.price_id or "" for line in rating.lines]


@pytest.mark.parametrize(
    ("at", "usd"), [(datetime(2026, 8, 4, 23, 59, 59, tzinfo=UTC), "0.05"), (datetime(2026, 8, 5, tzinfo=UTC), "0.08")]
)
def test_grok_voice_minute_follows_its_price_change(at: datetime, usd: str) -> None:
    assert _usd(_rate("xai:realtime:grok-voice-latest", {"session_ms": 60_000}, at=at)) == usd


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        (datetime(2026, 8, 31, 12, tzinfo=UTC), "0.03"),
        (datetime(2026, 9, 30, 12, tzinfo=UTC), "0"),
        (datetime(2026, 10, 1, 6, 59, 59, tzinfo=UTC), "0"),
        (datetime(2026, 10, 1, 7, tzinfo=UTC), "0.03"),
    ],
)
def test_promotion_ends_at_its_instant(at: datetime, usd: str) -> None:
    rating = _rate("livekit:tts:rime/mistv3", {"characters_sent": 1_000}, at=at)

    assert _usd(rating) == usd
    assert format_usd(rating.list_amount_pico_usd) == "0.03"


@pytest.mark.parametrize(("tokens", "usd"), [(99_999, "0.0104999"), (100_000, "0.0105"), (100_001, "0.0525005")])
def test_haiku_falls_off_its_cliff_above_the_threshold(tokens: int, usd: str) -> None:
    assert _usd(_rate("anthropic:llm:claude-haiku-5-5", {"input_tokens": tokens, "output_tokens": 1_000})) == usd


def test_cartesia_credit_follows_the_plan_and_the_day() -> None:
    usage = {"characters_sent": 100_000}
    before = datetime(2026, 8, 7, tzinfo=UTC)

    assert _usd(_rate("cartesia:tts:sonic-3", usage)) == "5"
    assert _usd(_rate("cartesia:tts:sonic-3", usage, plan="startup")) == "3.92"
    assert _usd(_rate("cartesia:tts:sonic-3", usage, at=before)) == "4"


def test_default_plan_of_a_provider_can_be_set() -> None:
    catalog = Catalog.builtin().extended(plans={"cartesia": "scale"})
    request = RatingRequest(
        provider="cartesia", model="sonic-3", modality="tts", at=_AT, usage={"characters_sent": 8_000_000}
    )

    assert format_usd(rate(request, catalog).amount_pico_usd) == "299"


# --- traps ----------------------------------------------------------------------------------------
def test_ink_whisper_is_not_swallowed_by_ink_2() -> None:
    usage = {"audio_sent_ms": 3_600_000}

    assert _usd(_rate("cartesia:stt:ink-whisper", usage)) == "0.18"
    assert _usd(_rate("cartesia:stt:ink-2", usage)) == "0.54"


def test_streaming_is_not_priced_as_batch() -> None:
    usage = {"audio_sent_ms": 60_000}

    assert _usd(_rate("deepgram:stt:nova-3", usage)) == "0.0048"
    assert _usd(_rate("deepgram:stt:nova-3", usage, mode="streaming", language="en-US")) == "0.0048"
    assert _usd(_rate("deepgram:stt:nova-3", usage, mode="batch")) == "0.0043"


def test_one_id_with_two_prices_goes_by_its_mode() -> None:
    usage = {"audio_sent_ms": 3_600_000, "socket_open_ms": 7_200_000}

    assert _usd(_rate("assemblyai:stt:universal-3-5-pro", usage, mode="streaming")) == "0.9"
    assert _usd(_rate("assemblyai:stt:universal-3-5-pro", usage, mode="batch")) == "0.21"


def test_cache_write_of_no_stated_lifetime_is_priced_as_five_minutes() -> None:
    amounts = {
        meter: _usd(_rate("anthropic:llm:claude-haiku-4-5", {"input_tokens": 1_000_000, meter: 1_000_000}))
        for meter in ("cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    }

    assert amounts == {"cache_write_tokens": "1.25", "cache_write_5m_tokens": "1.25", "cache_write_1h_tokens": "2"}


def test_service_tier_without_a_price_is_unrated() -> None:
    rating = _rate("openai:llm:gpt-4.1-mini", {"input_tokens": 10}, service_tier="scale")

    assert [line.unrated_reason for line in rating.lines] == ["no_price_for_context"]


def test_local_model_without_a_stated_node_price_is_unrated_not_free() -> None:
    rating = _rate("local:llm:llama3.2", {"node_busy_ms": 1_000, "input_tokens": 5})

    assert {line.unrated_reason for line in rating.lines} == {"unknown_model"}


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-4.1-minimal", "gpt-4.1-mini-2025", "GPT-4.1-mini", "4.1-mini", "gpt-4.1-mini "),
        # Around a dated snapshot: nothing may come before or after it.
        *("gpt-4.1-mini-2025-04-14-preview", "gpt-4.1-mini-2025-04-140", "ft:gpt-4.1-mini-2025-04-14"),
    ],
)
def test_similar_name_is_another_model(model: str) -> None:
    rating = _rate(f"openai:llm:{model}", {"input_tokens": 10})

    assert [line.unrated_reason for line in rating.lines] == ["unknown_model"]


@pytest.mark.parametrize(
    ("alias", "model"),
    [
        ("openai:llm:gpt-4.1-mini-2025-04-14", "openai:llm:gpt-4.1-mini"),
        ("anthropic:llm:claude-haiku-4-5-20251001", "anthropic:llm:claude-haiku-4-5"),
        ("cartesia:tts:sonic-3-2026-01-12", "cartesia:tts:sonic-3"),
        ("deepgram:tts:aura-2-thalia-en", "deepgram:tts:aura-2"),
        ("deepgram:tts:aura-asteria-en", "deepgram:tts:aura-1"),
        ("rime:tts:mistv3", "rime:tts:mist"),
    ],
)
def test_declared_alias_has_the_prices_of_its_model(alias: str, model: str) -> None:
    usage = {"input_tokens": 1_000, "output_tokens": 10} if ":llm:" in alias else {"characters_sent": 100}

    assert _price_ids(_rate(alias, usage)) == _price_ids(_rate(model, usage))
    assert not _rate(alias, usage).is_unrated


# --- provenance -----------------------------------------------------------------------------------
def test_seven_cloud_vendors_are_priced() -> None:
    assert {price.provider for price in Catalog.builtin().prices} >= set(_VENDORS)


def test_every_price_names_its_source_its_day_and_its_confidence() -> None:
    for price in Catalog.builtin().prices:
        assert price.source.url.startswith("https://"), price.price_id
        assert price.source.read_on <= _AT.date(), price.price_id
        assert price.confidence in CONFIDENCES, price.price_id
        assert price.recorded_at is not None, price.price_id


def test_price_ids_are_unique_and_readable() -> None:
    prices = Catalog.builtin().prices

    ids = {price.price_id for price in prices}

    assert len(ids) == len(prices)
    assert all(re.fullmatch(r"[a-z]+/\S+/[a-z0-9_]+@[0-9a-f]{8}", price_id) for price_id in ids)


def test_price_id_of_a_known_row_does_not_change() -> None:
    # Ledgers point at these ids: a change here means the id no longer names the same content.
    rating = _rate("deepgram:stt:nova-3", {"audio_sent_ms": 1})

    assert _price_ids(rating) == ["deepgram/nova-3/mono/streaming/audio_sent_ms@52be0585"]


def test_every_price_file_is_named_after_its_provider() -> None:
    folder = resources.files("voicegateway_shared") / "prices"
    names = {file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")}

    assert names == {price.provider for price in Catalog.builtin().prices} | {"local"}
