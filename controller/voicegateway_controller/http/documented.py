"""What routes say of their refusals in the OpenAPI.

    @router.post("/{name}", responses=refuses(Conflict, VendorRefused))

What every route can answer is added by `http/openapi.py`: 400, 401, 403, 413, 422, 429, 500 and 503, 404 where the
path holds a name, 409 where `If-Match` or `Idempotency-Key` can be sent.
"""

from typing import Any, Final

from voicegateway_controller.http.problems import status_of
from voicegateway_shared.errors import VoiceGatewayError

ANSWERS_SECRET: Final[dict[str, Any]] = {"x-answers-secret": True}
"""`openapi_extra` of a POST whose answer holds a secret: it is never kept for an `Idempotency-Key`, see there."""
PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457). `code` is stable; `detail` is for people and says what to do.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "`urn:voicegateway:` and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "One of docs/reference/http.md#problems."},
    },
}
_REFERENCE: Final = {"$ref": "#/components/schemas/Problem"}


def refuses(*errors: type[VoiceGatewayError]) -> dict[int | str, dict[str, Any]]:
    """Return what FastAPI's `responses` takes, for the errors that a route raises beside those of every route."""
    by_status: dict[int, dict[str, str]] = {}
    for error in errors:
        status, title = status_of(error)
        by_status.setdefault(status, {})[error.code] = title
    return {status: problem_response(status, titles) for status, titles in sorted(by_status.items())}


def problem_response(status: int, titles: dict[str, str]) -> dict[str, Any]:
    """Return one status' description: a problem with one of these codes, an example for each."""
    examples = {
        code: {
            "value": {
                "type": f"urn:voicegateway:{code}",
                "title": title,
                "status": status,
                "detail": "One sentence that says what to do.",
                "code": code,
            }
        }
        for code, title in sorted(titles.items())
    }
    described = "; ".join(f"`{code}`: {title}" for code, title in sorted(titles.items()))
    return {
        "description": described,
        "content": {"application/problem+json": {"schema": dict(_REFERENCE), "examples": examples}},
    }
