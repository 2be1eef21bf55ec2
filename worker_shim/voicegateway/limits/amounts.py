"""Amounts: what an attempt will spend of each meter, estimated before it is admitted, and what it really spent.

What a vendor's own limit counts is what was asked of it, so a prompt read from its cache counts, and a request that it
refused counts as a request and as nothing else.
"""

import threading
from collections.abc import Mapping
from typing import Any, Final

from voicegateway import estimate
from voicegateway.record import RequestRecord, has_content, samples_to_ms

OUTPUT_TOKENS_FIRST: Final = 256
"""A spoken reply is a few sentences; what a model really says is soon known better."""
CHARACTERS_FIRST: Final = 200
"""One reply of an agent, spoken; likewise."""
REALTIME_TOKENS_FIRST: Final = 1_000
"""A turn of a conversation by voice, which is sent as a whole each time; likewise."""
AUDIO_MS_FIRST: Final = 10_000
"""A transcription has no end that could be foreseen; what it sends beyond this is told while it goes on."""
SHARE_OF_THE_NEW: Final = 0.2
"""Of an average: one long answer does not make all that follow wait."""
MODELS_MAX: Final = 256
OUTPUT_LIMIT_NAMES: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens", "max_response_output_tokens")
"""What plugins call the most tokens that a model may answer with."""


class Habits:
    """What each model has produced of late in this process: moving averages. Any thread; lives as long as it."""

    def __init__(self) -> None:
        self._averages: dict[tuple[str, str, str], float] = {}
        self._lock = threading.Lock()

    def expected(self, record: RequestRecord, meter: str, first: int) -> int:
        """The average so far, `first` before anything is known."""
        average = self._averages.get((record.facts.provider, record.model, meter))
        return first if average is None else max(1, round(average))

    def learn(self, record: RequestRecord, meter: str, actual: int, first: int) -> None:
        """Take one more into the average."""
        key = (record.facts.provider, record.model, meter)
        with self._lock:
            if len(self._averages) >= MODELS_MAX:
                self._averages.clear()
            average = self._averages.get(key, float(first))
            self._averages[key] = average + SHARE_OF_THE_NEW * (actual - average)


def estimated(record: RequestRecord, habits: Habits) -> dict[str, int]:
    """What the next attempt of a request will probably spend."""
    amounts = {"requests": 1}
    if record.modality == "llm":
        output = output_tokens_max(record.owner) or habits.expected(record, "tokens", OUTPUT_TOKENS_FIRST)
        amounts["tokens"] = estimate.input_tokens(record.chat_ctx) + output
    elif record.modality == "tts":
        amounts["characters"] = record.pushed
        if not record.is_push_whole:
            # The text is still being written.
            amounts["characters"] = max(record.pushed, habits.expected(record, "characters", CHARACTERS_FIRST))
            amounts["sessions"] = 1
    elif record.modality == "realtime":
        amounts["tokens"] = habits.expected(record, "tokens", REALTIME_TOKENS_FIRST)
        amounts["sessions"] = 1
    elif record.mode == "batch":
        amounts["audio_ms"] = samples_to_ms(record.pushed, record.pushed_rate)
    else:
        amounts["audio_ms"] = AUDIO_MS_FIRST
        amounts["sessions"] = 1
    return amounts


def spent_so_far(record: RequestRecord, *, audio_ms_before: int) -> tuple[str, int] | None:
    """The meter that a stream spends while it goes on, and how much of it the running attempt has; None for others."""
    if record.modality == "tts" and not record.is_push_whole:
        return "characters", _characters(record)
    if record.modality == "stt" and record.mode == "streaming":
        return "audio_ms", max(0, audio_ms(record) - audio_ms_before)
    return None


def spent(record: RequestRecord, habits: Habits, *, audio_ms_before: int) -> dict[str, int]:
    """What the attempt that has just ended spent, as far as anybody but the vendor can know."""
    is_refused = record.attempt.is_refused
    actual = {"requests": 1}
    if record.modality == "llm":
        actual["tokens"] = 0 if is_refused else _tokens(record, habits)
    elif record.modality == "tts":
        characters = 0 if is_refused else _characters(record)
        actual["characters"] = characters
        if characters and not record.is_push_whole:
            habits.learn(record, "characters", characters, CHARACTERS_FIRST)
    elif record.modality == "realtime":
        usage = record.usage()
        actual["tokens"] = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        if actual["tokens"]:
            habits.learn(record, "tokens", actual["tokens"], REALTIME_TOKENS_FIRST)
    elif record.mode == "batch":
        actual["audio_ms"] = 0 if is_refused else samples_to_ms(record.pushed, record.pushed_rate)
    else:
        actual["audio_ms"] = max(0, audio_ms(record) - audio_ms_before)
    return actual


def nothing(amounts: Mapping[str, int]) -> dict[str, int]:
    """What an attempt spent that never asked its vendor."""
    return dict.fromkeys(amounts, 0)


def audio_ms(record: RequestRecord) -> int:
    """Audio of a transcription so far: sent where the socket is seen, else pushed."""
    wire = record.wire
    if wire is not None and wire.is_used:
        return wire.audio_sent_ms()
    return samples_to_ms(record.pushed, record.pushed_rate) if record.attempts else 0


def output_tokens_max(plugin: Any) -> int:
    """The most tokens that a model was told to answer with; 0 when it was not told."""
    options = getattr(plugin, "_opts", None)
    for name in OUTPUT_LIMIT_NAMES:
        value = getattr(options, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return 0


def _tokens(record: RequestRecord, habits: Habits) -> int:
    chunks = record.llm_chunks[record.attempt.chunks_before :]
    usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage is not None), None)
    if usage is not None:
        habits.learn(record, "tokens", usage.completion_tokens, OUTPUT_TOKENS_FIRST)
        return int(usage.prompt_tokens + usage.completion_tokens)
    # It ended early or told nothing: the prompt was taken, and each chunk is about a token.
    return estimate.input_tokens(record.chat_ctx) + sum(map(has_content, chunks))


def _characters(record: RequestRecord) -> int:
    wire = record.wire
    return wire.attempt_characters if wire is not None and wire.is_used else record.pushed
