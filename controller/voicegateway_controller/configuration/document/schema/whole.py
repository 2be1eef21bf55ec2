"""The schema of the whole file."""

from collections.abc import Collection
from typing import Any, Final

from voicegateway_controller.configuration.document.reading import KNOWN
from voicegateway_controller.configuration.document.schema import money, others, routing
from voicegateway_controller.configuration.layering import ZONE

SCHEMA_ID: Final = "https://raw.githubusercontent.com/voicegateway/voicegateway/main/docs/reference/voicegw.schema.json"
"""Where the newest one is published."""


def build_schema(providers: Collection[str]) -> dict[str, Any]:
    """Return the schema; `providers` are those that may be named.

    Whatever it refuses the readers refuse. They refuse more: names that lead nowhere, declarations that contradict.
    """
    of_money, definitions = money.sections(providers)
    of_others, further = others.sections(providers)
    of_routing, of_chains = routing.section()
    zone = {
        "type": ["string", "null"],
        "description": "The time zone of budgets that name none, such as Europe/Berlin.",
    }
    sections = {**of_money, **of_others, "routing": of_routing, ZONE: zone}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": SCHEMA_ID,
        "title": "voicegw.yaml",
        "description": "Configuration of VoiceGateway: what controllers declare and workers are told.",
        "type": "object",
        "properties": {name: sections[name] for name in KNOWN},
        "additionalProperties": False,
        "definitions": {**definitions, **further, **of_chains},
    }
