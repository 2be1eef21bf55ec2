"""Dialects: what a text message hands over that is billed, read from its very words."""

import base64
import json
from typing import Any

import pytest
from tests.fixtures.waiting import eventually
from tests.unit.voicegateway.records import a_record

from voicegateway.instrument.wire import assemblyai, cartesia, deepgram, elevenlabs, owners
from voicegateway.instrument.wire.dialect import NOTHING, Dialect, Said
from voicegateway.instrument.wire.dialects import shared_dialect
from voicegateway.instrument.wire.session import meter_session
from voicegateway.record import RequestRecord
from voicegateway.wire_count import WireCount


def chunk(pcm: bytes, **fields: Any) -> str:
    """What the plugin makes of audio."""
    body = {"message_type": "input_audio_chunk", "audio_base_64": base64.b64encode(pcm).decode(), "commit": False}
    return json.dumps({**body, "sample_rate": 16_000, **fields})


@pytest.mark.parametrize("size", [*range(2, 14, 2), 1_600, 1_601, 5_120])
def test_base64_is_as_long_as_its_audio(size: int) -> None:
    assert elevenlabs.STT.read(chunk(b"\x07" * size)) == Said(audio_bytes=size)


@pytest.mark.parametrize("message", [chunk(b""), chunk(b"", commit=True), '{"message_type": "other"}', "{}"])
def test_message_without_audio_hands_over_nothing(message: str) -> None:
    assert elevenlabs.STT.read(message) == NOTHING


@pytest.mark.parametrize(
    ("dialect", "message", "said"),
    [
        (deepgram.TTS, {"type": "Speak", "text": "Grüße! "}, Said(characters=7)),
        (deepgram.TTS, {"type": "Flush"}, NOTHING),
        (cartesia.TTS, {"transcript": "Hello. ", "context_id": "c"}, Said(characters=7, context="c")),
        (cartesia.TTS, {"context_id": "c", "cancel": True}, Said(context="c")),
        (elevenlabs.TTS, {"text": " ", "context_id": "c", "voice_settings": {}}, Said(characters=1, context="c")),
        (elevenlabs.TTS, {"close_context": True, "context_id": "c"}, Said(context="c", is_end=True)),
        (
            elevenlabs.TTS,
            {"inputs": [{"text": "Two ", "voice_id": "v"}, {"text": "texts "}], "context_id": "c"},
            Said(characters=10, context="c"),
        ),
        (assemblyai.TTS, {"type": "Generate", "text": "日本"}, Said(characters=2)),
        (assemblyai.TTS, {"type": "Cancel"}, NOTHING),
        (assemblyai.STT, {"type": "Terminate"}, NOTHING),
        (deepgram.STT, {"type": "KeepAlive"}, NOTHING),
    ],
)
def test_text_is_counted_as_the_vendor_reads_it(dialect: Dialect, message: dict[str, Any], said: Said) -> None:
    assert dialect.read(json.dumps(message)) == said


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/text-to-speech/v/multi-stream-input", elevenlabs.TTS),
        ("/v1/text-to-dialogue/multi-stream-input", elevenlabs.TTS),
        ("/v1/speech-to-text/realtime", None),
        ("/tts/websocket", None),
        ("", None),
    ],
)
def test_shared_sockets_are_known_by_their_address(path: str, dialect: Dialect | None) -> None:
    assert shared_dialect(path) is dialect


def test_message_that_knows_its_request_is_the_same_message() -> None:
    assert owners.owned("text") == "text"
    assert json.loads(owners.owned("[1]")) == [1]


def test_contexts_are_forgotten_some_time_after_their_requests_have_settled() -> None:
    owners._by_context.clear()
    settled, open_one = a_record("tts"), a_record("tts")
    settled.is_settled = True
    for number in range(owners.SETTLED_KEPT):
        owners.claim(str(number), settled if number < 2 else open_one)
    assert owners.of_context("0") is settled, "its text may still wait to be sent"

    owners.claim("new", open_one)

    assert [owners.of_context(name) for name in ("0", "1", "2")] == [None, settled, open_one]


def test_contexts_that_never_settle_are_bounded() -> None:
    owners._by_context.clear()
    record = a_record("tts")
    for number in range(owners.CONTEXTS_MAX + 3):
        owners.claim(str(number), record)

    assert len(owners._by_context) == owners.CONTEXTS_MAX
    assert owners.of_context("2") is None


def interrupted_in_mid_text() -> tuple[RequestRecord, list[int]]:
    """A request whose stream has ended; and where its characters are told once it settles."""
    record, told = a_record("tts"), []
    record.wire = count = WireCount()
    owners.claim("c", record)
    owners.spoke("c", "socket", is_end=False)
    count.characters(5)
    owners.once_sent(record, lambda: told.append(count.characters_sent))
    return record, told


async def test_text_that_waits_when_its_request_ends_is_counted() -> None:
    record, told = interrupted_in_mid_text()
    assert record.wire is not None
    assert told == []

    record.wire.characters(3)
    owners.spoke("c", "socket", is_end=True)
    owners.spoke("c", "socket", is_end=True)

    assert told == [8]


async def test_a_socket_that_closes_ends_what_waits_for_it() -> None:
    _, told = interrupted_in_mid_text()

    owners.closed("another socket")
    assert told == []
    owners.closed("socket")

    assert told == [5]


async def test_a_context_that_is_never_ended_is_waited_for_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "SENT_WITHIN_S", 0.01)
    _, told = interrupted_in_mid_text()

    await eventually(lambda: told == [5])
    owners.spoke("c", "socket", is_end=True)

    assert told == [5]


def test_nothing_is_waited_for_where_nothing_waits() -> None:
    told: list[str] = []
    unclaimed, silent = a_record("tts"), a_record("tts")
    silent.wire = WireCount()
    owners.claim("silent", silent)
    _, without_a_loop = interrupted_in_mid_text()

    owners.once_sent(unclaimed, lambda: told.append("unclaimed"))
    owners.once_sent(silent, lambda: told.append("silent"))

    assert (told, without_a_loop) == (["unclaimed", "silent"], [5])


class Odd:
    """A plugin whose session cannot be had."""

    @property
    def session(self) -> Any:
        raise ValueError("not yet")


def test_plugin_without_a_session_is_not_metered_and_not_disturbed() -> None:
    assert meter_session(object()) is False
    assert meter_session(Odd()) is False
