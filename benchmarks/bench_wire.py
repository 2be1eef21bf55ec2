"""What counting costs where plugins hand messages to their sockets: metered against bare, same process, interleaved.

    python -m benchmarks.bench_wire [--rounds 15]

Prints microseconds per message: audio in binary, audio as base64 in JSON, and text of a voice. The socket beneath does
nothing, so that only the meter is measured.
"""

import argparse
import asyncio
import base64
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from voicegateway.identity import current_identity
from voicegateway.instrument.current import CURRENT
from voicegateway.instrument.wire.socket import metered_class
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway.wire_count import WireCount
from voicegateway_shared.usage import Modality

MESSAGES = 20_000
PCM = bytes(1_600)
"""50 ms at 16 kHz, as plugins send it."""
BASE64 = json.dumps(
    {
        "message_type": "input_audio_chunk",
        "audio_base_64": base64.b64encode(PCM).decode(),
        "commit": False,
        "sample_rate": 16_000,
    }
)
TEXT = json.dumps({"type": "Speak", "text": "word "})


class Socket:
    """Takes everything and does nothing."""

    async def send_bytes(self, data: bytes, compress: int | None = None) -> None:
        """Take audio."""

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Take text."""


def record(provider: str, modality: Modality) -> RequestRecord:
    """A request whose sockets are counted."""
    facts = PluginFacts(provider=provider, modality=modality, project=None, key_id="")
    made = RequestRecord(facts=facts, identity=current_identity(), project="", model="m")
    made.wire = WireCount(sample_rate=16_000)
    return made


async def spent(send: Callable[[Any], Awaitable[None]], message: Any) -> float:
    """Seconds of the loop's thread for all messages."""
    started = time.thread_time()
    for _ in range(MESSAGES):
        await send(message)
    return time.thread_time() - started


async def main(rounds: int) -> None:
    """Print a line for each kind of message."""
    bare, metered = Socket(), metered_class(Socket)()
    kinds: tuple[tuple[str, str, Modality, str, Any], ...] = (
        ("audio, binary", "deepgram", "stt", "send_bytes", PCM),
        ("audio, base64 in JSON", "elevenlabs", "stt", "send_str", BASE64),
        ("text of a voice", "deepgram", "tts", "send_str", TEXT),
    )
    for title, provider, modality, name, message in kinds:
        CURRENT.set(record(provider, modality))
        pairs = [
            (await spent(getattr(bare, name), message), await spent(getattr(metered, name), message))
            for _ in range(rounds)
        ]
        without, with_meter = (statistics.median(side) / MESSAGES * 1e6 for side in zip(*pairs, strict=True))
        print(f"{title}: bare {without:.2f}, metered {with_meter:.2f}, overhead {with_meter - without:.2f} µs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    asyncio.run(main(parser.parse_args().rounds))
