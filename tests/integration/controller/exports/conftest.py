"""Books with everything that exports must carry: usage, corrections of an open and of a closed month, credits, tax."""

from datetime import UTC, datetime
from typing import Any

import pytest_asyncio
from tests.fixtures.exporting import Booked, book_entries, close_month

from voicegateway_shared.pricing import Catalog, RatingRequest, rate

SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)
LATE = datetime(2026, 9, 20, 8, 0, tzinfo=UTC)
TIMES = [
    datetime(2026, 10, 5, 12, 30, 15, 250_000, tzinfo=UTC),
    datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


def rated(provider: str, model: str, modality: str, usage: dict[str, int], **changes: Any) -> list[Booked]:
    """Return what rating makes of a request, ready to be booked."""
    at = changes.pop("at", TIMES[0])
    context = changes.pop("context", {"mode": "streaming"})
    found = rate(
        RatingRequest(provider=provider, model=model, modality=modality, at=at, usage=usage, context=context),
        Catalog.builtin(),
    )
    return [
        Booked(
            meter=line.meter, quantity=line.quantity, billed=line.billed_quantity, pico=line.amount_pico_usd,
            list_pico=line.list_amount_pico_usd, price_id=line.price_id or "", reason=line.unrated_reason or "",
            provider=provider, model=model, modality=modality, at=at, **changes,
        )
        for line in found.lines
    ]  # fmt: skip


@pytest_asyncio.fixture
async def books(db: Any) -> None:
    """September is closed; October is open and took two corrections of September."""
    first = "019a0000-0000-7000-8000-000000000001"
    usage = [
        *rated("deepgram", "nova-3", "stt", {"audio_sent_ms": 12_340}, request_id=first, session_id="AJ_1"),
        *rated("deepgram", "nova-3", "stt", {"audio_sent_ms": 61_001}, at=TIMES[1], estimated=True),
        *rated("groq", "whisper-large-v3-turbo", "stt", {"audio_sent_ms": 3_200, "requests": 1}, context={}),
        *rated("cartesia", "sonic-3", "tts", {"characters_sent": 1_001}, context={"plan": "scale"}),
        *rated("openai", "gpt-4.1-mini", "llm", {"input_tokens": 900, "cache_read_tokens": 800, "output_tokens": 6}),
        *rated("openai", "gpt-99", "llm", {"input_tokens": 7}, project="beta", agent="=cmd|'/c calc'!A1"),
        Booked(meter="node_busy_ms", quantity=180_000, billed=180_000, pico=1_750_000_000, provider="whisper",
               model="large-v3"),
    ]  # fmt: skip
    await book_entries(db, usage)
    await book_entries(db, [Booked(meter="audio_sent_ms", quantity=60_000, billed=60_000, pico=4_800_000_000, at=LATE)])
    await close_month(db, SEPTEMBER)
    correction = Booked(meter="audio_sent_ms", quantity=0, billed=0, pico=-123_456_789_012, request_id=first)
    await book_entries(db, [correction], kind="rerate", revision=1, why="rerate", reason="a price was wrong")
    late = Booked(meter="audio_sent_ms", quantity=0, billed=0, pico=800_000_000_001, at=LATE)
    await book_entries(db, [late], kind="rerate", revision=1, why="rerate", reason="September's price was wrong")
    credit = Booked(meter="allowance", quantity=0, billed=0, pico=-1_000_000_000_003, modality="", model="", agent="")
    await book_entries(db, [credit], kind="credit", why="allowance", reason="free minutes")
    shared: dict[str, Any] = {
        "project": "_shared",
        "agent": "",
        "model": "",
        "modality": "",
        "provider": "cartesia",
        "key_id": "",
    }
    for kind, meter, pico in (("purchase", "subscription", 299 * 10**12), ("tax", "tax", 19 * 10**12 + 7),
                              ("adjustment", "rounding", -1)):  # fmt: skip
        entry = Booked(meter=meter, quantity=0, billed=0, pico=pico, **shared)
        await book_entries(db, [entry], kind=kind, why="subscription", reason=f"{kind} of October")
