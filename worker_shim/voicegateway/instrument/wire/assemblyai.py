"""AssemblyAI: audio of `/v3/ws` is binary and its session is billed; one task writes to a voice's pooled socket."""

import json
from typing import Any, Final

from voicegateway.instrument import echoes
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.wire import owners
from voicegateway.instrument.wire.dialect import NOTHING, Dialect, Said
from voicegateway.record import RequestRecord
from voicegateway.runtime import current_runtime

SESSION_SECONDS: Final = "session_seconds"
"""What the vendor says that a session has lasted, in whole seconds: our own clock is finer."""


def _session(record: RequestRecord, message: str) -> None:
    # www.assemblyai.com/docs/api-reference/streaming-api/streaming-api: Begin and Termination frame a session.
    if '"Begin"' in message:
        session_id = str(json.loads(message).get("id") or "")
        record.vendor_id(session_id)
        echoes.note(record, echoes.REQUEST_ID, session_id)
    elif '"Termination"' in message:
        seconds = json.loads(message).get("session_duration_seconds")
        echoes.note(record, SESSION_SECONDS, "" if seconds is None else str(seconds))
        if isinstance(seconds, int):
            record.tell_count("socket_open_ms", seconds * 1000)


def _generate(message: str) -> Said:
    # www.assemblyai.com/docs/tts/message-frames: Generate carries text; Flush, Cancel and Terminate none.
    text = json.loads(message).get("text")
    return Said(characters=len(text)) if isinstance(text, str) else NOTHING


def _own_sends(plugin: Any, stream: Any, record: RequestRecord) -> None:
    """Have each connection that is taken from the pool note whose the text is that it is given; idempotent."""
    pool = plugin._pool
    if getattr(pool, "_voicegateway_owned", False):
        return
    pool._voicegateway_owned = True
    get = pool.get

    async def owned_get(*, timeout: float) -> Any:
        connection = await get(timeout=timeout)
        try:
            _note_owner(connection)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("wire", error)
        return connection

    pool.get = owned_get


def _note_owner(connection: Any) -> None:
    record = CURRENT.get()
    if record is not None:
        session_id = str(connection.session_id or "")
        record.vendor_id(session_id)
        echoes.note(record, echoes.REQUEST_ID, session_id)
    if getattr(connection, "_voicegateway_owned", False):
        return
    connection._voicegateway_owned = True
    send = connection.send

    def owned_send(frame: str) -> None:
        try:
            frame = owners.owned(frame)
        except Exception as error:  # noqa: BLE001 - metering must not fail a call
            current_runtime().hook_failed("wire", error)
        send(frame)

    connection.send = owned_send


STT = Dialect(hear=_session)
TTS = Dialect(read=_generate, follow=_own_sends)
