"""Listening: `/v1/stt`, one stream of speech to text for as long as its websocket is open."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Mapping
from typing import Any, Final

from livekit import rtc
from livekit.agents import stt

from voicegateway.identity import on_behalf_of
from voicegateway.inference.arguments import plugin_arguments, with_variant
from voicegateway.inference.members import Member
from voicegateway.inference.native import update
from voicegateway.inference_server.caller import Caller
from voicegateway.inference_server.plugins import Plugins
from voicegateway.inference_server.problems import bad_request, session_ended
from voicegateway.inference_server.socket import (
    Socket,
    extra_of,
    fallbacks_of,
    mapping_of,
    options_of,
    sample_rate_of,
    text_of,
)
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.ids import new_request_id

logger = logging.getLogger("voicegateway")

SAMPLE_RATE_DEFAULT: Final = 16_000
FRAMES_WAITING_MAX: Final = 200
"""Ten seconds of audio that a vendor has not taken; more waits in the client's socket."""
LOOK_S: Final = 0.05
NUDGE: Final = "…"
"""What is heard in the place of words when a call is to end: its agent answers it, and says goodbye."""
NUDGE_AFTER_S: Final = 0.5

_TRANSCRIPTS: Final = {
    stt.SpeechEventType.INTERIM_TRANSCRIPT: "interim_transcript",
    stt.SpeechEventType.PREFLIGHT_TRANSCRIPT: "preflight_transcript",
    stt.SpeechEventType.FINAL_TRANSCRIPT: "final_transcript",
}


async def listen(socket: Socket, model: str, caller: Caller, plugins: Plugins) -> None:
    """Serve one connection until its client leaves, its vendor fails, or its call ends.

    Raises:
        Problem, ConfigurationError, APIError: why it ends.
    """
    told = await socket.created()
    settings = mapping_of(told, "settings")
    plugin = plugins.make("stt", _members(told, settings, model), caller.identity)
    try:
        if not plugin.capabilities.streaming:
            raise bad_request(f"{model}: this model does not stream, and turns are detected in the agent")
        session_id = new_request_id()
        rate = sample_rate_of(settings, SAMPLE_RATE_DEFAULT)
        with on_behalf_of(caller.identity):
            stream = plugin.stream(conn_options=options_of(told))
        try:
            await socket.send({"type": "session.created", "session_id": session_id})
            await _until_one_ends(
                _hear(socket, stream, plugin, rate), _tell(socket, stream, session_id), _until_ended(socket, caller)
            )
        finally:
            await stream.aclose()
    finally:
        await plugin.aclose()


def _members(told: Mapping[str, Any], settings: Mapping[str, Any], model: str) -> list[Member]:
    name = text_of(told, "model") or model
    if not name or name == "auto":
        raise bad_request("no model is named: write provider/model, for example 'deepgram/nova-3'")
    rate = sample_rate_of(settings, SAMPLE_RATE_DEFAULT)
    language = text_of(settings, "language")
    members = [_member(name, language, extra_of(settings), rate)]
    for each in fallbacks_of(told):
        members.append(_member(text_of(each, "model"), "", extra_of(each), rate))
    return members


def _member(model: str, language: str, extra: Mapping[str, Any], rate: int) -> Member:
    options = plugin_arguments(model, "stt", sample_rate=rate, extra=extra)
    return Member(model=with_variant(model, language), options=options)


async def _hear(socket: Socket, stream: Any, plugin: Any, rate: int) -> None:
    async for message in socket.messages():
        kind = message.get("type")
        if kind == "input_audio":
            while stream._input_ch.qsize() > FRAMES_WAITING_MAX:  # noqa: ASYNC110 - the channel tells nobody
                await asyncio.sleep(LOOK_S)
            stream.push_frame(frame_of(message, rate))
        elif kind == "session.finalize":
            stream.flush()
        elif kind == "session.update":
            _update(plugin, mapping_of(message, "settings"))
        elif kind == "session.close":
            return
        else:
            raise bad_request(f"a message of type {kind!r} is not known")


def frame_of(message: Mapping[str, Any], rate: int) -> rtc.AudioFrame:
    """Return the audio of a message.

    Raises:
        Problem: it has none.
    """
    try:
        data = base64.b64decode(text_of(message, "audio"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request("`audio` is no base64") from error
    if not data or len(data) % 2:
        raise bad_request("`audio` is not made of 16-bit samples")
    return rtc.AudioFrame(data, rate, 1, len(data) // 2)


def _update(plugin: Any, settings: Mapping[str, Any]) -> None:
    """What a vendor cannot change while it listens is left as it is, as LiveKit's own server does."""
    names = {"language": settings["language"]} if text_of(settings, "language") else {}
    try:
        update(plugin, "stt", names, {name: value for name, value in extra_of(settings).items() if value})
    except (ConfigurationError, AttributeError) as error:
        logger.info("voicegateway: an update of a stream is left out: %s", error)


async def _tell(socket: Socket, stream: Any, session_id: str) -> None:
    async for event in stream:
        if event.type is stt.SpeechEventType.START_OF_SPEECH:
            await socket.send({"type": "start_of_speech", "session_id": session_id})
        elif (kind := _TRANSCRIPTS.get(event.type)) is not None and event.alternatives:
            await socket.send(transcript(kind, event, session_id))


def transcript(kind: str, event: stt.SpeechEvent, session_id: str) -> dict[str, Any]:
    """Return the message of a transcript."""
    said = event.alternatives[0]
    message: dict[str, Any] = {
        "type": kind,
        "session_id": session_id,
        "request_id": event.request_id or session_id,
        "transcript": said.text,
        "language": str(said.language or ""),
        "start": said.start_time,
        "duration": max(0.0, said.end_time - said.start_time),
        "confidence": said.confidence,
        "words": [_word(each) for each in said.words or ()],
    }
    if said.speaker_id is not None:
        message["speaker_id"] = said.speaker_id
    if said.metadata:
        message["extra"] = said.metadata
    return {name: value for name, value in message.items() if value != ""}


def _word(word: Any) -> dict[str, Any]:
    told = {
        "word": str(word),
        "start": _number(word, "start_time"),
        "end": _number(word, "end_time"),
        "confidence": _number(word, "confidence"),
    }
    speaker = getattr(word, "speaker_id", None)
    return {**told, "speaker_id": speaker} if isinstance(speaker, str) else told


def _number(word: Any, name: str) -> float:
    value = getattr(word, name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


async def _until_ended(socket: Socket, caller: Caller) -> None:
    """Bring the agent to say goodbye when its call is told to end, then end with that as the reason."""
    session = caller.session
    if session is None:
        await asyncio.Event().wait()
        return
    await session.is_ending.wait()
    try:
        async with asyncio.timeout(NUDGE_AFTER_S):
            await session.is_told.wait()
    except TimeoutError:
        await socket.send({"type": "final_transcript", "transcript": NUDGE, "words": []})
    await session.until_goodbye_was_heard()
    raise session_ended(caller.sentence)


async def _until_one_ends(*works: Any) -> None:
    """Run all until the first has ended; raises what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
