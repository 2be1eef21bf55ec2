"""Lists in pages: nothing comes twice, nothing is left out, though rows are equal in time; no cursor is made up."""

from datetime import datetime
from typing import Any

import httpx
import pytest

from voicegateway_controller.http.pages import Keyset

ROWS = 5
SESSIONS = """
INSERT INTO rollup_session
SELECT 'AJ_' || n / 2, 'p' || n % 2, 'a', 'r', timestamptz '2026-11-21' + n / 3 * interval '1 second', now(),
       1, 0, 0, 0, 1
FROM generate_series(1, $1::int) AS n
"""
CORRECTIONS = """
INSERT INTO ledger_correction (id, kind, reason, actor, created_at)
SELECT gen_random_uuid(), 'manual', 'row ' || n, 'test', timestamptz '2026-11-21' + n / 3 * interval '1 second'
FROM generate_series(1, $1::int) AS n
"""
DISCREPANCIES = """
INSERT INTO usage_discrepancy (day, request_id, meter, source, finding, ours, theirs, project, session_id, provider,
                               model, modality, charged_at)
SELECT current_date, ('00000000-0000-0000-0000-00000000000' || n / 2)::uuid, 'm' || n, 'vendor', 'vendor_over_count',
       1, 2, 'acme', 's', 'openai', 'm', 'llm', now()
FROM generate_series(1, $1::int) AS n
"""
RECONCILIATIONS = """
WITH run AS (
    INSERT INTO reconciliation_run (provider, month, source, is_nightly, actor, state)
    SELECT 'openai', '2026-10-01', 'api', true, 't', 'done' FROM generate_series(1, $1::int) RETURNING number, month
)
INSERT INTO reconciliation (number, provider, month, vendor_usd, ours_usd, drift_usd, unexplained_usd, parts,
    threshold, is_within, is_derived, settled_until, catalog_version, notes, cells, inputs)
SELECT number, 'openai', month, 0, 0, 0, 0, '[]', '1%', true, false, month, '', '[]', 0, '' FROM run
"""
MADE = {
    "sessions": (SESSIONS, "rows", 500),
    "ledger/corrections": (CORRECTIONS, "corrections", 500),
    "validation/requests": (DISCREPANCIES, "rows", 500),
    "reconciliations": (RECONCILIATIONS, "reconciliations", 200),
    "prices": (None, "prices", 1000),
}
"""What makes some, what they are called, and how many a page may hold."""


@pytest.mark.parametrize("path", MADE)
async def test_pages_are_the_list(api: httpx.AsyncClient, viewer: dict[str, str], db: Any, path: str) -> None:
    statement, rows, most = MADE[path]
    if statement is not None:
        await db.execute(statement.replace("$1", str(ROWS)))

    async def page(**query: Any) -> Any:
        answer = await api.get(f"/api/v1/{path}", params=query, headers=viewer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    whole = await page(limit=most)
    one = await page(limit=2)
    found = list(one[rows])
    while one["next"] is not None:
        one = await page(limit=2 if len(found) < 2 * ROWS else most, cursor=one["next"])
        found += one[rows]

    assert whole["next"] is None
    assert found == whole[rows]
    assert len(found) >= ROWS


@pytest.mark.parametrize("path", [*MADE, "alerts", "prices-records", "config/versions"])
async def test_a_cursor_that_nobody_gave_is_refused(api: httpx.AsyncClient, viewer: dict[str, str], path: str) -> None:
    answer = await api.get(f"/api/v1/{path}", params={"cursor": "1"}, headers=viewer)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_cursor_at_the_end_of_the_calendar_is_refused(
    api: httpx.AsyncClient, viewer: dict[str, str], at: str
) -> None:
    cursor = Keyset("sign-ins", datetime, str).write((at, "0"), filters={"actor": ""})

    answer = await api.get("/api/v1/sign-ins", params={"cursor": cursor}, headers=viewer)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
