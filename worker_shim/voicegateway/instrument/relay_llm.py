"""Relay of language models: never after the first word, for it cannot be taken back."""

import asyncio
from typing import Any

from voicegateway.instrument import relay
from voicegateway.instrument.relay import TakeFloor
from voicegateway.record import RequestRecord, has_content
from voicegateway.routing.journey import Passage, passing
from voicegateway.runtime import current_runtime


class LLMRelay:
    """One for all language models; holds nothing."""

    def is_open(self, record: RequestRecord) -> bool:
        """Until the first word or tool call was sent on."""
        return not record.passage.journey.is_heard

    async def serve(self, record: RequestRecord, passage: Passage, take_floor: TakeFloor) -> None:
        """Ask a member with the same conversation, and send on what it says."""
        inner = _ask(record, passage)
        channel = record.stream._event_ch
        # Our own hook, which counts what the record's own vendor sends, is on the instance.
        send = type(channel).send_nowait
        has_floor = False
        before: list[Any] = []
        try:
            async with asyncio.timeout(None if passage.is_last else passage.journey.silence_s) as silence:
                async for chunk in inner:
                    if has_floor:
                        send(channel, chunk)
                        continue
                    before.append(chunk)
                    if not has_content(chunk):
                        continue
                    if not take_floor():
                        return
                    has_floor = True
                    silence.reschedule(None)
                    for held in before:
                        send(channel, held)
            if not has_floor and take_floor():
                # An answer without a word.
                for held in before:
                    send(channel, held)
        except TimeoutError as error:
            raise relay.silent(inner, passage, current_runtime()) from error
        finally:
            await inner.aclose()

    def mute(self, record: RequestRecord) -> None:
        """Keep for the bill what the vendor still sends, and send nothing on."""
        record.stream._event_ch.send_nowait = record.llm_chunks.append

    def times_silence(self, record: RequestRecord) -> bool:
        """Always."""
        return True

    def watch(self, record: RequestRecord) -> None:
        """A language model is asked at once."""
        record.passage.journey.ask()


def stand_in(passage: Passage, args: Any, kwargs: Any) -> Any:
    """Have the member whose turn it is make the stream that the session will hold."""
    passage.journey.begins(args, kwargs)
    return relay.stand_in(passage, "chat", args, _in_words_of(passage, kwargs))


def _ask(record: RequestRecord, passage: Passage) -> Any:
    args, kwargs = passage.journey.call
    asked = {**_in_words_of(passage, kwargs), "conn_options": relay.once(record.stream._conn_options)}
    with passing(passage):
        return passage.member.plugin.chat(*args, **asked)


def _in_words_of(passage: Passage, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is the front's vendor's own, where another one is asked."""
    if passage.member.facts.provider == passage.journey.route.front.facts.provider:
        return kwargs
    return {name: value for name, value in kwargs.items() if name != "extra_kwargs"}
