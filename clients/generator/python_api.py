"""Routes to Python: one class for each tag, one method for each route; and the same for asyncio. Pure."""

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from clients.generator.python_types import documented, type_of

_LEFT_OUT: Final = frozenset({"authorization", "cookie"})
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a route."""

    name: str
    """In Python."""
    wire: str
    where: str
    type: str
    is_required: bool


def api(document: dict[str, Any], *, is_async: bool) -> Iterator[str]:
    """Yield the lines of a module with all routes."""
    known = frozenset(document["components"]["schemas"])
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for verb, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append((verb.upper(), path, operation))
    events = "AsyncIterator, Sequence" if is_async else "Iterator, Sequence"
    yield f"from collections.abc import {events}"
    yield "from typing import Any, Literal, cast"
    yield ""
    yield "from voicegateway_client import models as m"
    yield f"from voicegateway_client.transport import {_transport(is_async)}, path_of"
    for tag, operations in sorted(by_tag.items()):
        yield "\n"
        yield f"class {_class(tag, is_async)}:"
        yield f"    {documented(f'The routes of {tag}; lives as long as its client.')}"
        yield ""
        yield f"    def __init__(self, transport: {_transport(is_async)}) -> None:"
        yield "        self._transport = transport"
        for verb, path, operation in sorted(operations, key=lambda each: each[2]["operationId"]):
            yield ""
            yield from _method(tag, verb, path, operation, known, is_async=is_async)
    name = "AsyncVoiceGateway" if is_async else "VoiceGateway"
    yield "\n"
    yield f"class {name}({_transport(is_async)}):"
    yield f"    {documented('A controller of VoiceGateway. Close it, or use it in a with statement.')}"
    for tag in sorted(by_tag):
        yield ""
        yield "    @property"
        yield f"    def {attribute(tag)}(self) -> {_class(tag, is_async)}:"
        yield f"        {documented(f'The routes of {tag}.')}"
        yield f"        return {_class(tag, is_async)}(self)"


def _method(
    tag: str, verb: str, path: str, operation: dict[str, Any], known: frozenset[str], *, is_async: bool
) -> Iterator[str]:
    name = attribute(operation["operationId"].removeprefix(f"{tag.replace('-', '_')}_"))
    parameters = [
        _parameter(each, known)
        for each in operation.get("parameters", ())
        if each["in"] != "cookie" and each["name"].lower() not in _LEFT_OUT
    ]
    in_path = [each for each in parameters if each.where == "path"]
    others = sorted((each for each in parameters if each.where != "path"), key=lambda each: not each.is_required)
    body = _body(operation, known)
    answer, kind = _answer(operation, known)
    arguments = ["self", *(f"{each.name}: {each.type}" for each in in_path)]
    if body is not None:
        arguments.append(f"body: {body[0]}" + ("" if body[1] else " | None = None"))
    if others:
        arguments.append("*")
    arguments += [
        f"{each.name}: {each.type}" + ("" if each.is_required else f"{_or_none(each.type)} = None") for each in others
    ]
    if kind == "events":
        answer = f"{'AsyncIterator' if is_async else 'Iterator'}[m.EventRow]"
    is_awaited = is_async and kind != "events"
    yield f"    {'async ' if is_awaited else ''}def {name}({', '.join(arguments)}) -> {answer}:"
    told = "\n\n        ".join(filter(None, (operation.get("summary", ""), operation.get("description", ""))))
    yield f"        {documented(told)}"
    wait = "await " if is_awaited else ""
    where = f"path_of({path!r}{''.join(f', {each.wire}={each.name}' for each in in_path)})"
    asked = [f"{verb!r}", where]
    for group in ("query", "header"):
        pairs = ", ".join(f"{each.wire!r}: {each.name}" for each in others if each.where == group)
        if pairs:
            asked.append(f"{group}={{{pairs}}}")
    if body is not None:
        asked.append("body=body")
    call = f"self._transport.{'listen' if kind == 'events' else 'ask' if kind == 'json' else 'fetch'}"
    if kind == "events":
        asked = asked[1:]
        yield f"        return {call}({', '.join(asked)})"
    elif kind == "json":
        yield f"        return cast({answer!r}, {wait}{call}({', '.join(asked)}))"
    else:
        yield f"        return {wait}{call}({', '.join(asked)})"


def _parameter(declared: dict[str, Any], known: frozenset[str]) -> Parameter:
    name = attribute(declared["name"])
    given = type_of(declared.get("schema", {}), prefix="m.", known=known)
    # Any sequence will do where a list is sent; None is said by the default.
    given = re.sub(r"\blist\[", "Sequence[", given).replace(" | None", "")
    return Parameter(
        name=f"{name}_" if name in ("self", "body") else name,
        wire=declared["name"],
        where=declared["in"],
        type=given,
        is_required=declared.get("required", False) or declared["in"] == "path",
    )


def _body(operation: dict[str, Any], known: frozenset[str]) -> tuple[str, bool] | None:
    declared = operation.get("requestBody")
    if declared is None:
        return None
    schema = declared.get("content", {}).get(JSON, {}).get("schema")
    if schema is None:
        return "bytes", declared.get("required", False)
    return type_of(schema, prefix="m.", known=known), declared.get("required", False)


def _answer(operation: dict[str, Any], known: frozenset[str]) -> tuple[str, str]:
    content: dict[str, Any] = {}
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            content |= answer.get("content", {})
    if "text/event-stream" in content:
        return "", "events"
    if set(content) == {JSON}:
        return type_of(content[JSON].get("schema", {}), prefix="m.", known=known), "json"
    return "bytes", "bytes"


def _or_none(given: str) -> str:
    return "" if given == "Any" else " | None"


def attribute(text: str) -> str:
    """Return a word as Python says it: `If-Match` is `if_match`, `from` is `from_`."""
    name = re.sub(r"\W+", "_", text).strip("_").lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def _class(tag: str, is_async: bool) -> str:
    return ("Async" if is_async else "") + "".join(word.capitalize() for word in re.split(r"\W+|_", tag)) + "Routes"


def _transport(is_async: bool) -> str:
    return "AsyncTransport" if is_async else "Transport"
