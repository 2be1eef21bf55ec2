"""OTLP's trace messages with their inside left as bytes.

Same wire format as `ExportTraceServiceRequest`, but spans and attributes stay unparsed until somebody asks. One bad
span cannot spoil its batch, a quarantined span keeps its exact bytes, a body of a million empty spans stays small,
and attributes that repeat from span to span are recognised by their bytes instead of being parsed again.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

__all__ = ["DecodeError", "KeyValue", "Request", "Span"]

_Field = descriptor_pb2.FieldDescriptorProto
_ONE: Final = _Field.LABEL_OPTIONAL
_MANY: Final = _Field.LABEL_REPEATED
_PACKAGE: Final = "voicegateway.otlp"
_MESSAGES: Final = {
    "Resource": (("attributes", 1, _MANY, _Field.TYPE_BYTES, ""),),
    "ScopeSpans": (("spans", 2, _MANY, _Field.TYPE_BYTES, ""),),
    "ResourceSpans": (
        ("resource", 1, _ONE, _Field.TYPE_MESSAGE, "Resource"),
        ("scope_spans", 2, _MANY, _Field.TYPE_MESSAGE, "ScopeSpans"),
    ),
    "Request": (("resource_spans", 1, _MANY, _Field.TYPE_MESSAGE, "ResourceSpans"),),
    "Span": (
        ("trace_id", 1, _ONE, _Field.TYPE_BYTES, ""),
        ("span_id", 2, _ONE, _Field.TYPE_BYTES, ""),
        ("start_time_unix_nano", 7, _ONE, _Field.TYPE_FIXED64, ""),
        ("end_time_unix_nano", 8, _ONE, _Field.TYPE_FIXED64, ""),
        ("attributes", 9, _MANY, _Field.TYPE_BYTES, ""),
    ),
}
"""Name: (field, number, label, type, message), the numbers being those of opentelemetry/proto/trace/v1."""


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="voicegateway/otlp.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, label, kind, target in fields:
            added = message.field.add(name=field, number=number, label=label, type=kind)
            if target:
                added.type_name = f".{_PACKAGE}.{target}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_classes: Final = _messages()
Request: Final = _classes["Request"]
Span: Final = _classes["Span"]
