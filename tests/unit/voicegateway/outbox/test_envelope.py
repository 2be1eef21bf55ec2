"""The hand-made envelope, read by the real protobuf parser."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.fixtures.spans import span

from voicegateway.outbox.envelope import Row, export_request


def _row(seq: int, incarnation: str, body: bytes) -> Row:
    return Row(seq=seq, request_id=str(seq), incarnation=incarnation, body=body)


def test_envelope_names_the_process_that_made_the_spans() -> None:
    message = ExportTraceServiceRequest.FromString(export_request([_row(1, "my-host-4711-ab12", span("a"))]))

    (resource_spans,) = message.resource_spans
    resource = {item.key: item.value for item in resource_spans.resource.attributes}
    assert {key: value.string_value or value.int_value for key, value in resource.items()} == {
        "service.name": "voicegateway",
        "service.instance.id": "my-host-4711-ab12",
        "host.name": "my-host",
        "process.pid": 4711,
    }
    assert [scope.scope.name for scope in resource_spans.scope_spans] == ["voicegateway"]


def test_incarnation_of_another_form_is_sent_without_host_and_pid() -> None:
    message = ExportTraceServiceRequest.FromString(export_request([_row(1, "odd", span("a"))]))

    keys = [item.key for item in message.resource_spans[0].resource.attributes]
    assert keys == ["service.name", "service.instance.id"]


def test_rows_are_grouped_by_incarnation_and_keep_their_order() -> None:
    rows = [_row(i, incarnation, span(str(i))) for i, incarnation in enumerate(["a-1-x", "a-1-x", "b-2-y", "a-1-x"])]

    message = ExportTraceServiceRequest.FromString(export_request(rows))

    assert [len(rs.scope_spans[0].spans) for rs in message.resource_spans] == [2, 1, 1]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=300), st.integers(0, 20_000)), max_size=20))
def test_the_parser_reads_back_what_was_put_in(made: list[tuple[str, int]]) -> None:
    rows = [_row(i, incarnation, span(str(i), padding=size)) for i, (incarnation, size) in enumerate(made)]

    message = ExportTraceServiceRequest.FromString(export_request(rows))

    spans = [item for rs in message.resource_spans for ss in rs.scope_spans for item in ss.spans]
    assert spans == [Span.FromString(row.body) for row in rows]
    assert ExportTraceServiceRequest.FromString(message.SerializeToString()) == message
