"""Are the rollups the sum of their entries? Asked in one statement, so of one snapshot."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import raw_connection

SAMPLE_MAX: Final = 100
"""Differences returned; the first one is already a page."""

# Hour rows: meter by meter. The meter `requests` counts every request once, whatever lines it has.
COMPARE_HOURS: Final = """
WITH entry AS (
    SELECT date_trunc('hour', charged_at, 'UTC') AS hour, project, agent, provider, model, modality, meter, request_id,
           quantity, billed_quantity, amount_usd, estimated, unrated_reason IS NOT NULL AS unrated
    FROM ledger_entry
    WHERE kind = 'usage' AND charged_at >= date_trunc('hour', $1::timestamptz, 'UTC')
), request AS (
    SELECT hour, project, agent, provider, model, modality, request_id, bool_or(estimated) AS estimated,
           bool_or(unrated) AS unrated
    FROM entry GROUP BY 1, 2, 3, 4, 5, 6, 7
), wanted AS (
    SELECT hour, project, agent, provider, model, modality, meter, count(*) AS requests, sum(quantity) AS quantity,
           sum(billed_quantity) AS billed_quantity, sum(amount_usd) AS amount_usd,
           count(*) FILTER (WHERE estimated) AS estimated_requests,
           count(*) FILTER (WHERE unrated) AS unrated_requests
    FROM entry WHERE meter <> 'requests' GROUP BY 1, 2, 3, 4, 5, 6, 7
    UNION ALL
    SELECT r.hour, r.project, r.agent, r.provider, r.model, r.modality, 'requests', count(*),
           coalesce(sum(e.quantity), 0), coalesce(sum(e.billed_quantity), 0), coalesce(sum(e.amount_usd), 0),
           count(*) FILTER (WHERE r.estimated), count(*) FILTER (WHERE r.unrated)
    FROM request AS r
    LEFT JOIN entry AS e ON e.request_id = r.request_id AND e.hour = r.hour AND e.meter = 'requests'
    GROUP BY 1, 2, 3, 4, 5, 6
), kept AS (
    SELECT hour, project, agent, provider, model, modality, meter, requests, quantity, billed_quantity, amount_usd,
           estimated_requests, unrated_requests
    FROM rollup_hour WHERE hour >= date_trunc('hour', $1::timestamptz, 'UTC')
)
SELECT 'rollup_hour' AS rollup,
       concat_ws(' ', coalesce(w.hour, k.hour), coalesce(w.project, k.project), coalesce(w.agent, k.agent),
           coalesce(w.provider, k.provider), coalesce(w.model, k.model), coalesce(w.modality, k.modality),
           coalesce(w.meter, k.meter)) AS key,
       concat_ws(' ', w.requests, w.quantity, w.billed_quantity, w.amount_usd, w.estimated_requests,
           w.unrated_requests) AS entries,
       concat_ws(' ', k.requests, k.quantity, k.billed_quantity, k.amount_usd, k.estimated_requests,
           k.unrated_requests) AS rollups
FROM wanted AS w FULL JOIN kept AS k USING (hour, project, agent, provider, model, modality, meter)
WHERE (w.requests, w.quantity, w.billed_quantity, w.amount_usd, w.estimated_requests, w.unrated_requests)
    IS DISTINCT FROM
      (k.requests, k.quantity, k.billed_quantity, k.amount_usd, k.estimated_requests, k.unrated_requests)
ORDER BY 2 LIMIT $2
"""

# Sessions that have an entry in the window, compared over their whole life.
COMPARE_SESSIONS: Final = """
WITH touched AS (
    SELECT DISTINCT session_id, project FROM ledger_entry
    WHERE kind = 'usage' AND session_id <> '' AND charged_at >= $1::timestamptz
), wanted AS (
    SELECT e.session_id, e.project, count(DISTINCT e.request_id) AS requests, sum(e.amount_usd) AS amount_usd,
           count(DISTINCT e.request_id) FILTER (WHERE e.estimated) AS estimated_requests,
           count(DISTINCT e.request_id) FILTER (WHERE e.unrated_reason IS NOT NULL) AS unrated_requests
    FROM ledger_entry AS e JOIN touched USING (session_id, project)
    WHERE e.kind = 'usage' GROUP BY 1, 2
)
SELECT 'rollup_session' AS rollup, concat_ws(' ', w.session_id, w.project) AS key,
       concat_ws(' ', w.requests, w.amount_usd, w.estimated_requests, w.unrated_requests) AS entries,
       concat_ws(' ', r.requests, r.amount_usd, r.estimated_requests, r.unrated_requests) AS rollups
FROM wanted AS w LEFT JOIN rollup_session AS r USING (session_id, project)
WHERE (w.requests, w.amount_usd, w.estimated_requests, w.unrated_requests)
    IS DISTINCT FROM (r.requests, r.amount_usd, r.estimated_requests, r.unrated_requests)
ORDER BY 2 LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class RollupMismatch:
    """One rollup row that is not the sum of its entries; the two texts hold the compared figures in order."""

    rollup: str
    key: str
    entries: str
    rollups: str


async def verify_rollups(engine: AsyncEngine, *, since: datetime, timeout_s: float = 60.0) -> list[RollupMismatch]:
    """Return where rollups and entries charged since then differ: nothing, or the books are broken."""
    found: list[RollupMismatch] = []
    async with raw_connection(engine) as connection:
        for statement in (COMPARE_HOURS, COMPARE_SESSIONS):
            rows = await connection.fetch(statement, since, SAMPLE_MAX, timeout=timeout_s)
            found += [RollupMismatch(*row.values()) for row in rows]
    return found
