"""The description names every route once, says how to be let in, and what each refusal is called."""

from typing import Any

import pytest
from pydantic import SecretStr

from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings

METHODS = ("get", "put", "post", "patch", "delete")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The description of the whole API."""
    settings = Settings(database_url=SecretStr("postgresql://x/none"), redis_url=SecretStr("redis://localhost"))
    return create_app(settings).openapi()


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def test_every_operation_has_a_name_of_its_own_and_says_what_it_is(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in _operations(document)]

    assert sorted(names) == sorted(set(names))
    assert [name for name in names if not name.isidentifier()] == []
    for label, operation in _operations(document):
        assert operation.get("summary"), label
        assert operation.get("description"), label


def test_every_refusal_is_a_problem_with_its_codes(document: dict[str, Any]) -> None:
    for label, operation in _operations(document):
        for status, response in operation["responses"].items():
            if status[0] not in "45" or label == "GET /readyz":
                continue
            content = response.get("content", {}).get("application/problem+json", {})
            assert content.get("schema") == {"$ref": "#/components/schemas/Problem"}, f"{label} {status}"
            assert [each["value"]["status"] for each in content["examples"].values()] == [int(status)] * len(
                content["examples"]
            ), f"{label} {status}"


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for each in node.values() for found in references(each)]
        return [found for each in node for found in references(each)] if isinstance(node, list) else []

    schemas = document["components"]["schemas"]
    lost = {
        each
        for each in references(document)
        if not each.startswith("#/components/schemas/") or each.rsplit("/", 1)[-1] not in schemas
    }

    assert lost == set()


def test_posts_take_a_key_and_the_token_is_asked_for(document: dict[str, Any]) -> None:
    assert document["security"] == [{"token": []}]
    for label, operation in _operations(document):
        takes_key = any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
        assert takes_key == label.startswith("POST /api/"), label
