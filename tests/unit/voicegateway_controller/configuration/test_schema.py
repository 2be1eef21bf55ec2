"""The schema and the readers agree: nothing that is right is underlined, and little that is wrong is not."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no types of its own
import pytest
import yaml
from tests.fixtures.configurations import BEYOND_THE_SCHEMA, RIGHT, WHOLE, WRONG

from voicegateway_controller.allowances.declaration import ALLOWANCES_MAX
from voicegateway_controller.configuration.document import DocumentWrong, check, read_document
from voicegateway_controller.configuration.document.reading import KNOWN
from voicegateway_controller.configuration.document.schema import build_schema, money, others, parts, routing
from voicegateway_controller.configuration.document.worker import INFERENCE_KEYS
from voicegateway_controller.declared import rules
from voicegateway_controller.exports.markups import definitions as markups
from voicegateway_controller.limits.providers import UNPRICED, known_providers
from voicegateway_controller.projects import definitions as projects
from voicegateway_controller.routing import definitions as routing_definitions
from voicegateway_controller.vault import declared as keys
from voicegateway_controller.vault import rules as vault_rules
from voicegateway_shared.document import document
from voicegateway_shared.worker_section import CHECKS

DOCS = Path(__file__).resolve().parents[4] / "docs"
SCHEMA = build_schema(known_providers())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def by_schema(text: str) -> list[str]:
    """What an editor would underline: YAML is read as the readers do it, which is another matter."""
    from voicegateway_shared.document import read_document as read

    return [error.message for error in VALIDATOR.iter_errors(read(text, name="f").data)]


def by_readers(text: str) -> list[str]:
    try:
        return [str(problem) for problem in check(read_document(text, name="f"))]
    except DocumentWrong as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_right_is_taken_by_both(text: str) -> None:
    assert (by_readers(text), by_schema(text)) == ([], [])


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_refused_by_both(text: str) -> None:
    assert by_readers(text), "the readers take it"
    assert by_schema(text), "the schema takes it"


@pytest.mark.parametrize("text", BEYOND_THE_SCHEMA)
def test_what_only_readers_can_know_is_refused_by_them(text: str) -> None:
    assert (bool(by_readers(text)), by_schema(text)) == (True, [])


@pytest.mark.parametrize("page", sorted(path.name for path in (DOCS / "guides").glob("*.yaml")))
def test_the_files_of_the_guides_are_right(page: str) -> None:
    text = (DOCS / "guides" / page).read_text()

    assert (by_readers(text), by_schema(text)) == ([], [])


def test_the_schema_is_one_and_describes_every_key() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)

    assert list(SCHEMA["properties"]) == list(KNOWN)
    assert [key for key, value in SCHEMA["properties"].items() if not value.get("description")] == []
    assert set(SCHEMA["properties"]["worker"]["properties"]) == set(CHECKS)
    assert set(SCHEMA["properties"]["inference"]["properties"]) == set(INFERENCE_KEYS)


def test_the_schemas_own_examples_fit_it() -> None:
    for name, definition in SCHEMA["definitions"].items():
        for example in definition.get("examples", ()):
            jsonschema.Draft7Validator({**SCHEMA, **definition, "$id": "urn:x"}).validate(example)
            assert name


def test_bounds_that_are_stated_twice_are_the_same() -> None:
    assert parts.TEXT_CHARS_MAX == rules.TEXT_CHARS_MAX
    assert money.MARKUPS_MAX == markups.MARKUPS_MAX
    assert SCHEMA["properties"]["allowances"]["maxItems"] == ALLOWANCES_MAX
    assert routing.TEXT_CHARS_MAX == routing_definitions.TEXT_CHARS_MAX
    assert (others.PROJECTS_MAX, others.LABELS_MAX) == (projects.PROJECTS_MAX, projects.LABELS_MAX)
    assert (others.KEYS_MAX, others.TEXT_CHARS_MAX) == (keys.REFERENCES_MAX, keys.PATH_CHARS_MAX)
    assert (others.NOTE_CHARS_MAX, others.KEY_PROJECTS_MAX) == (vault_rules.NOTE_CHARS_MAX, vault_rules.PROJECTS_MAX)


def test_the_published_schema_is_the_one_of_the_code() -> None:
    """`voicegw config schema > docs/reference/voicegw.schema.json` makes it so."""
    published = json.loads((DOCS / "reference" / "voicegw.schema.json").read_text())

    assert published == SCHEMA


def test_the_whole_example_reads_as_other_readers_of_yaml_do() -> None:
    theirs = yaml.safe_load(re.sub(r"(\d{4}-\d{2}-\d{2})", r"'\1'", WHOLE))
    ours: dict[str, Any] = document.Document("f", read_document(WHOLE, name="f")._root).data

    assert ours == theirs
    assert "soniox" in UNPRICED
