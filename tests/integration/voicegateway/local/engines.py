"""What the tests of local models share: the real engines on tiny models, and audio to give them."""

import array
import math
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectOptions

ONCE = APIConnectOptions(max_retry=0)
SENTENCES = "Good morning to you, my dear friend. How are you on this fine day? I am very well, thank you."


def tone(duration_s: float, *, sample_rate: int = 16_000, channels: int = 1) -> rtc.AudioFrame:
    """A tone of 220 Hz, the same in each channel."""
    count = round(duration_s * sample_rate)
    samples = [round(8_000 * math.sin(2 * math.pi * 220 * i / sample_rate)) for i in range(count)]
    data = array.array("h", [sample for sample in samples for _ in range(channels)]).tobytes()
    return rtc.AudioFrame(data=data, sample_rate=sample_rate, num_channels=channels, samples_per_channel=count)


def silence(duration_s: float) -> rtc.AudioFrame:
    """Nothing, of which there is much at once."""
    count = round(duration_s * 16_000)
    return rtc.AudioFrame(data=bytes(2 * count), sample_rate=16_000, num_channels=1, samples_per_channel=count)


def slots_of(plugin: Any) -> Any:
    """The slots of a plugin's loaded model."""
    return plugin._local.load().slots


async def spoken(stream: Any) -> float:
    """Hear a stream to its end; returns how long it was, the marker of its end left out."""
    async with stream:
        heard: list[float] = [event.frame.duration async for event in stream]
        return sum(heard)
