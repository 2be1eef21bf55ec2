"""Language models: one record per `chat()`, usage from the vendor's last chunk."""

from collections.abc import Callable
from typing import Any, Final

from voicegateway import tracing
from voicegateway.instrument import relay, relay_llm, request, second_opinion, vendor_usage
from voicegateway.instrument.relay_llm import LLMRelay
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway.routing.journey import Passage
from voicegateway.runtime import current_runtime

RELAY: Final = LLMRelay()


def methods(cls: Any) -> dict[str, Any]:
    """The methods that a dynamic subclass of an `llm.LLM` overrides."""

    def chat(self: Any, *args: Any, **kwargs: Any) -> Any:
        if request.is_nested(self):
            return cls.chat(self, *args, **kwargs)
        passage = relay.passage_of(self)
        if relay.is_anothers(passage, self):
            return relay_llm.stand_in(passage, args, kwargs)
        return _observed(self, cls.chat, args, kwargs, passage)

    return {"chat": chat, "emit": second_opinion.emit_of(cls)}


def _observed(plugin: Any, chat: Callable[..., Any], args: Any, kwargs: Any, passage: Passage | None) -> Any:
    try:
        facts: PluginFacts = plugin._voicegateway_facts
        runtime = current_runtime()
        record = request.open_record(plugin, facts, chat_ctx=kwargs.get("chat_ctx"))
        relay.begin(record, passage, args, kwargs)
        tracing.start_span(record)
        scope = request.entered(record)
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        current_runtime().hook_failed("llm.chat", error)
        return chat(plugin, *args, **kwargs)
    with scope:
        stream = chat(plugin, *args, **kwargs)
    try:
        if request.is_made_by_another(stream, record):
            return stream
        record.tools = len(getattr(stream, "tools", None) or ())
        _counted_chunks(stream._event_ch, record)
        second_opinion.expect(plugin, record, stream)
        vendor_usage.watch_stream(stream, record)
        request.follow(stream, stream._task, record, runtime, RELAY)
    except Exception as error:  # noqa: BLE001 - metering must not fail a call
        runtime.hook_failed("llm.chat", error)
    return stream


def _counted_chunks(channel: Any, record: RequestRecord) -> None:
    """Hook a stream's event channel. Until the first content each chunk is looked at; after it, only kept.

    What is kept is counted when the request is encoded, off the loop: per chunk that leaves one append.
    """
    send_nowait = channel.send_nowait
    journey = relay.journey_of(record)
    keep = record.llm_chunks.append

    def kept(chunk: Any) -> None:
        keep(chunk)
        send_nowait(chunk)

    def looked_at(chunk: Any) -> None:
        keep(chunk)
        send_nowait(chunk)
        delta = chunk.delta
        if delta is not None and (delta.content or delta.tool_calls):
            record.first_byte(record.started_ns)
            record.vendor_id(chunk.id)
            if journey is not None:
                journey.hear()
            channel.send_nowait = kept

    channel.send_nowait = looked_at
