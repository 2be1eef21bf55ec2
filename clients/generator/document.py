"""The document that the clients are made from: the controller's OpenAPI, without what no client needs."""

import hashlib
import json
import re
from typing import Any, Final

from pydantic import SecretStr

from voicegateway_controller.app import create_app
from voicegateway_controller.settings import Settings

PREFIX: Final = "/api/v1/"
PROBLEM: Final = {
    "description": "A problem; its code says which.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
"""What every route may answer: two hundred times the same thirty codes would be most of the document."""
_CHARS: Final = re.compile(r"[^A-Za-z0-9]+")


def current() -> dict[str, Any]:
    """Return the admin API as its code says it is."""
    settings = Settings(
        database_url=SecretStr("postgresql://localhost/none"), redis_url=SecretStr("redis://localhost:6379/0")
    )
    document = create_app(settings).openapi()
    paths = {path: methods for path, methods in sorted(document["paths"].items()) if path.startswith(PREFIX)}
    for methods in paths.values():
        for operation in methods.values():
            kept = {status: each for status, each in operation["responses"].items() if status.startswith("2")}
            operation["responses"] = {**kept, "default": PROBLEM}
    schemas = document["components"]["schemas"]
    names = {name: short_name(name) for name in schemas}
    if len(set(names.values())) != len(names):
        raise ValueError("two schemas would have one name: tell short_name how they differ")
    text = json.dumps({"paths": paths, "schemas": {names[name]: schemas[name] for name in sorted(schemas)}})
    for name, short in names.items():
        text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{short}"')
    renamed = json.loads(text)
    return {
        "openapi": document["openapi"],
        "info": document["info"],
        "paths": renamed["paths"],
        "components": {**document["components"], "schemas": renamed["schemas"]},
        "security": document.get("security", []),
    }


def as_text(document: dict[str, Any]) -> str:
    """Return a document as it is kept."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def digest_of(text: str) -> str:
    """Name a document's content."""
    return hashlib.sha256(text.encode()).hexdigest()


def short_name(name: str) -> str:
    """Return the name of a schema in clients: `limits__schemas__Applied` is `LimitsApplied`."""
    words = [word for word in name.split("__") if word not in ("voicegateway_controller", "schemas")]
    if len(words) == 1:
        return _CHARS.sub("", words[0])
    return "".join(
        word[:1].upper() + word[1:] for each in words for word in _CHARS.split(each.replace("_", " ")) if word
    )
