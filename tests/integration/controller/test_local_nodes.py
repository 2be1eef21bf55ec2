"""Requests of local models in the ledger: by the time of their slots, where the operator says what a node costs."""

from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.traces import a_request, a_span

from voicegateway_controller.catalog import load_catalog
from voicegateway_controller.ledger import Ledger

HEARD = {"audio_pushed_ms": 900_000, "audio_sent_ms": 900_000, "node_busy_ms": 180_000, "requests": 1}
SPOKEN = {"characters_pushed": 500, "characters_sent": 500, "node_busy_ms": 3_600, "requests": 1}


@pytest.mark.parametrize(
    ("nodes", "model", "modality", "usage", "lines"),
    [
        ("whisper=0.70/20", "whisper/base.en", "stt", HEARD, [("node_busy_ms", Decimal("0.00175"), None)]),
        ("kokoro=1/1, piper=2/1", "piper/en_US-x", "tts", SPOKEN, [("node_busy_ms", Decimal("0.002"), None)]),
        ("kokoro=1/1", "whisper/base.en", "stt", HEARD, [("audio_sent_ms", Decimal(0), "unknown_provider")]),
    ],
)
async def test_local_request_is_rated_by_the_time_of_its_slot_or_said_to_be_unrated(
    api: httpx.AsyncClient,
    worker: dict[str, str],
    db: "asyncpg.Connection[Any]",
    engine: AsyncEngine,
    nodes: str,
    model: str,
    modality: str,
    usage: dict[str, int],
    lines: list[tuple[str, Decimal, str | None]],
) -> None:
    provider, _, name = model.partition("/")
    span = a_span(usage=usage, PROVIDER=provider, REQUEST_MODEL=name, MODALITY=modality, RESPONSE_MODEL=name)
    await api.post("/v1/traces", content=a_request(span), headers=worker)
    ledger = Ledger(engine, load_catalog(nodes), runner_name="test", batch_spans=500, concurrency=1)

    assert await ledger.drain(limit_s=10) == 1
    rows = await db.fetch("SELECT meter, amount_usd, unrated_reason FROM ledger_entry ORDER BY meter")
    assert [tuple(row) for row in rows] == lines
