"""The schemas of projects and keys, and of what in the file is a worker's or the inference server's."""

from collections.abc import Collection

from voicegateway_controller.configuration.document.schema.money import provider
from voicegateway_controller.configuration.document.schema.parts import (
    NAME,
    Schema,
    listed,
    mapping,
    or_null,
    text,
    whole,
)
from voicegateway_controller.configuration.document.worker import INFERENCE_WHOLE
from voicegateway_shared.worker_section import ADMIT_WAIT_MS_MAX

KEYS_MAX = 200
PROJECTS_MAX = 5_000
KEY_PROJECTS_MAX = 200
LABELS_MAX = 32
TEXT_CHARS_MAX = 1_024
NOTE_CHARS_MAX = 300
"""As `vault.declared` and `projects.definitions` have them; see `parts.TEXT_CHARS_MAX`."""
_VARIABLE = "^([A-Za-z_][A-Za-z0-9_]{0,127})?$"
_ADDRESS = "^https?://."
_DIGITS = {"type": "string", "pattern": r"^\s*[0-9][0-9_]*\s*$"}


def sections(providers: Collection[str]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return the sections and their definitions, by name."""
    of_section = {
        "projects": listed("Who pays, with a name for people.", "project", most=PROJECTS_MAX),
        "keys": listed("Vendors' keys by reference: where the controller reads them.", "key", most=KEYS_MAX),
        "worker": or_null(_worker()),
        "inference": or_null(_inference()),
        "controller": {
            "type": ["object", "null"],
            "description": "Read by nobody yet: settings of the controller are variables of its environment.",
        },
    }
    return of_section, {"project": _project(), "key": _key(providers)}


def _project() -> Schema:
    labels = {
        "type": "object", "description": "Whatever you sort projects by.", "maxProperties": LABELS_MAX,
        "propertyNames": {"minLength": 1}, "additionalProperties": {"type": "string"},
    }  # fmt: skip
    properties = {
        "id": text("What workers, limits, budgets and tokens call it.", least=1, pattern=r"^\S(.*\S)?$"),
        "name": text("For people.", most=TEXT_CHARS_MAX),
        "description": text("What it is.", most=TEXT_CHARS_MAX),
        "owner": text("Whom to ask.", most=TEXT_CHARS_MAX),
        "labels": labels,
        "is_archived": {"type": "boolean", "description": "Over: left out of lists. Its calls still count."},
    }
    return mapping("One project.", properties, required=("id",), examples=[{"id": "acme", "name": "Acme Inc."}])


def _key(providers: Collection[str]) -> Schema:
    project = {"type": "string", "minLength": 1, "maxLength": 256}
    properties = {
        "id": text("Its name.", pattern=NAME),
        "provider": provider(providers),
        "from_env": or_null(text("The controller's variable that holds it.", pattern=_VARIABLE)),
        "from_file": or_null(text("The whole path of a file that holds it.", most=TEXT_CHARS_MAX, pattern="^(/.*)?$")),
        "projects": or_null(
            {
                "type": "array", "items": project, "minItems": 1, "maxItems": KEY_PROJECTS_MAX,
                "description": "Which projects may use it; left out, all.",
            }
        ),
        "note": or_null(text("For people.", most=NOTE_CHARS_MAX)),
    }  # fmt: skip
    filled = {"type": "string", "minLength": 1}
    return mapping(
        "One key: exactly one of `from_env` and `from_file`. The key itself never stands in a file.",
        properties,
        required=("id", "provider"),
        examples=[{"id": "openai-main", "provider": "openai", "from_env": "OPENAI_API_KEY"}],
        oneOf=[{"required": [key], "properties": {key: filled}} for key in ("from_env", "from_file")],
    )  # fmt: skip


def _worker() -> Schema:
    properties = {
        "url": text("The controller, https://…", most=2_000, pattern=_ADDRESS),
        "token": {"type": "string", "description": "A worker token; better in VOICEGATEWAY_TOKEN than in a file."},
        "project": {"type": "string", "description": "Who pays when neither the call nor the job says."},
        "outbox_dir": {"type": "string", "description": "Shared by all worker processes of a host; a local disk."},
        "outbox_bytes_max": {
            "description": "The outbox's bound.", "anyOf": [{"type": "integer", "minimum": 1}, _DIGITS],
        },
        "admit_wait_ms": {
            "description": "How long an attempt may wait for a limit of the fleet.",
            "anyOf": [{"type": "integer", "minimum": 0, "maximum": ADMIT_WAIT_MS_MAX}, _DIGITS],
        },
        "delete_room": {
            "description": "Whether the room of a session that we end is deleted.",
            "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$"}],
        },
    }  # fmt: skip
    nullable = {name: or_null(schema) for name, schema in properties.items()}
    return mapping("What every worker that reads this file is told; its environment wins.", nullable)


def _inference() -> Schema:
    key = {"type": "string", "minLength": 1}
    caller = mapping(
        "Whose tokens are taken.", dict.fromkeys(("api_key", "api_secret", "project"), key),
        required=("api_key", "api_secret"),
    )  # fmt: skip
    words = {
        "port": "The port to listen on.",
        "connections_max": "Connections at the same time.",
        "drain_s": "How long calls may go on at the end.",
    }
    numbers = {name: whole(words[name], least=0, most=most) for name, most in INFERENCE_WHOLE.items()}
    plugins = {
        "type": ["object", "null"], "additionalProperties": {"type": "object"},
        "description": "Keyword arguments of plugins, by `provider` or `provider/stt`.",
    }  # fmt: skip
    callers = {"type": ["array", "null"], "items": caller, "description": "API keys that callers sign with."}
    host = {"type": "string", "description": "The address to listen on."}
    return mapping("Options of `voicegw inference`.", {"host": host, **numbers, "keys": callers, "plugins": plugins})
