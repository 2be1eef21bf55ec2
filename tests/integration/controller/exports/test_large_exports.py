"""A hundred thousand entries: exact to the last one, in pieces, and in little memory."""

import resource
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import ClientDisconnect

from voicegateway_controller.access import Access, Role
from voicegateway_controller.declared import SetCopy
from voicegateway_controller.errors import Overloaded
from voicegateway_controller.exports import Exports, Markups, service
from voicegateway_controller.exports.focus.row import Account
from voicegateway_controller.exports.streaming import MadeAnswer
from voicegateway_shared.pricing import Catalog

ENTRIES = 100_000
GENERATE = """
INSERT INTO ledger_entry (
    day, request_id, meter, kind, revision, project, session_id, agent, provider, model, modality, quantity,
    billed_quantity, amount_usd, list_amount_usd, price_id, estimated, charged_at, recorded_at, key_id, response_id,
    incarnation
)
SELECT at::date, gen_random_uuid(), 'audio_sent_ms', 'usage', 0, 'p' || n % 7, 's' || n % 1000, 'a' || n % 3,
       'deepgram', 'nova-3', 'stt', n, n, n * 0.000000000001, n * 0.000000000001, NULL, false, at, now(), 'k', '', 'h'
FROM generate_series(1, $1::integer) AS n,
     LATERAL (SELECT '2026-10-01T00:00:00Z'::timestamptz + n * interval '26 s' AS at) AS instant
"""
EVERYTHING = Access(token_id="t", role=Role.VIEWER, projects=None, expires_at=None)


@pytest.fixture
def exports(engine: AsyncEngine) -> Exports:
    markups = Markups(engine, SetCopy(Any, "markups"))  # type: ignore[arg-type]  # its markups are not asked for
    return Exports(engine, markups, account=Account(id="a", name="A"), find_price=lambda: Catalog.builtin().price)


async def test_a_large_month_leaves_in_pieces_and_adds_up(exports: Exports, db: Any) -> None:
    await db.execute(GENERATE, ENTRIES)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pieces = await exports.focus(EVERYTHING, month=date(2026, 10, 1), project=None, grain="entry", form="csv")
    size, largest, rows, total, rest = 0, 0, 0, Decimal(0), b""
    async for piece in pieces:
        size, largest = size + len(piece), max(largest, len(piece))
        *lines, rest = (rest + piece).split(b"\r\n")
        rows += len(lines)
        total += sum((Decimal(line.split(b",", 1)[0].decode()) for line in lines if line[:1].isdigit()), Decimal(0))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib

    assert rows == ENTRIES + 1
    assert total == Decimal(ENTRIES * (ENTRIES + 1) // 2).scaleb(-12)
    assert size > 40 * 2**20
    assert largest < 2**20
    assert grown_kib < 32 * 1024


async def test_more_exports_than_places_are_sent_away_until_one_ends(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin() -> Any:
        return await exports.focus(EVERYTHING, month=date(2026, 10, 1), project=None, grain="day", form="csv")

    monkeypatch.setattr(service, "FIRST_CHUNK_BYTES", 1)
    under_way = [await begin() for _ in range(service.AT_ONCE)]
    with pytest.raises(Overloaded):
        await begin()
    for pieces in under_way:
        assert b"".join([piece async for piece in pieces]).startswith(b"BilledCost,")
    assert b"".join([piece async for piece in await begin()]).startswith(b"BilledCost,")


async def test_a_reader_that_goes_away_frees_its_place(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FIRST_CHUNK_BYTES", 1)
    for _ in range(service.AT_ONCE + 1):
        pieces = await exports.focus(EVERYTHING, month=date(2026, 10, 1), project=None, grain="day", form="csv")
        answer = MadeAnswer(pieces, media_type="text/csv", headers={})

        async def gone() -> Any:
            return {"type": "http.disconnect"}

        async def broken(message: Any) -> None:
            raise OSError("the reader has gone")

        with suppress(OSError, ExceptionGroup, ClientDisconnect):
            await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, gone, broken)
