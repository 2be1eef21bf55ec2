"""Utterances in PCM: when they begin, what is said of them, when they end."""

from collections.abc import Iterable
from itertools import cycle, islice

import pytest

from voicegateway.testing.vendors.utterances import Heard, UtteranceDetector

RATE = 8000


def detector(*, endpointing_ms: int = 250) -> UtteranceDetector:
    return UtteranceDetector(
        sample_rate=RATE,
        channels=1,
        script=("one two three", "four"),
        first=0,
        endpointing_ms=endpointing_ms,
        interim_every_ms=100,
    )


def pcm(value: int, *, ms: int) -> bytes:
    return value.to_bytes(2, "little", signed=True) * (RATE * ms // 1000)


def said(heard: Iterable[Heard]) -> list[tuple[str, str]]:
    return [(one.kind, one.text) for one in heard if one.kind != "silence"]


def test_utterance_ends_after_enough_silence_in_the_audio() -> None:
    ears = detector()
    heard = ears.push(pcm(0, ms=200) + pcm(5000, ms=300) + pcm(0, ms=250))

    assert said(heard) == [
        ("started", ""),
        ("interim", "one"),
        ("interim", "one two"),
        ("interim", "one two three"),
        ("interim", "one two three"),
        ("interim", "one two three"),
        ("final", "one two three"),
    ]
    assert (heard[-1].start_ms, heard[-1].end_ms) == (200, 500)


def test_short_pause_does_not_end_an_utterance() -> None:
    ears = detector()
    heard = ears.push(pcm(5000, ms=200) + pcm(0, ms=200) + pcm(-5000, ms=200))

    assert "final" not in [one.kind for one in heard]


@pytest.mark.parametrize("piece", [1, 7, 160, 801, 10_000])
def test_cutting_the_audio_differently_changes_nothing(piece: int) -> None:
    audio = pcm(0, ms=100) + pcm(5000, ms=400) + pcm(0, ms=400) + pcm(5000, ms=100) + pcm(0, ms=300)
    ears = detector()
    heard = [one for at in range(0, len(audio), piece) for one in ears.push(audio[at : at + piece])]

    assert heard == detector().push(audio)


def test_script_is_followed_over_and_over() -> None:
    ears = detector()
    heard = [one for _ in range(5) for one in ears.push(pcm(5000, ms=100) + pcm(0, ms=300))]

    finals = [one.text for one in heard if one.kind == "final"]
    assert finals == list(islice(cycle(("one two three", "four")), 5))


def test_flush_ends_a_running_utterance_only() -> None:
    ears = detector()
    before = ears.flush()
    ears.push(pcm(5000, ms=100))

    assert before == []
    assert said(ears.flush()) == [("final", "one two three")]
    assert ears.flush() == []


def test_noise_below_the_threshold_is_silence() -> None:
    assert said(detector().push(pcm(300, ms=1000))) == []
