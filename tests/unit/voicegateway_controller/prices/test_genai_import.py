"""The importer on the real library: what it brings in costs what the library says, to the last digit."""

import random
import sys
import warnings
from collections import Counter
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest
from genai_prices.data import providers as library
from genai_prices.types import Usage

from voicegateway_controller.catalog.importing.genai import OUR_NAMES
from voicegateway_controller.catalog.importing.price_file import ImportedFile, LibraryImport, import_library
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.money import PICO_PER_USD
from voicegateway_shared.pricing import Catalog, Price, RatingRequest, rate, write_row
from voicegateway_shared.pricing.selection import ModelPrices

READ_ON = date(2026, 11, 22)
INSTANTS = (datetime(2026, 11, 21, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC))
INPUTS = (0, 1, 100_000, 100_001, 200_001, 300_000)


@pytest.fixture(scope="module")
def imported() -> LibraryImport:
    return import_library(read_on=READ_ON)


@pytest.fixture(scope="module")
def catalog(imported: LibraryImport) -> Catalog:
    return Catalog([file.document for file in imported.files])


def file_of(imported: LibraryImport, provider: str) -> ImportedFile:
    return next(file for file in imported.files if file.provider == provider)


def test_nearly_all_of_the_library_is_imported_and_the_rest_says_why(imported: LibraryImport) -> None:
    reasons = Counter(each.reason.partition(":")[0].partition(" costs ")[0] for each in imported.refused)

    assert (imported.library, imported.models, len(imported.refused)) == ("genai-prices 0.2.3", 2_026, 304)
    assert reasons == {
        "the library has no price for it": 179,
        "it has no price for output": 81,
        "cache_write_tokens": 20,
        "input_tokens": 3,
        "it makes pictures or films, which no meter counts": 10,
        "its price depends on the time of day": 5,
        "it is priced by input_annotated_document_kpages, input_document_kpages, which no meter counts": 5,
        "it is priced by input_document_kpages, which no meter counts": 1,
    }
    assert {each.model for each in imported.refused if "time of day" in each.reason} == {
        "deepseek-chat", "deepseek-flash", "deepseek-reasoner", "deepseek-v4-flash", "deepseek-v4-pro",
    }  # fmt: skip


def test_every_file_is_a_sound_price_file(imported: LibraryImport) -> None:
    assert [problem for file in imported.files for problem in file.document.problems] == []
    assert {file.provider for file in imported.files} >= {"openai", "anthropic", "xai", "mistralai", "google", "groq"}


def test_amounts_windows_contexts_and_tiers_are_as_published(imported: LibraryImport) -> None:
    rows = [
        (price.when, price.effective_from, price.effective_to, price.amount, str(price.per), price.tiers is not None)
        for price in file_of(imported, "openai").document.prices
        if price.model == "gpt-5.6-luna" and price.meter == "input_tokens"
    ]
    ever = datetime(1970, 1, 1, tzinfo=UTC)
    cut, offered = datetime(2026, 7, 30, tzinfo=UTC), datetime(2026, 10, 12, tzinfo=UTC)

    def when(tier: str) -> tuple[tuple[str, str], ...]:
        return (("processing", "online"), ("service_tier", tier))

    assert rows[:3] == [
        (when("default"), ever, cut, "1", "1000000 token", True),
        (when("default"), cut, None, "0.2", "1000000 token", True),
        (when("flex"), offered, None, "0.1", "1000000 token", True),
    ]


def test_the_minimum_that_the_library_knows_in_code_is_imported(imported: LibraryImport) -> None:
    minimums = {price.model: price.minimum for price in file_of(imported, "groq").document.prices if price.minimum}

    assert minimums == {"whisper-large-v3": 10_000, "whisper-large-v3-turbo": 10_000}


def test_sources_name_the_library_and_the_day(imported: LibraryImport) -> None:
    price = file_of(imported, "anthropic").document.prices[0]

    assert (price.source.via, price.source.read_on, price.confidence) == ("genai-prices 0.2.3", READ_ON, "library")
    assert price.source.url == "https://www.anthropic.com/pricing#api"


def test_words_of_ours_are_used_where_we_have_some() -> None:
    imported = import_library(read_on=READ_ON, providers=["openai"], known=Catalog.builtin())
    document = file_of(imported, "openai").document

    assert document.problems == []
    assert document.conditions["service_tier"].canonical("fast") == "priority"
    Catalog([document])


def test_what_we_price_alike_is_written_alike() -> None:
    known = Catalog.builtin()
    imported = import_library(read_on=READ_ON, providers=["anthropic", "groq", "openai"], known=known)
    ours = {price.price_id: price for price in known.prices}

    def place(price: Price) -> tuple[object, ...]:
        return (price.provider, price.model, price.modality, price.meter, sorted(price.when), price.effective_to)

    places = {str(place(price)): price for price in ours.values() if price.effective_to is None}
    same = other = 0
    for file in imported.files:
        for price in file.document.prices:
            standing = places.get(str(place(price)))
            if standing is not None:
                if {**write_row(price), "confidence": "", "note": ""} == {
                    **write_row(standing), "confidence": "", "note": "",
                }:  # fmt: skip
                    same += 1
                else:
                    other += 1

    assert same > 450
    assert other <= 4  # The transcription models' conflict, and what the library does not know of them.


def test_every_imported_model_costs_what_the_library_says(catalog: Catalog) -> None:
    chance = random.Random(6)
    compared = 0
    for provider in library:
        name = OUR_NAMES.get(provider.id, provider.id)
        for model in provider.models:
            for modality in ("llm", "realtime", "stt", "tts"):
                found = catalog.model(provider=name, model=model.id, modality=modality)
                if isinstance(found, str):
                    continue
                for context in ({}, *(dict(variant.when) for variant in model.price_variants or ())):
                    for at in INSTANTS if isinstance(model.prices, list) or context else INSTANTS[:1]:
                        ours, theirs = random_usage(found, chance)
                        with warnings.catch_warnings():
                            warnings.simplefilter("ignore")
                            expected = model.calc_price(
                                Usage(**theirs), provider, genai_request_timestamp=at, price_context=context or None
                            ).total_price
                        rating = rate(
                            RatingRequest(
                                provider=name, model=model.id, modality=modality, at=at, usage=ours, context=context
                            ),
                            catalog,
                        )
                        reasons = {line.unrated_reason for line in rating.lines} - {None, "no_billable_usage"}
                        if context and reasons <= {"no_price_for_context", "no_price_at_time"} and reasons:
                            continue  # The library rates what it does not know as the ordinary price; we do not.
                        assert reasons == set(), (name, model.id, context, at)
                        off = abs(Fraction(expected) * PICO_PER_USD - rating.amount_pico_usd)
                        # Each line is rounded once, at the twelfth decimal.
                        assert off <= Fraction(len(rating.lines), 2), (name, model.id, context, at, ours)
                        compared += 1
    assert compared > 2_200


def random_usage(found: ModelPrices, chance: random.Random) -> tuple[dict[str, int], dict[str, Any]]:
    """A consistent usage in our meters and the same in the library's."""
    total = chance.choice(INPUTS)
    ours = {"input_tokens": total, "output_tokens": chance.randint(0, 5_000), "requests": 1}
    theirs: dict[str, Any] = {"input_tokens": total, "output_tokens": ours["output_tokens"]}

    def both(meter: str, key: str, quantity: int) -> int:
        if meter not in found.meters:
            return 0
        ours[meter] = theirs[key] = quantity
        return quantity

    rest = total - both("cache_read_tokens", "cache_read_tokens", chance.randint(0, total))
    if "cache_write_tokens" in found.meters:
        short = both("cache_write_5m_tokens", "cache_write_5m_tokens", chance.randint(0, rest))
        long = both("cache_write_1h_tokens", "cache_write_1h_tokens", chance.randint(0, rest - short))
        theirs["cache_write_tokens"] = short + long
        rest -= short + long
    cached_audio = chance.randint(0, ours.get("cache_read_tokens", 0))
    cached_audio = both("cache_read_audio_tokens", "cache_audio_read_tokens", cached_audio)
    both("input_audio_tokens", "input_audio_tokens", chance.randint(0, rest) + cached_audio)
    part = chance.randint(0, ours["output_tokens"])
    if not both("output_audio_tokens", "output_audio_tokens", part):
        both("reasoning_tokens", "output_reasoning_tokens", part)
    both("characters_sent", "input_characters", chance.randint(1, 9_999))
    for meter in ("audio_sent_ms", "session_ms"):
        if meter in found.meters:
            seconds = chance.randint(1, 99)
            ours[meter] = seconds * 1_000
            theirs["audio_seconds"] = seconds
            if meter == "audio_sent_ms":
                theirs["input_audio_seconds"] = seconds
    return ours, theirs


def test_an_unknown_provider_is_told_which_there_are() -> None:
    with pytest.raises(ConfigurationError, match="has no provider deepgram; it has anthropic, "):
        import_library(read_on=READ_ON, providers=["deepgram"])


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise PackageNotFoundError

    from importlib.metadata import PackageNotFoundError

    monkeypatch.setattr(sys.modules[import_library.__module__.replace("price_file", "genai")], "version", missing)

    with pytest.raises(ConfigurationError, match=r"pip install 'voicegateway\[genai-prices\]'"):
        import_library(read_on=READ_ON)


def test_the_same_import_twice_is_the_same_text(imported: LibraryImport) -> None:
    again = import_library(read_on=READ_ON, providers=["groq"])

    assert again.files[0].text == file_of(imported, "groq").text
