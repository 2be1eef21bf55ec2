"""`POST /v1/traces`: OTLP/HTTP protobuf in, 200 only after the commit."""

from typing import Final

from fastapi import APIRouter, Request, Response
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from voicegateway_controller import metrics
from voicegateway_controller.errors import UnsupportedMediaType
from voicegateway_controller.http.auth import Worker
from voicegateway_controller.http.body import read_body
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.usage.service import Receipt
from voicegateway_shared.errors import VoiceGatewayError

router = APIRouter()
PROTOBUF: Final = "application/x-protobuf"
REASONS_MAX: Final = 3
"""How many different reasons a partial success repeats; all of them are in the quarantine."""
_ACCEPTED: Final = ExportTraceServiceResponse().SerializeToString()


@router.post("/v1/traces", summary="Deliver spans (OTLP/HTTP, protobuf)", tags=["worker"])
async def traces(request: Request, access: Worker) -> Response:
    """Answer 200 once every span is in Postgres, or refused for good and quarantined (`partial_success`)."""
    resources = resources_of(request)
    try:
        is_gzip = _encoding(request)
        async with resources.intake.place():
            body = await read_body(
                request,
                limit=resources.settings.ingest_body_bytes_max,
                setting="VOICEGATEWAY_INGEST_BODY_BYTES_MAX",
            )
            receipt = await resources.intake.take(body, is_gzip=is_gzip, access=access)
    except VoiceGatewayError as error:
        metrics.INGEST_REQUESTS.labels(error.code).inc()
        raise
    metrics.INGEST_REQUESTS.labels("ok").inc()
    return Response(_answer(receipt), media_type=PROTOBUF)


def _encoding(request: Request) -> bool:
    """Return whether the body is gzip; UnsupportedMediaType for anything we do not read."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != PROTOBUF:
        raise UnsupportedMediaType(
            f"content type {content_type or 'none'} is not read here: send OTLP as {PROTOBUF} "
            "(OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)"
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("gzip", "identity"):
        raise UnsupportedMediaType(f"content encoding {encoding} is not read here: send gzip or none")
    return encoding == "gzip"


def _answer(receipt: Receipt) -> bytes:
    if not receipt.refused:
        return _ACCEPTED
    reasons = list(dict.fromkeys(each.reason for each in receipt.refused))
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = len(receipt.refused)
    more = f"; and {len(reasons) - REASONS_MAX} more reasons" if len(reasons) > REASONS_MAX else ""
    response.partial_success.error_message = "quarantined: " + "; ".join(reasons[:REASONS_MAX]) + more
    return response.SerializeToString()
