"""Whatever stands in the file: a document, or problems with places. Never anything else, never a traceback."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fixtures.configurations import RIGHT, WHOLE, WRONG
from tests.fixtures.hostile_texts import HOSTILE

from voicegateway_controller.configuration.document import DocumentWrong, check, read_document
from voicegateway_controller.configuration.document.reading import KNOWN
from voicegateway_controller.limits.providers import known_providers
from voicegateway_shared.document import Problem

PROVIDERS = known_providers()
TRIES = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = [*RIGHT, *WRONG]
BITS = [
    "&a ", "*a", "<<: *a", "!!python/object ", "!x ", "? ", "- ", ": ", "{", "}", "[", "]", "\t", "---\n", "...\n",
    "|\n", ">\n",
    "'", '"', "#", "%", "@", "null", "~", ".inf", "010", "1:30", "0x1f", "1e999", "no", "9" * 60, "\\0",
    "\ud800", "\x00", "é", "𝄞",
    "\u2028", "2026-11-05", "limits[0]", "  ", "\n", "{}", "[]", "''",
]  # fmt: skip
WORDS = st.sampled_from(
    sorted(
        {
            *KNOWN,
            *re.findall(r"[a-z_]{3,}", WHOLE),
            "concurrent",
            "from_env",
            "models",
            "",
            "0",
            "limits[0]",
            "a.b",
            "x: y",
        }
    )
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | WORDS
    | st.sampled_from(["200k", "25.00", "day", "20%", "openai", "openai/gpt-4.1", "2026-11"])
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=4)
)


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    try:
        return check(read_document(text, name="voicegw.yaml"), providers=PROVIDERS)
    except DocumentWrong as error:
        told = error.problems, str(error)
    assert all(told)
    return told[0]


def assert_told(problems: tuple[Problem, ...], text: str | bytes) -> None:
    # YAML ends lines at more characters than "\n".
    lines = len((text if isinstance(text, str) else text.decode(errors="replace")).splitlines()) + 1
    for each in problems:
        assert each.message
        assert 0 <= each.line <= lines
        assert "Traceback" not in str(each)
        json.dumps(each.as_json())


@TRIES
@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    assert_told(problems_of(raw), raw)


@TRIES
@given(st.text(st.characters(), max_size=200))
def test_any_text(text: str) -> None:
    assert_told(problems_of(text), text)


@TRIES
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 2000), st.sampled_from(BITS), st.integers(0, 6)), max_size=4),
)
def test_any_mutation_of_a_file(seed: str, changes: list[tuple[int, str, int]]) -> None:
    text = seed
    for place, bit, length in changes:
        at = place % (len(text) + 1)
        text = text[:at] + bit + text[at + length :]

    assert_told(problems_of(text), text)


@TRIES
@given(st.dictionaries(st.sampled_from(KNOWN) | WORDS, VALUES, max_size=4))
def test_any_values_in_any_section(document: dict[str, Any]) -> None:
    text = json.dumps(document)

    assert_told(problems_of(text), text)


@TRIES
@given(st.sampled_from(["limits", "budgets", "allowances", "markups", "keys", "projects"]), st.data())
def test_any_values_in_a_declaration(section: str, data: st.DataObject) -> None:
    known = [key for key in re.findall(r"([a-z_]+):", WHOLE) if key not in KNOWN]
    item = data.draw(st.dictionaries(st.sampled_from(known), VALUES, max_size=6))
    text = json.dumps({section: [item, {"provider": "openai", "concurrent": 1}]})

    assert_told(problems_of(text), text)


@TRIES
@given(VALUES, st.text(max_size=60) | st.sampled_from([f"{key}[0].x: y" for key in KNOWN]))
def test_any_message_is_explained(value: Any, message: str) -> None:
    try:
        document = read_document(json.dumps({"limits": [value], "routing": {"chains": value}}), name="f")
    except DocumentWrong:
        return

    assert document.explained(message).startswith("f:")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_text_that_nobody_means_is_refused_with_short_words(text: str) -> None:
    with pytest.raises(DocumentWrong) as caught:
        read_document(text, name="voicegw.yaml")

    assert all(len(str(problem)) < 1_000 for problem in caught.value.problems)
