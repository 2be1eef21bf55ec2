"""The span of a request, whole: what the controller reads is written here."""

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.unit.voicegateway.records import REQUEST_ID, a_record, chunk, tokens

from voicegateway.encode import INTEGER_MAX, TEXT_CHARS_MAX, encode_span
from voicegateway.record import RequestRecord


def decoded(record: RequestRecord) -> tuple[dict[str, object], dict[str, object]]:
    """Return the span's own fields, and its attributes."""
    span = Span.FromString(encode_span(record))
    attributes: dict[str, object] = {}
    for item in span.attributes:
        assert item.key not in attributes
        attributes[item.key] = getattr(item.value, str(item.value.WhichOneof("value")))
    span.ClearField("attributes")
    return MessageToDict(span, preserving_proto_field_name=True), attributes


def test_finished_chat_is_this_span() -> None:
    record = a_record(
        llm_chunks=[chunk("Hi"), chunk(usage=tokens(50, 1, cached=40))],
        ttfb_ns=120_999_999,
        status_code=429,
        error_type="429",
        attempts=2,
        speech_id="speech_1",
    )
    record.vendor_id("chatcmpl-0")
    record.vendor_id("chatcmpl-1")
    record.reported["input_tokens"] = 50

    span, attributes = decoded(record)

    assert span == {
        "trace_id": "dHR0dHR0dHR0dHR0dHR0dA==",
        "span_id": "c3Nzc3Nzc3M=",
        "name": "voicegateway.llm",
        "kind": "SPAN_KIND_CLIENT",
        "start_time_unix_nano": "1000000000000000000",
        "end_time_unix_nano": "1000000000750000000",
    }
    assert attributes == {
        "voicegateway.request.id": REQUEST_ID,
        "voicegateway.project": "acme",
        "voicegateway.session.id": "AJ_1",
        "gen_ai.agent.name": "front-desk",
        "voicegateway.job.id": "AJ_1",
        "voicegateway.room.name": "room-1",
        "voicegateway.speech.id": "speech_1",
        "voicegateway.key.id": "kkkkkkkkkkkk",
        "voicegateway.modality": "llm",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1-mini",
        "gen_ai.response.id": "chatcmpl-1",
        "voicegateway.vendor.request_ids": "chatcmpl-0 chatcmpl-1",
        "voicegateway.request.mode": "streaming",
        "openai.response.service_tier": "default",
        "voicegateway.outcome": "ok",
        "voicegateway.attempts": 2,
        "voicegateway.duration_ms": 750,
        "voicegateway.ttfb_ms": 120,
        "http.response.status_code": 429,
        "voicegateway.usage.input_tokens": 50,
        "voicegateway.usage.output_tokens": 1,
        "voicegateway.usage.cache_read_tokens": 40,
        "voicegateway.usage.requests": 1,
        "voicegateway.usage.chunks_received": 1,
        "voicegateway.reported.input_tokens": 50,
        "voicegateway.told.cache_read_tokens": 40,
        "voicegateway.told.input_tokens": 50,
        "voicegateway.told.output_tokens": 1,
        "voicegateway.estimated": False,
    }


def test_failed_speech_says_why_and_is_an_error() -> None:
    record = a_record("tts", outcome="error", error_type="401", status_code=401, voice="ash", is_push_whole=True)
    record.attempt.is_refused = True
    record.end_failed_attempt()

    span, attributes = decoded(record)

    assert (span["name"], span["status"]) == ("voicegateway.tts", {"code": "STATUS_CODE_ERROR"})
    assert attributes["error.type"] == "401"
    assert attributes["http.response.status_code"] == 401
    assert attributes["gen_ai.operation.name"] == "synthesize"
    assert attributes["voicegateway.request.voice"] == "ash"
    assert attributes["voicegateway.outcome"] == "error"
    assert attributes["voicegateway.estimated"] is False


def test_what_is_unknown_is_left_out() -> None:
    _, attributes = decoded(a_record("stt", status_code=-1, attempts=0))

    assert not {"voicegateway.ttfb_ms", "http.response.status_code", "error.type", "gen_ai.response.id"} & set(
        attributes
    )
    assert attributes["voicegateway.attempts"] == 1
    assert "" not in attributes.values()


def test_request_that_was_never_admitted_cost_nothing_and_says_so() -> None:
    record = a_record("llm", attempts=0, outcome=None, admission_wait_ns=1)
    record.refuse_attempt()
    record.refuse_attempt()
    record.outcome = "error"

    _, attributes = decoded(record)

    assert attributes["voicegateway.attempts"] == 0
    assert attributes["voicegateway.admission.refused"] == 2
    assert attributes["voicegateway.admission.wait_ms"] == 1
    assert attributes["error.type"] == "limit_used_up"
    assert attributes["voicegateway.estimated"] is False
    assert not [key for key in attributes if "tokens" in key]


def test_open_request_is_an_estimate_without_an_outcome() -> None:
    _, attributes = decoded(a_record(outcome=None, ended_ns=0))

    assert "voicegateway.outcome" not in attributes
    assert attributes["voicegateway.estimated"] is True


def test_whatever_a_vendor_tells_has_a_span() -> None:
    record = a_record(llm_chunks=[chunk("Hi"), chunk(usage=tokens(50, 1))])
    record.vendor_id("half \ud83d")
    record.vendor_id("x" * 300_000)
    record.tell_count("audio_sent_ms", 10**30)

    _, attributes = decoded(record)

    assert attributes["voicegateway.usage.input_tokens"] == 50
    assert str(attributes["voicegateway.vendor.request_ids"]).startswith("half ? xxx")
    assert len(str(attributes["gen_ai.response.id"])) == TEXT_CHARS_MAX
    assert attributes["voicegateway.told.audio_sent_ms"] == INTEGER_MAX
