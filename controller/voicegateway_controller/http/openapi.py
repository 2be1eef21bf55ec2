"""What the OpenAPI says beyond what the routes say themselves: names, tokens, and every refusal they share."""

from typing import Any, Final

from fastapi.routing import APIRoute

from voicegateway_controller import errors
from voicegateway_controller.http import errors as conventions
from voicegateway_controller.http.documented import PROBLEM_SCHEMA, problem_response
from voicegateway_controller.http.problems import status_of
from voicegateway_shared.errors import VoiceGatewayError

Json = dict[str, Any]

SECURITY_SCHEMES: Final[Json] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "vgw_<id>_<secret>",
        "description": "A token, as from `voicegw tokens create`. Its role and projects say what it may do.",
    }
}
IDEMPOTENCY_PARAMETER: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes it safe to send this again: within a day the same key and request get the first one's "
    "answer, with `Idempotency-Replayed: true`, and nothing is done twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_EVERYWHERE: Final[tuple[type[VoiceGatewayError], ...]] = (
    conventions.RateLimited,
    errors.Overloaded,
    errors.BodyTooLarge,
    conventions.Misdirected,
)
_WITH_TOKEN: Final[tuple[type[VoiceGatewayError], ...]] = (errors.Unauthenticated, errors.Forbidden)
_BEHIND: Final[tuple[type[VoiceGatewayError], ...]] = (
    errors.DatabaseUnavailable,
    errors.RedisUnavailable,
    errors.SchemaNotMigrated,
)
_OF_KEYS: Final[tuple[type[VoiceGatewayError], ...]] = (
    conventions.IdempotencyKeyReused,
    conventions.IdempotencyInProgress,
    conventions.IdempotencyUnknown,
    conventions.IdempotencyAnswerNotKept,
)
_METHODS: Final = ("get", "put", "post", "patch", "delete")
_HEALTH: Final = ("/livez", "/readyz")


def operation_id(route: APIRoute) -> str:
    """Return `<tag>_<function>`, `<tag>_get` where both are the same: clients' methods are called so."""
    tag = str(route.tags[0]).replace("-", "_").replace(" ", "_") if route.tags else "api"
    return f"{tag}_{'get' if route.name == tag else route.name}"


def completed(document: Json) -> Json:
    """Return FastAPI's description with everything added that holds for all routes. Changes what it is given."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    components["securitySchemes"] = {**components.get("securitySchemes", {}), **SECURITY_SCHEMES}
    document["security"] = [{"token": []}]
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            if method in _METHODS:
                _complete(operation, path=path, method=method)
    _lift_definitions(document, schemas)
    # FastAPI's own shape of a 422, which none of our answers has.
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    return document


def _complete(operation: Json, *, path: str, method: str) -> None:
    responses: Json = operation.setdefault("responses", {})
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    if path in _HEALTH:
        operation["security"] = []
        _add(responses, {errors.BodyTooLarge: True})
        return
    is_public = operation.pop("x-public", False)
    if is_public:
        operation["security"] = []
    is_worker = path.startswith("/v1/")
    takes_key = method == "post" and path.startswith("/api/")
    parameters: list[Json] = operation.get("parameters", [])
    if takes_key:
        parameters = [*parameters, IDEMPOTENCY_PARAMETER]
        operation["parameters"] = parameters
    takes_match = any(each["in"] == "header" and each["name"].lower() == "if-match" for each in parameters)
    can = {
        **dict.fromkeys(_EVERYWHERE, True),
        **dict.fromkeys(_WITH_TOKEN, not is_public),
        **dict.fromkeys(_BEHIND, True),
        **dict.fromkeys(_OF_KEYS, takes_key),
        conventions.IdempotencyKeyInvalid: takes_key,
        errors.BadRequest: True,
        errors.NotFound: "{" in path,
        errors.Conflict: takes_match,
    }
    _add(responses, can)
    if parameters or "requestBody" in operation:
        _add_code(responses, 422, "invalid_parameter", "Invalid parameter")
    _add_code(responses, 500, "internal_error", "Internal error")
    if is_worker:
        _add(responses, {errors.UnsupportedMediaType: True})


def _add(responses: Json, can: dict[type[VoiceGatewayError], bool]) -> None:
    for error, applies in can.items():
        if applies:
            status, title = status_of(error)
            _add_code(responses, status, error.code, title)


def _add_code(responses: Json, status: int, code: str, title: str) -> None:
    """Add one code to a status, beside those that are there."""
    known: Json = responses.get(str(status), {})
    examples = known.get("content", {}).get("application/problem+json", {}).get("examples", {})
    titles = {name: str(example["value"]["title"]) for name, example in examples.items()}
    titles[code] = title
    fresh = problem_response(status, titles)
    headers = {**known.get("headers", {})}
    if status in (429, 503):
        headers["Retry-After"] = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}
    if status == 401:
        headers["WWW-Authenticate"] = {"description": "How to say who you are.", "schema": {"type": "string"}}
    if headers:
        fresh["headers"] = headers
    others = {kind: each for kind, each in known.get("content", {}).items() if kind != "application/problem+json"}
    fresh["content"].update(others if not _is_validation(others) else {})
    responses[str(status)] = fresh


def _is_validation(content: Json) -> bool:
    return "HTTPValidationError" in str(content)


def _lift_definitions(document: Json, schemas: Json) -> None:
    """Move `$defs` of bodies that routes describe themselves to where references of the whole document find them."""
    for methods in document.get("paths", {}).values():
        for operation in methods.values():
            if not isinstance(operation, dict):
                continue
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = content.get("schema", {})
                definitions: Json = schema.pop("$defs", {})
                for name, definition in definitions.items():
                    schemas.setdefault(name, _relinked(definition))
                content["schema"] = _relinked(schema)


def _relinked(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/")
            if key == "$ref" and isinstance(value, str)
            else _relinked(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_relinked(each) for each in node]
    return node
