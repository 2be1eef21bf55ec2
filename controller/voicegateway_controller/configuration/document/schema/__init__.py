"""The JSON Schema of voicegw.yaml, for editors: made from the very words and bounds that the readers hold."""

from voicegateway_controller.configuration.document.schema.whole import SCHEMA_ID, build_schema

__all__ = ["SCHEMA_ID", "build_schema"]
