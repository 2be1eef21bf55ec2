"""What is read from and done to serialized spans."""

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.fixtures.spans import span

from voicegateway.outbox.span_bytes import interrupt, is_estimated, provider_and_model
from voicegateway_shared.telemetry import attributes as names


def _attributes(body: bytes) -> dict[str, object]:
    parsed = Span.FromString(body)
    assert len({item.key for item in parsed.attributes}) == len(parsed.attributes)
    return {item.key: item.value.string_value or item.value.bool_value for item in parsed.attributes}


@pytest.mark.parametrize("estimated", [True, False])
def test_estimated_is_seen_without_parsing(estimated: bool) -> None:
    assert is_estimated(span("a", outcome="ok", estimated=estimated)) is estimated


def test_interrupted_span_replaces_what_the_intent_said_and_keeps_the_rest() -> None:
    ended = interrupt(span("a", estimated=False), error_type="process_died", seen_ns=None)

    assert _attributes(ended) == {
        names.REQUEST_ID: "a",
        names.PROJECT: "default",
        names.MODALITY: "llm",
        names.PROVIDER: "openai",
        names.REQUEST_MODEL: "gpt-4.1-mini",
        names.OUTCOME: "interrupted",
        names.ESTIMATED: True,
        names.ERROR_TYPE: "process_died",
    }
    assert is_estimated(ended)


@pytest.mark.parametrize(
    ("own_end_ns", "seen_ns", "end_ns"), [(0, None, 1_000), (0, 5_000, 5_000), (0, 10, 1_000), (3_000, 5_000, 3_000)]
)
def test_interrupted_span_ends_at_its_last_word(own_end_ns: int, seen_ns: int | None, end_ns: int) -> None:
    intent = Span.FromString(span("a"))
    intent.end_time_unix_nano = own_end_ns

    ended = Span.FromString(interrupt(intent.SerializeToString(), error_type="process_died", seen_ns=seen_ns))

    assert (ended.start_time_unix_nano, ended.end_time_unix_nano) == (1_000, end_ns)


def test_bytes_that_are_no_span_are_refused() -> None:
    with pytest.raises(ValueError, match="not an OTLP span"):
        interrupt(b"\xff\xff\xff", error_type="process_died", seen_ns=None)


def test_losses_are_booked_to_provider_and_model() -> None:
    assert provider_and_model(span("a")) == ("openai", "gpt-4.1-mini")
    assert provider_and_model(b"\xff\xff\xff") == ("", "")
