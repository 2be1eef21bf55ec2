"""The most a request may use, before it is sent and while it runs: what a cost bound is asked with.

Where the vendor bills what we hand it (characters, audio) this is a bound. A prompt's tokens are bounded by its bytes;
once a model's true ratio is known by `KNOWN_AFTER` requests, by that with half as much again. An answer's tokens are
bounded by what the model was told, else by the 99th percentile of such answers. Spoken tokens have no bound at all.
What lies beyond is charged all the same when the request ends; docs/concepts/budgets.md adds it up.
"""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, Final

from voicegateway.limits.amounts import CHARACTERS_FIRST, OUTPUT_TOKENS_FIRST, audio_ms, output_tokens_max
from voicegateway.record import RequestRecord, has_content, samples_to_ms
from voicegateway_shared.estimate import most_of_llm, most_of_stt, most_of_tts

STRETCH_MS: Final = 10_000
"""A stream of audio has no end that could be foreseen: so much is held ahead of what was sent."""
MESSAGE_TOKENS: Final = 8
"""Role and separators of one message; no vendor's format takes more."""
TOOL_TOKENS: Final = 256
"""A tool's name, description and parameters, until the model's true ratio is known."""
IMAGE_TOKENS: Final = 3_000
"""No bound: vendors count images by their own rules; likewise."""
OUTPUT_TIMES_FIRST: Final = 4
"""Before anything is known an answer may be this many times as long as a usual one."""
KNOWN_AFTER: Final = 8
"""Requests after which a model's true ratio of tokens to bytes is believed."""
KNOWN_MARGIN: Final = 1.5
"""A prompt may hold half as many tokens per byte again as any that was seen."""
REMEMBERED: Final = 100
"""Requests of each model of which the largest counts: with so many it is their 99th percentile."""
MODELS_MAX: Final = 256
SPACES_PART: Final = 16
"""Plugins add spaces between sentences: one character in so many, and as many at least."""
SPOKEN_TOKENS_PER_CHARACTER: Final = 3
"""Twice what was measured of slow voices: 20 tokens a second, 15 characters a second."""
SPOKEN_TOKENS_MIN: Final = 100
HEARD_TOKENS_PER_S: Final = 25
"""Token-billed transcription: 10 tokens of audio a second, and what is written of it."""
REALTIME_TOKENS_MAX: Final = 1_500
"""Of a response: a minute of speech at 20 tokens a second, and its words. No bound: it shows while it runs."""
REALTIME_TOKENS_BESIDE: Final = 500
"""Instructions and tools, and what is written."""
WRITES_NO_CACHE: Final = {"cache_write_tokens": 0, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0}


@dataclass(slots=True)
class Habit:
    """What requests to one model were like of late, in this process."""

    ratios: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """Tokens of prompts, by what they were bounded with before."""
    outputs: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    characters: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    spoken: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """Tokens of speech by character."""
    writes_cache: bool = False


class Experience:
    """The habits of each model. Any thread; lives as long as its runtime."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._habits: OrderedDict[tuple[str, str], Habit] = OrderedDict()

    def habit(self, record: RequestRecord) -> Habit:
        """Return what is known of a request's model."""
        key = (record.facts.provider, record.model)
        found = self._habits.get(key)
        if found is None:
            with self._lock:
                found = self._habits.setdefault(key, Habit())
                if len(self._habits) > MODELS_MAX:
                    self._habits.popitem(last=False)
        return found

    def learn(self, record: RequestRecord) -> None:
        """Take a request that has ended well."""
        if record.outcome != "ok":
            return
        habit = self.habit(record)
        if record.modality == "llm" and record.llm_usage is not None and record.attempts == 1:
            usage = record.llm_usage
            habit.ratios.append(usage.prompt_tokens / max(1, prompt_bound(record)))
            habit.outputs.append(usage.completion_tokens)
            habit.writes_cache |= bool(usage.cache_creation_tokens)
        elif record.modality == "tts" and record.pushed:
            habit.characters.append(record.pushed)
            if record.tts_tokens[1]:
                habit.spoken.append(record.tts_tokens[1] / record.pushed)


def most_of(record: RequestRecord, habit: Habit, *, output_tokens_p99: int) -> dict[str, int]:
    """Return the most that the running or the next attempt may use; of a stream of audio, all attempts together."""
    if record.modality == "llm":
        return _most_of_llm(record, habit, output_tokens_p99)
    if record.modality == "tts":
        return _most_of_tts(record, habit)
    if record.modality == "realtime":
        return _most_of_realtime(record)
    return _most_of_stt(record)


def prompt_bound(record: RequestRecord) -> int:
    """Bound a prompt's tokens: a token is at least one byte of its text, for every tokenizer in use."""
    total = MESSAGE_TOKENS + TOOL_TOKENS * record.tools
    for item in list(getattr(record.chat_ctx, "items", ())):
        total += MESSAGE_TOKENS
        content = getattr(item, "content", None)
        if isinstance(content, list):
            for part in content:
                total += _bytes(part) if isinstance(part, str) else _bytes_of_part(part)
        else:
            # A tool's call, or what came of it.
            for text in (getattr(item, "name", ""), getattr(item, "arguments", ""), getattr(item, "output", "")):
                total += _bytes(text)
    return total


def _most_of_llm(record: RequestRecord, habit: Habit, output_tokens_p99: int) -> dict[str, int]:
    bound = prompt_bound(record)
    densest = max(habit.ratios, default=0.0)
    if densest > 1.0:
        # The vendor counts what we do not see: it is told to be more than its bytes.
        bound = int(bound * densest * KNOWN_MARGIN) + 1
    elif len(habit.ratios) >= KNOWN_AFTER:
        bound = int(bound * min(1.0, densest * KNOWN_MARGIN)) + 1
    output = output_tokens_max(record.owner)
    if not output:
        measured = max(habit.outputs, default=0) if len(habit.outputs) >= KNOWN_AFTER else 0
        output = max(output_tokens_p99, measured) or OUTPUT_TOKENS_FIRST * OUTPUT_TIMES_FIRST
        # A longer one shows while it runs.
        seen = sum(map(has_content, record.llm_chunks[record.attempt.chunks_before :]))
        while seen * 2 > output:
            output *= 2
    most = most_of_llm(input_tokens=bound, output_tokens_max=output)
    is_cached = bool(getattr(getattr(record.owner, "_opts", None), "caching", None)) or habit.writes_cache
    if is_cached:
        # Whatever is written lives five minutes or an hour, nobody says which.
        return most
    return most | WRITES_NO_CACHE


def _most_of_tts(record: RequestRecord, habit: Habit) -> dict[str, int]:
    characters = record.pushed
    if not record.is_push_whole:
        sent = record.wire.attempt_characters if record.wire is not None else 0
        known = max(habit.characters, default=0) if len(habit.characters) >= KNOWN_AFTER else 2 * CHARACTERS_FIRST
        characters = max(characters, sent, known)
        characters += characters // SPACES_PART + SPACES_PART
    per_character = max(habit.spoken, default=0.0) * KNOWN_MARGIN if len(habit.spoken) >= KNOWN_AFTER else 0.0
    spoken = int(characters * (per_character or SPOKEN_TOKENS_PER_CHARACTER)) + SPOKEN_TOKENS_MIN
    return most_of_tts(characters=characters) | {"input_tokens": characters, "output_tokens": spoken}


def _most_of_realtime(record: RequestRecord) -> dict[str, int]:
    """A response takes what was said before it, and may speak as long as it was told, or for a minute.

    What it takes beside that, instructions and tools, is known from the second response on.
    """
    count = record.realtime
    given: dict[str, int] = {} if count is None or not hasattr(count, "expected_input") else count.expected_input()
    heard = given.get("input_audio_tokens", 0)
    output = output_tokens_max(record.owner) or REALTIME_TOKENS_MAX
    return {
        "input_tokens": given.get("input_tokens", 0) + REALTIME_TOKENS_BESIDE,
        "input_audio_tokens": heard,
        "cache_read_tokens": 0,
        "cache_read_audio_tokens": 0,
        "output_tokens": output,
        "output_audio_tokens": output,
        "session_ms": 0,
        "socket_open_ms": 0,
        "requests": 1,
    }


def _most_of_stt(record: RequestRecord) -> dict[str, int]:
    wire = record.wire
    heard_ms, open_ms = audio_ms(record), 0
    if record.mode == "batch":
        heard_ms = samples_to_ms(record.pushed, record.pushed_rate)
    else:
        heard_ms += STRETCH_MS
        open_ms = STRETCH_MS + (wire.socket_open_ms() if wire is not None else record.duration_ns // 1_000_000)
    add_ons = wire.add_on_ms() if wire is not None else {}
    options = getattr(record.owner, "_opts", None)
    most = most_of_stt(
        audio_ms=heard_ms,
        open_ms=open_ms,
        has_diarization="diarize_ms" in add_ons or _is_on(options, "enable_diarization", "diarize"),
        has_keyterms="keyterm_ms" in add_ons or _is_on(options, "keyterm", "keyterms"),
    )
    tokens = heard_ms * HEARD_TOKENS_PER_S // 1000 + 1
    return most | {"input_tokens": tokens, "output_tokens": tokens}


def _is_on(options: Any, *names: str) -> bool:
    return any(bool(getattr(options, name, None)) for name in names)


def _bytes_of_part(part: Any) -> int:
    transcript = getattr(part, "transcript", None)
    return _bytes(transcript) if isinstance(transcript, str) else IMAGE_TOKENS


def _bytes(text: Any) -> int:
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
