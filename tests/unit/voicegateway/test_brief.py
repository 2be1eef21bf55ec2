"""The intent in brief: the same identity as the whole span, in bytes that any protobuf parser reads."""

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from voicegateway.brief import brief_intent
from voicegateway.encode import encode_span, identifying
from voicegateway.identity import Identity
from voicegateway.outbox.span_bytes import interrupt, request_id_and_start
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway_shared.telemetry import attributes as names


def a_record(**changes: str) -> RequestRecord:
    identity = Identity(
        session_id="AJ_1", project="acme", agent="agent", job_id="AJ_1", room="room", started_at="2026-11-21T10:00:00Z"
    )
    facts = PluginFacts(provider="deepgram", modality="stt", project=None, key_id="k")
    fields = {"project": "acme", "model": "nova-3", "language": "en", **changes}
    return RequestRecord(facts=facts, identity=identity, trace_id=b"t" * 16, span_id=b"s" * 8, **fields)  # type: ignore[arg-type]


def attributes_of(span: Span) -> dict[str, str]:
    return {item.key: item.value.string_value for item in span.attributes if item.value.HasField("string_value")}


def test_it_names_all_that_is_known_when_a_request_starts() -> None:
    record = a_record()

    span = Span.FromString(brief_intent(record))

    assert attributes_of(span) == {key: value for key, value in identifying(record).items() if value}
    assert (span.trace_id, span.span_id) == (b"t" * 16, b"s" * 8)
    assert span.start_time_unix_nano == record.started_unix_ns
    assert span.name == Span.FromString(encode_span(record)).name == "voicegateway.stt"


def test_two_requests_of_one_plugin_differ_in_what_differs() -> None:
    first, second = a_record(), a_record(model="nova-2")

    spans = [attributes_of(Span.FromString(brief_intent(record))) for record in (first, second, first)]

    assert [span[names.REQUEST_ID] for span in spans] == [first.request_id, second.request_id, first.request_id]
    assert [span[names.REQUEST_MODEL] for span in spans] == ["nova-3", "nova-2", "nova-3"]


def test_recovery_can_settle_it() -> None:
    record = a_record()
    body = brief_intent(record)

    span = Span.FromString(interrupt(body, error_type="process_died", seen_ns=None))

    assert request_id_and_start(body) == (record.request_id, record.started_unix_ns)
    assert attributes_of(span)[names.OUTCOME] == "interrupted"
    assert span.end_time_unix_nano == record.started_unix_ns
