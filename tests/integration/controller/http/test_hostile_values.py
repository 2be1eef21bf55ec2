"""Every route, walked by its description: instants at the calendar's ends, endless nesting, half characters. No 500."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from cryptography.fernet import Fernet
from tests.integration.controller.conftest import MakeToken, StartApi

from voicegateway_controller.access import Role

METHODS = ("get", "put", "post", "delete", "patch")
ENDLESS = frozenset({"/api/v1/events"})
"""Answers that do not end by themselves."""
ENDS = (
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-01-01T00:00:00Z", "9999-12", "0001-01",
    "9999-12-31", "9" * 30,
)  # fmt: skip
NUMBERS = (str(2**63), str(-(2**63) - 1), "9" * 400)
BODIES = (
    b"[" * 5_000 + b"]" * 5_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"\\ud800": "\\ud800"}',
    b'{"a":' + b"9" * 5_000 + b"}",
    b"\xff\xfe",
)
VALUES = ("[" * 5_000 + "]" * 5_000, '"\\ud800"', '"\\u0000"', "9" * 5_000, str(2**70))
DEEP = tuple(f'[{{"a": {"[" * depth}{"]" * depth}}}]' for depth in (300, 490, 900))
"""What a decoder still takes, and who walks it by recursion does not."""
Tried = tuple[str, str, dict[str, Any]]


async def test_no_route_breaks_at_what_nobody_means(start_api: StartApi, make_token: MakeToken) -> None:
    admin = await make_token(Role.ADMIN)
    broken: list[Tried] = []
    # Without a bound on requests: these are more at once than anybody sends.
    bounds = {"api_requests_per_s_per_token": 0, "api_requests_per_s_per_address": 0}

    async with start_api(vault_secrets=Fernet.generate_key().decode(), **bounds) as api:
        document = (await api.get("/openapi.json")).json()
        tried = [each for path in document["paths"] if path not in ENDLESS for each in _tries(document, path)]
        for method, path, rest in tried:
            answer = await api.request(method, path, headers={**admin, **rest.pop("headers", {})}, **rest)
            if answer.status_code == 500:
                broken.append((method, path[:200], rest))

    assert len(tried) > len(document["paths"])
    assert broken == []


def _tries(document: dict[str, Any], path: str) -> Iterator[Tried]:
    for method, operation in document["paths"][path].items():
        if method not in METHODS:
            continue
        parameters = [_resolved(document, each) for each in operation.get("parameters", [])]
        right = {each["name"]: _right(document, each["schema"]) for each in parameters if each.get("required")}
        body = _right_body(document, operation)
        content = (
            {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}} if body is not None else {}
        )
        for each in parameters:
            for value in _wrong(document, each["name"], each["schema"]):
                yield _request(method, path, parameters, {**right, each["name"]: value}, content)
        if body is None:
            continue
        for raw in BODIES:
            yield _request(method, path, parameters, right, {**content, "content": raw})
        for text in _wrong_bodies(document, operation, body):
            yield _request(method, path, parameters, right, {**content, "content": text})


def _request(
    method: str, path: str, parameters: list[dict[str, Any]], values: dict[str, Any], content: dict[str, Any]
) -> Tried:
    query = {}
    for each in parameters:
        name = each["name"]
        if each["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(str(values[name]), safe=""))
        elif each["in"] == "query" and name in values:
            query[name] = values[name]
    return method.upper(), path, {"params": query, **content}


def _wrong_bodies(document: dict[str, Any], operation: dict[str, Any], body: Any) -> Iterator[str]:
    """The right body with one key wrong, as text: a serializer would not write all of these."""
    schema = _body_schema(document, operation)
    for key, each in schema.get("properties", {}).items():
        rest = "".join(f", {json.dumps(name)}: {json.dumps(value)}" for name, value in body.items() if name != key)
        wrong = [json.dumps(value) for value in _wrong(document, key, each)]
        for text in (*wrong, *VALUES, *DEEP):
            yield f"{{{json.dumps(key)}: {text}{rest}}}"


def _wrong(document: dict[str, Any], name: str, schema: dict[str, Any]) -> tuple[str, ...]:
    told = json.dumps(_resolved(document, schema))
    if "date" in told or name in ("month", "day"):
        return ENDS
    return NUMBERS if '"integer"' in told else ()


def _body_schema(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    contents = _resolved(document, operation.get("requestBody", {})).get("content", {})
    return _resolved(document, contents.get("application/json", {}).get("schema", {}))


def _right_body(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    schema = _body_schema(document, operation)
    if "properties" not in schema:
        return None
    return {name: _right(document, schema["properties"][name]) for name in schema.get("required", [])}


def _right(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A value that fits well enough to be looked at."""
    schema = _resolved(document, schema)
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if alternatives in schema:
            return _right(document, schema[alternatives][0])
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if schema.get("type") == "string":
        is_month = "-(0[1-9]|1[0-2])" in schema.get("pattern", "")
        return "2026-10" if is_month or schema.get("format") == "date" else "x"
    return {"object": {}, "array": [], "integer": 1, "number": 1, "boolean": True}.get(schema.get("type", ""), "x")


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference means; of a body that is read with a bound they lead nowhere, and any value will do."""
    while (reference := schema.get("$ref")) is not None:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(step, {})
        schema = found
    return schema
