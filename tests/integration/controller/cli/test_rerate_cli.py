"""`voicegw ledger rerate` against a real controller: look first, then book, and say what was left."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.rerating import CHEAP, DEAR, a_rerater, accept_total, book_calls
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.ledger.rerating import Reratings
from voicegateway_controller.reconcile.accepting import Accepting


@pytest_asyncio.fixture
async def voicegw(url: str, engine: AsyncEngine, worker: dict[str, str], tmp_path: Path) -> AsyncIterator[Voicegw]:
    """The command, five requests in the books, and somebody who works on runs by other prices."""
    async with httpx.AsyncClient(base_url=url) as client:
        await book_calls(client, worker, engine, CHEAP)

    async def work() -> None:
        while True:
            await a_rerater(engine, DEAR).step()
            await asyncio.sleep(0.1)

    working = asyncio.create_task(work())
    yield Voicegw("ledger", url, await create_token(engine, role=Role.OPERATOR, name="test"), tmp_path)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_look_then_book_then_nothing_is_left_to_do(voicegw: Voicegw, engine: AsyncEngine) -> None:
    looked = await voicegw("rerate", "--dry-run", "--provider", "acme", "--json")
    unasked = await voicegw("rerate", "--reason", "a correction")
    reasonless = await voicegw("rerate")
    booked = await voicegw("rerate", "--reason", "a correction", "--yes", "--since", "24h", "--by-day")
    again = await voicegw("rerate", "--reason", "a correction", "--yes")
    listed = await voicegw("rerate", "--list")

    assert json.loads(looked.out)["rerating"]["difference_usd"] == "0.012"
    assert (unasked.code, reasonless.code) == (2, 2)
    assert "5 requests would change, and nobody is there to be asked" in unasked.err
    assert "--reason: say why" in reasonless.err
    assert "5 of 5 requests changed" in booked.out
    assert "acme/m" in booked.out
    assert "+0.012" in booked.out
    assert "0 of 5 requests changed." in again.out
    assert "a correction" in listed.out
    assert [run.is_dry_run for run in await Reratings(engine).newest()] == [False, False, True, True]


async def test_books_leave_an_accepted_invoice_only_when_that_is_said(voicegw: Voicegw, engine: AsyncEngine) -> None:
    await accept_total(engine, "0.03")
    month = datetime.now(UTC).strftime("%Y-%m")

    looked = await voicegw("rerate", "--dry-run", "--provider", "acme", "--json")
    seen = await voicegw("rerate", "--dry-run", "--provider", "acme")
    refused = await voicegw("rerate", "--reason", "a correction", "--yes")
    elsewhere = await voicegw("rerate", "--reason", "a correction", "--yes", "--provider", "other")
    booked = await voicegw("rerate", "--reason", "a correction", "--yes", "--accepted")
    await Accepting(engine).reverse(1, actor="test", reason="the draft")
    since = await voicegw("rerate", "--reason", "a correction", "--yes")

    assert json.loads(looked.out)["accepted"] == [
        {"provider": "acme", "month": month, "reconciliation": 1, "difference_usd": "0.012"}
    ]
    assert f"acme {month}: its invoice was accepted (reconciliation 1), and the books would be +0.012 USD" in seen.out
    assert refused.code != 0
    assert f"the invoice of acme {month} was accepted" in refused.err
    assert "--accepted" in refused.err
    assert elsewhere.code == 0
    assert f"acme {month}: its invoice was accepted (reconciliation 1), and the books are +0.012 USD" in booked.out
    assert "0 of 5 requests changed." in since.out
