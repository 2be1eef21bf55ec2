"""Shell: a stream of the front's class that asks nobody itself: what it brings is another member's, as was promised.

A session was promised the front's rate, and that text may be streamed. Where a member whose turn it is keeps neither
promise, its own stream, which is a request of its own with all that belongs to it, is heard through a shell.
"""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from voicegateway.instrument import relay
from voicegateway.instrument.pushed_text import PushedText
from voicegateway.instrument.relay_tts import quiet_end
from voicegateway.instrument.sound import Mouth
from voicegateway.instrument.understudy import Understudy, note_start
from voicegateway.routing.journey import Passage, passing
from voicegateway.routing.route import stands_in

SOUND = ("sample_rate", "num_channels")


def stream_of(plugin: Any, make: Callable[..., Any], passage: Passage, args: Any, kwargs: Any) -> Any:
    """Return what a front's `stream()` returns when it is another member's turn; `make` is the front's own method."""
    member = passage.member
    if stands_in(member, passage.journey.route.front):
        return relay.stand_in(passage, "stream", args, kwargs)
    shell = make(plugin, *args, **kwargs)
    if member.plugin.capabilities.streaming:
        return _filled(shell, member.plugin, passage, is_streamed=True)
    # Sentence by sentence, each of them a journey of its own: through the front, which passes it on.
    return _filled(shell, plugin, None, is_streamed=True)


def chunks_of(plugin: Any, make: Callable[..., Any], passage: Passage, text: str, args: Any, kwargs: Any) -> Any:
    """Likewise of its `synthesize()`."""
    if all(getattr(passage.member.plugin, name) == getattr(plugin, name) for name in SOUND):
        return relay.stand_in(passage, "synthesize", (text, *args), kwargs)
    shell = make(plugin, text, *args, **kwargs)
    return _filled(shell, passage.member.plugin, passage, is_streamed=False)


def _filled(shell: Any, plugin: Any, passage: Passage | None, *, is_streamed: bool) -> Any:
    """Let a shell say what the plugin's own stream brings. Errors and metrics are told by that one."""
    shell._run = functools.partial(_run, shell, plugin, passage, PushedText(shell, is_streamed=is_streamed))
    shell._emit_error = _tell_nobody
    shell._current_attempt_has_error = True
    return shell


async def _run(shell: Any, plugin: Any, passage: Passage | None, pushed: PushedText, emitter: Any) -> None:
    from livekit.agents import APIError

    options = {"conn_options": shell._conn_options}
    with nullcontext() if passage is None else passing(passage):
        other = Understudy(plugin, pushed, 0, options, by_sentence=passage is None)
    mouth = Mouth(emitter, shell._tts, is_streamed=pushed.is_streamed)
    try:
        async for audio in other.stream:
            note_start(shell, other.stream)
            mouth.say(audio)
        if not mouth.is_open and pushed.text.strip():
            # It would have raised, had its vendor brought nothing: it was turned away.
            raise quiet_end()
        mouth.close()
    except APIError as error:
        # The stream within was tried as often as LiveKit wants.
        error.retryable = False
        raise
    finally:
        await other.aclose()


def _tell_nobody(*args: Any, **kwargs: Any) -> None:
    """In the place of `_emit_error`."""
