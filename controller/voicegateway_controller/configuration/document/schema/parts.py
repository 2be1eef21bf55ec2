"""Pieces that the sections' schemas are made of. Where a reader takes nothing for a value, `null` fits too."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Schema = dict[str, Any]
TEXT_CHARS_MAX: Final = 256
"""As `declared.rules` has it; stated here because that brings the database's libraries to a command that needs none."""
NAME: Final = "^[a-z0-9][a-z0-9._-]{0,63}$"
ROUTING_NAME: Final = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
DOLLARS: Final = r"^[0-9]{1,12}(\.[0-9]{1,12})?$"
QUANTITY: Final = (
    r"^[0-9]{1,4}(_?[0-9]{1,3}){0,5} (ms|(second|minute|hour|token|character|request|chunk|byte|credit)s?)$"
)
DAY: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
MONTH: Final = "^[0-9]{4}-[0-9]{2}$"
WHOLE_TEXT: Final = r"^\s*[0-9][0-9_]*\s*[kKmM]?\s*$"


def mapping(
    description: str,
    properties: Mapping[str, Schema],
    *,
    required: Sequence[str] = (),
    examples: Sequence[Any] = (),
    **more: Any,
) -> Schema:
    """A mapping of these keys and no others."""
    made: Schema = {
        "type": "object", "description": description, "properties": dict(properties), "additionalProperties": False,
    }  # fmt: skip
    if required:
        made["required"] = list(required)
    if examples:
        made["examples"] = list(examples)
    return made | more


def listed(description: str, item: str, *, most: int) -> Schema:
    """A section that is a list of definitions' `item`; nothing behind it declares nothing."""
    items = {"$ref": f"#/definitions/{item}"}
    return {"description": description, "type": ["array", "null"], "items": items, "maxItems": most}


def text(description: str, *, most: int = TEXT_CHARS_MAX, least: int = 0, **more: Any) -> Schema:
    """A text."""
    made: Schema = {"type": "string", "description": description, "maxLength": most}
    return made | ({"minLength": least} if least else {}) | more


def one_of(description: str, words: Iterable[str], **more: Any) -> Schema:
    """One of some words."""
    return {"type": "string", "description": description, "enum": list(words)} | more


def whole(description: str, *, least: int, most: int, **more: Any) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": description, "minimum": least, "maximum": most} | more


def count(description: str, *, most: int) -> Schema:
    """A whole number from 1 on, also written as `200k` or `2M`."""
    return {
        "description": f"{description} A whole number; 200k and 2M are understood.",
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": most}, {"type": "string", "pattern": WHOLE_TEXT}],
    }


def dollars(description: str, **more: Any) -> Schema:
    """An amount of dollars, as a text: a number would have been rounded."""
    return {
        "type": "string",
        "description": f'{description} USD in quotes, such as "25.00".',
        "pattern": DOLLARS,
    } | more


def or_null(schema: Schema) -> Schema:
    """What fits a schema, or nothing at all."""
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema:
        return {key: value for key, value in schema.items() if key != "type"} | {"enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str):
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def at_least_one(keys: Iterable[str]) -> Schema:
    """At least one of these keys is there, and says something."""
    return {"anyOf": [{"required": [key], "properties": {key: {"not": {"type": "null"}}}} for key in keys]}
