"""Every kind of answer, and what it means for the rows."""

from datetime import UTC, datetime

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from voicegateway.outbox.answers import Answer, Verdict, judge

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.ACCEPTED),
        (202, Verdict.ACCEPTED),
        (301, Verdict.MISDIRECTED),
        (307, Verdict.MISDIRECTED),
        (400, Verdict.MALFORMED),
        (422, Verdict.MALFORMED),
        (401, Verdict.DENIED),
        (403, Verdict.DENIED),
        (404, Verdict.MISDIRECTED),
        (405, Verdict.MISDIRECTED),
        (408, Verdict.FAILED),
        (413, Verdict.TOO_LARGE),
        (429, Verdict.BUSY),
        (500, Verdict.FAILED),
        (502, Verdict.FAILED),
        (503, Verdict.BUSY),
        (504, Verdict.FAILED),
    ],
)
def test_status_decides(status: int, verdict: Verdict) -> None:
    assert judge(status, {}, b"", now=NOW).verdict is verdict


def test_web_page_with_status_200_is_no_acknowledgement() -> None:
    answer = judge(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>log in", now=NOW)

    assert answer.verdict is Verdict.MISDIRECTED


def test_json_answer_of_a_collector_is_an_acknowledgement() -> None:
    assert judge(200, {"Content-Type": "application/json"}, b'{"partialSuccess":{}}', now=NOW).verdict is (
        Verdict.ACCEPTED
    )


def test_partial_success_is_read() -> None:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 3
    response.partial_success.error_message = "bad meter"

    answer = judge(200, {"Content-Type": "application/x-protobuf"}, response.SerializeToString(), now=NOW)

    assert answer == Answer(verdict=Verdict.ACCEPTED, rejected=3, message="bad meter")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Wed, 01 Jul 2026 12:00:30 GMT", 30.0),
        ("Wed, 01 Jul 2026 11:00:00 GMT", 0.0),
        ("Wed, 01 Jul 2026 12:00:30", None),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_comes_in_two_forms(header: str, seconds: float | None) -> None:
    assert judge(503, {"Retry-After": header}, b"", now=NOW).retry_after_s == seconds
