"""The schema of routing: chains, stacks and defaults, everybody's and each project's."""

from typing import Any

from voicegateway_controller.configuration.document.schema.parts import (
    ROUTING_NAME,
    Schema,
    mapping,
    one_of,
    or_null,
    whole,
)
from voicegateway_shared.routing.chain import ATTEMPT_TIMEOUT_MS_DEFAULT, MODELS_MAX
from voicegateway_shared.routing.declaration import (
    ATTEMPT_TIMEOUT_MS_MAX,
    ATTEMPT_TIMEOUT_MS_MIN,
    PARTS,
    PROJECTS_MAX,
    WEIGHT_MAX,
)
from voicegateway_shared.routing.fields import OPTIONS_MAX, STRATEGIES

TEXT_CHARS_MAX = 1_024
"""As `routing.definitions` has it; see `parts.TEXT_CHARS_MAX`."""
_MODEL = r"^\s*[a-z0-9][a-z0-9._-]*/\S(.*\S)?\s*$"
_SECRET = "^(.*_)?(key|token|secret|password|credentials?)$"


def section() -> tuple[Schema, dict[str, Schema]]:
    """Return the section and its definitions."""
    parts = _sections()
    scope = mapping("What one project declares; it hides everybody's of the same name.", parts)
    projects = {
        "description": "Chains, stacks and defaults of projects.", "type": ["object", "null"],
        "maxProperties": PROJECTS_MAX, "propertyNames": {"minLength": 1}, "additionalProperties": or_null(scope),
    }  # fmt: skip
    whole_section = mapping(
        "Which models serve, by name: chains of models, stacks of chains, and what holds without a word.",
        {**parts, "projects": projects},
        examples=[{"chains": {"llm": {"fast": ["openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"]}}}],
    )
    return or_null(whole_section), {"chain": _chain(), "model": _model(), "stack": _stack(), "reference": _reference()}


def _sections() -> dict[str, Schema]:
    chains = _named("Chains by name.", {"$ref": "#/definitions/chain"})
    by_modality = mapping("Chains, by the kind of model and their names.", dict.fromkeys(PARTS, or_null(chains)))
    default: dict[str, Schema] = {part: {"$ref": "#/definitions/reference"} for part in PARTS}
    default["stack"] = or_null({"type": "string", "pattern": ROUTING_NAME, "description": "A stack's name."})
    return {
        "chains": or_null(by_modality),
        "stacks": or_null(_named("Whole agents' models by one name.", {"$ref": "#/definitions/stack"})),
        "defaults": or_null(mapping("What `gateway.llm()` without a model means.", default)),
    }


def _named(description: str, value: Schema) -> Schema:
    names = {"pattern": ROUTING_NAME}
    return {"type": "object", "description": description, "propertyNames": names, "additionalProperties": value}


def _model_string() -> Schema:
    return {
        "type": "string", "pattern": _MODEL, "maxLength": TEXT_CHARS_MAX,
        "description": "provider/model, with a voice or language after a colon.",
        "examples": ["openai/gpt-4.1-mini", "deepgram/nova-3:multi"],
    }  # fmt: skip


def _model() -> Schema:
    names = [{"pattern": r"^[^\W\d]\w*$"}, {"not": {"enum": ["model"]}}, {"not": {"pattern": _SECRET}}]
    options: dict[str, Any] = {
        "type": ["object", "null"],
        "description": "Keyword arguments of the plugin; never keys or secrets.",
        "maxProperties": OPTIONS_MAX,
        "propertyNames": {"allOf": names},
    }  # fmt: skip
    full = mapping(
        "A model with its weight or its plugin's options.",
        {
            "model": _model_string(),
            "weight": or_null(whole("Its lots, for `weighted` and `sticky`.", least=1, most=WEIGHT_MAX, default=1)),
            "options": options,
        },
        required=("model",),
    )
    return {"anyOf": [_model_string(), full]}


def _chain() -> Schema:
    models = {
        "type": "array", "items": {"$ref": "#/definitions/model"}, "minItems": 1, "maxItems": MODELS_MAX,
        "description": "The first that may serve does; the others stand behind it.",
    }  # fmt: skip
    full = mapping(
        "Models, and how they are ordered.",
        {
            "models": models,
            "strategy": or_null(one_of("How those that may serve are ordered.", STRATEGIES, default="order")),
            "hedge": {
                "type": ["boolean", "null"], "default": False,
                "description": "Whether the second is asked too when the first is slower than it usually is.",
            },
            "attempt_timeout_ms": or_null(
                whole(
                    "How long a model may be silent before the next is asked.",
                    least=ATTEMPT_TIMEOUT_MS_MIN, most=ATTEMPT_TIMEOUT_MS_MAX, default=ATTEMPT_TIMEOUT_MS_DEFAULT,
                )
            ),
        },
        required=("models",),
    )  # fmt: skip
    return {"anyOf": [models, full]}


def _stack() -> Schema:
    reference = {"$ref": "#/definitions/reference"}
    return mapping(
        "An agent's models, each a chain's name or provider/model.", dict.fromkeys(PARTS, reference), minProperties=1
    )


def _reference() -> Schema:
    return {
        "description": "A chain's name, or provider/model.",
        "anyOf": [{"type": "string", "pattern": ROUTING_NAME}, _model_string(), {"enum": ["", None]}],
    }
