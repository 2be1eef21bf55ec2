"""Audio is passed on at the rate and number of channels that were promised, without a gap or a click."""

import itertools
import math
from array import array
from typing import Any

import pytest
from livekit import rtc

from voicegateway.instrument.sound import Converter, faded

TONE_HZ = 220
PEAK = 8_000


def tone(sample_rate: int, *, frames: int = 50, frame_ms: int = 20, num_channels: int = 1) -> list[rtc.AudioFrame]:
    """A second of a tone, in frames."""
    length = sample_rate * frame_ms // 1000
    step = 2 * math.pi * TONE_HZ / sample_rate
    found = []
    for number in range(frames):
        samples = array("h")
        for index in range(number * length, (number + 1) * length):
            samples.extend([round(PEAK * math.sin(step * index))] * num_channels)
        found.append(rtc.AudioFrame(samples.tobytes(), sample_rate, num_channels, length))
    return found


def samples_of(frames: list[Any]) -> "array[int]":
    samples = array("h")
    for frame in frames:
        samples.frombytes(bytes(frame.data.cast("B")))
    return samples


def largest_step(samples: "array[int]") -> int:
    return max(abs(one - other) for one, other in itertools.pairwise(samples))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled_to_the_last_sample_without_a_click(rate: int) -> None:
    converter = Converter(sample_rate=24_000, num_channels=1)
    frames = [out for frame in tone(rate) for out in converter.push(frame)] + converter.flush()
    samples = samples_of(frames)

    assert {frame.sample_rate for frame in frames} == {24_000}
    assert len(samples) == pytest.approx(24_000, abs=30)
    # A tone's own slope, and a little for the filter.
    assert largest_step(samples[50:-50]) < 1.3 * PEAK * 2 * math.pi * TONE_HZ / 24_000


def test_the_promised_rate_passes_as_it_is() -> None:
    converter = Converter(sample_rate=24_000, num_channels=1)
    [frame] = tone(24_000, frames=1)

    assert converter.push(frame) == [frame]
    assert converter.push(frame)[0] is frame
    assert converter.flush() == []


def test_a_change_of_rates_loses_nothing() -> None:
    converter = Converter(sample_rate=24_000, num_channels=1)
    came = [*tone(16_000), *tone(24_000), *tone(48_000)]
    frames = [out for frame in came for out in converter.push(frame)] + converter.flush()

    assert sum(frame.samples_per_channel for frame in frames) == pytest.approx(72_000, abs=90)


@pytest.mark.parametrize(("came", "promised"), [(2, 1), (1, 2)])
def test_channels_are_mixed(came: int, promised: int) -> None:
    converter = Converter(sample_rate=24_000, num_channels=promised)
    [frame] = tone(24_000, frames=1, num_channels=came)
    [mixed] = converter.push(frame)

    assert (mixed.num_channels, mixed.samples_per_channel) == (promised, frame.samples_per_channel)
    assert samples_of([mixed])[::promised] == samples_of([frame])[::came]


def test_a_voice_that_breaks_off_fades() -> None:
    [frame] = tone(24_000, frames=1, frame_ms=10)
    frame.userdata["words"] = "kept"
    quiet = faded(frame)
    samples = samples_of([quiet])

    assert samples[-1] == 0
    assert abs(samples[-2]) < PEAK / 50
    assert samples[1] == pytest.approx(samples_of([frame])[1], abs=10)
    assert quiet.userdata == {"words": "kept"}
