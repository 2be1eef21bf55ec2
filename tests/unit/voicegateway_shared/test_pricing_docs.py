"""The page about rating: it names every key, reason and confidence there is, and its examples are true."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog, UnratedReason
from voicegateway_shared.pricing.names import PLACEHOLDERS
from voicegateway_shared.pricing.price import CONFIDENCES, ROUNDING_SCOPES, ROUNDINGS, TIER_KINDS
from voicegateway_shared.pricing.row import ROW_KEYS

_PAGE = (Path(__file__).parents[3] / "docs" / "concepts" / "rating.md").read_text("utf-8")
_BLOCKS = re.findall(r"```(\w+)\n(.*?)```", _PAGE, re.DOTALL)
_WORDS = sorted({*ROW_KEYS, *get_args(UnratedReason), *CONFIDENCES, *ROUNDINGS, *ROUNDING_SCOPES, *TIER_KINDS})


@pytest.mark.parametrize("word", [*_WORDS, *PLACEHOLDERS])
def test_every_word_of_the_format_is_documented(word: str) -> None:
    assert f"`{word}" in _PAGE or f" {word}`" in _PAGE


def test_example_price_file_is_a_right_one() -> None:
    (text,) = [block for language, block in _BLOCKS if language == "yaml"]

    assert len(Catalog.from_texts({"example.yaml": text}).prices) == 6


def test_first_example_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    code = next(block for language, block in _BLOCKS if language == "python")

    scope: dict[str, Any] = {}
    exec(code, scope)  # The page's own example, not a stranger's text.

    assert capsys.readouterr().out == "0.003\n"
    assert [format_usd(line.amount_pico_usd) for line in scope["rating"].lines] == ["0.0016", "0.0006", "0.0008"]


def test_second_example_makes_a_catalogue() -> None:
    code = [block for language, block in _BLOCKS if language == "python"][1]

    scope: dict[str, Any] = {}
    exec(code, scope)  # As above.

    assert [price.model for price in scope["catalog"].prices if price.provider == "ollama"] == ["llama3.2"]


def test_price_id_shown_exists() -> None:
    (price_id,) = re.findall(r"`(deepgram/\S+@[0-9a-f]{8})`", _PAGE)

    assert Catalog.builtin().price(price_id) is not None
