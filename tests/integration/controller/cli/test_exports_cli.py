"""`voicegw export`, `markups` and `margins` against a real controller: files, cursors, refusals."""

import json
from pathlib import Path
from typing import Any

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.exporting import Booked, book_entries
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token

AUDIO = Booked(meter="audio_sent_ms", quantity=60_000, billed=60_000, pico=4_800_000_000)


@pytest_asyncio.fixture
async def token(engine: AsyncEngine) -> str:
    return await create_token(engine, role=Role.OPERATOR, name="test")


async def test_files_are_written_whole_and_hold(url: str, token: str, db: Any, tmp_path: Path) -> None:
    await book_entries(db, [AUDIO])
    voicegw = Voicegw("export", url, token, tmp_path)
    target = tmp_path / "october.csv.gz"

    written = await voicegw("focus", "--month", "2026-10", "--format", "csv.gz", "--out", str(target))
    held = await voicegw("validate", str(target), "--json")
    page = await voicegw("statement", "--project", "acme", "--month", "2026-10")
    refused = await voicegw("focus", "--month", "soon", "--out", str(tmp_path / "none.csv"))
    bad = tmp_path / "bad.csv"
    bad.write_text("BilledCost\r\nfree\r\n")
    broken = await voicegw("validate", str(bad))

    assert (written.code, written.err) == (0, "")
    assert json.loads(held.out) == {"version": "1.2", "rows": 1, "is_valid": True, "breaches": []}
    assert page.out.startswith("<!doctype html>")
    assert (refused.code, "such as 2026-10" in refused.err) == (2, True)
    assert broken.code == 1
    assert "BilledCost: must be a plain number, such as -0.0048: 1 rows, such as 1" in broken.out
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["bad.csv", "october.csv.gz"]


async def test_events_go_on_where_they_ended(url: str, token: str, db: Any, tmp_path: Path) -> None:
    voicegw = Voicegw("export", url, token, tmp_path)
    out, cursor, customers = tmp_path / "events.jsonl", tmp_path / "cursor", tmp_path / "customers.yaml"
    customers.write_text("customers: {acme: cus_1, _shared: null}\n")
    stripe = (
        "events",
        "--format",
        "stripe",
        "--customers",
        str(customers),
        "--out",
        str(out),
        "--cursor-file",
        str(cursor),
    )
    await book_entries(db, [AUDIO, Booked(meter="subscription", quantity=1, billed=0, pico=0, project="_shared")])

    first = await voicegw(*stripe)
    again = await voicegw(*stripe)
    await book_entries(db, [Booked(meter="characters_sent", quantity=7, billed=7, pico=7)])
    more = await voicegw(*stripe)
    lines = out.read_text().splitlines()
    await book_entries(db, [Booked(meter="characters_sent", quantity=7, billed=7, pico=7, project="beta")])
    unnamed = await voicegw(*stripe)
    meter = await voicegw("events", "--format", "openmeter", "--project", "beta")
    unclear = await voicegw("events", "--format", "stripe")

    assert [done.code for done in (first, again, more, unnamed, meter, unclear)] == [0, 0, 0, 2, 0, 2]
    assert [json.loads(line)["payload"] for line in lines] == [
        {"stripe_customer_id": "cus_1", "value": "60000"}, {"stripe_customer_id": "cus_1", "value": "7"},
    ]  # fmt: skip
    assert "'beta' has usage but no customer" in unnamed.err
    assert out.read_text().splitlines() == lines
    assert json.loads(meter.out)["data"]["quantity"] == "7"
    assert "--customers goes with --format stripe" in unclear.err


async def test_markups_are_applied_shown_and_leave_a_margin(url: str, token: str, db: Any, tmp_path: Path) -> None:
    await book_entries(db, [AUDIO])
    markups, margins = Voicegw("markups", url, token, tmp_path), Voicegw("margins", url, token, tmp_path)
    file = tmp_path / "markups.yaml"
    file.write_text('markups:\n- {project: acme, percent: "25", from: "2026-10-01"}\n')

    dry = await markups("apply", str(file), "--dry-run")
    applied = await markups("apply", str(file))
    shown = await markups("show")
    file.write_text(shown.out)
    again = await markups("apply", str(file))
    table = await margins("--month", "2026-10", "--thin", "30")
    document = await margins("--month", "2026-10", "--json")

    assert [done.code for done in (dry, applied, shown, again, table, document)] == [0] * 6
    assert "1 markups. Nothing was declared." in dry.out
    assert (applied.out, again.out) == (
        "revision 1 is in force: 1 markups.\n", "revision 1 is in force already: nothing has changed.\n",
    )  # fmt: skip
    assert "thin" in table.out
    assert json.loads(document.out)["total"] == {
        "project": "", "provider": "", "model": "", "cost_usd": "0.0048", "price_usd": "0.006",
        "margin_usd": "0.0012", "margin_percent": "20.0", "is_thin": False,
    }  # fmt: skip
