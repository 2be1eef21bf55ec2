"""Second opinion: what the plugin's own `metrics_collected` events say, kept beside our count, never rated."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from voicegateway.instrument.current import CURRENT
from voicegateway.record import RequestRecord
from voicegateway.routing.journey import PASSAGE, is_relayed
from voicegateway.runtime import current_runtime

_open: WeakKeyDictionary[Any, list[tuple[Any, RequestRecord]]] = WeakKeyDictionary()

# Attribute of a LiveKit metrics event → our meter and the factor to its base unit.
_FIELDS: Final[Mapping[str, tuple[tuple[str, str, int], ...]]] = {
    "llm": (
        ("prompt_tokens", "input_tokens", 1),
        ("completion_tokens", "output_tokens", 1),
        ("prompt_cached_tokens", "cache_read_tokens", 1),
    ),
    "stt": (("audio_duration", "audio_sent_ms", 1000),),
    "tts": (("characters_count", "characters_sent", 1), ("audio_duration", "audio_received_ms", 1000)),
}


def expect(plugin: Any, record: RequestRecord, stream: Any) -> None:
    """Expect metrics events of this stream until its request is settled."""
    pending = _open.setdefault(plugin, [])
    pending[:] = [pair for pair in pending if pair[1].outcome is None]
    pending.append((stream, record))


def emit_of(cls: Any) -> Callable[..., None]:
    """Override of `EventEmitter.emit` for instrumented instances of a class."""

    def emit(self: Any, event: str, *args: Any) -> None:
        if event == "error" and is_relayed():
            # The one in whose place it serves tells, if nobody mends it.
            return
        if event == "metrics_collected" and args:
            try:
                record = _attach(self, args[0]) or _of_recording(self)
            except Exception as error:  # noqa: BLE001 - metering must not fail a call
                current_runtime().hook_failed("metrics", error)
                record = None
            if record is not None and record.passed_on:
                # Told by the other member's own plugin.
                return
        with unrelated():
            cls.emit(self, event, *args)

    return emit


@contextmanager
def unrelated() -> Iterator[None]:
    """Context of listeners and of the tasks that they start: what they ask for is no part of the request told of."""
    record, passage = CURRENT.set(None), PASSAGE.set(None)
    try:
        yield
    finally:
        PASSAGE.reset(passage)
        CURRENT.reset(record)


def _of_recording(plugin: Any) -> RequestRecord | None:
    """The request whose task emits, for a recording: it has no stream."""
    record = CURRENT.get()
    return record if record is not None and record.owner is plugin and record.mode == "batch" else None


def _attach(plugin: Any, metrics: Any) -> RequestRecord | None:
    """One plugin instance serves many streams at once; each has a metrics task of its own."""
    task = asyncio.current_task()
    for stream, record in _open.get(plugin, ()):
        if stream._metrics_task is task:
            # What comes after another member took over is that one's.
            for name, meter, factor in () if record.passed_on else _FIELDS[record.modality]:
                value = getattr(metrics, name, None)
                if value:
                    record.reported[meter] = record.reported.get(meter, 0) + round(value * factor)
            return record
    return None
