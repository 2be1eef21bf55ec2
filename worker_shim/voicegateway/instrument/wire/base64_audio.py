"""Audio that travels as base64 inside JSON: counted by its length, neither parsed nor decoded."""

from functools import lru_cache
from typing import Final

from voicegateway.instrument.wire.dialect import NOTHING, Said

SIZES_MAX: Final = 64
"""Plugins send chunks of one length, and a shorter one at each end."""


def audio_in(message: str, key: str) -> Said:
    """What the base64 under a key hands over; twenty such messages a second come for a whole call.

    Raises:
        ValueError: nothing is quoted after the key.
    """
    found = message.find(key)
    if found < 0:
        return NOTHING
    start = message.index('"', found + len(key)) + 1
    end = message.index('"', start)
    if start == end:
        return NOTHING
    return _said((end - start) * 3 // 4 - message.count("=", end - 2, end))


@lru_cache(SIZES_MAX)
def _said(size: int) -> Said:
    return Said(audio_bytes=size)
