"""JSON Schema to Python: each object a TypedDict. Pure."""

import keyword
from collections.abc import Iterator
from typing import Any, Final

_PLAIN: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def type_of(schema: dict[str, Any], *, prefix: str = "", known: frozenset[str] = frozenset()) -> str:
    """Return a schema as a Python type; names of objects with a prefix, for another module's."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"{prefix}{name}" if name in known else "Any"
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            options = dict.fromkeys(type_of(each, prefix=prefix, known=known) for each in schema[key])
            return "Any" if "Any" in options else " | ".join(options)
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return type_of(schema["allOf"][0], prefix=prefix, known=known)
    kind = schema.get("type")
    if kind == "array":
        return f"list[{type_of(schema.get('items', {}), prefix=prefix, known=known)}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        inside = type_of(values, prefix=prefix, known=known) if isinstance(values, dict) else "Any"
        return f"dict[str, {inside}]"
    return _PLAIN.get(kind, "Any") if isinstance(kind, str) else "Any"


def models(schemas: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a module with all schemas."""
    known = frozenset(schemas)
    yield "from typing import Any, Literal, NotRequired, TypedDict"
    for name, schema in sorted(schemas.items()):
        yield "\n"
        if schema.get("type") == "object" and schema.get("properties"):
            yield from _object(name, schema, known)
        else:
            yield f"{name} = {type_of(schema, known=known)}"


def _object(name: str, schema: dict[str, Any], known: frozenset[str]) -> Iterator[str]:
    required = set(schema.get("required", ()))
    fields = {
        key: type_of(each, known=known) if key in required else f"NotRequired[{type_of(each, known=known)}]"
        for key, each in schema["properties"].items()
    }
    if any(not key.isidentifier() or keyword.iskeyword(key) for key in fields):
        said = ", ".join(f"{key!r}: {_quoted(each, known)}" for key, each in fields.items())
        yield f"{name} = TypedDict({name!r}, {{{said}}})"
        return
    yield f"class {name}(TypedDict):"
    yield f"    {documented(schema.get('description') or schema.get('title') or name)}"
    yield ""
    for key, each in fields.items():
        yield f"    {key}: {_quoted(each, known)}"
        if said := schema["properties"][key].get("description"):
            yield f"    {documented(said)}"


def _quoted(text: str, known: frozenset[str]) -> str:
    """Quote a type that names another one, which may come later."""
    return repr(text) if any(name in text for name in known) else text


def documented(text: str) -> str:
    """Return a text as a docstring of one line or several; whoever formats it indents it."""
    lines = [line.strip() for line in text.replace("\\", "\\\\").replace('"""', "'''").strip().splitlines()]
    safe = "\n".join(lines)
    return f'"""{safe}{" " if safe.endswith(chr(34)) else ""}"""'
