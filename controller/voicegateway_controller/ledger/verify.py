"""Are the rollups the sum of their entries? Asked in one statement, so of one snapshot."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import raw_connection

END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
SAMPLE_MAX: Final = 100
"""Differences returned; the first one is already a page."""

# A meter of a request is what its newest rating says: corrections keep the original entry and add to it.
_CURRENT: Final = """
newest AS MATERIALIZED (
    SELECT day, request_id, meter, max(revision) AS revision
    FROM ledger_entry WHERE kind = 'rerate' AND correction_id IS NOT NULL GROUP BY 1, 2, 3
)"""

# Hour rows: meter by meter. The meter `requests` counts every request once, whatever lines it has.
COMPARE_HOURS: Final = f"""
WITH {_CURRENT}, entry AS (
    SELECT date_trunc('hour', e.charged_at, 'UTC') AS hour, e.project, e.agent, e.provider, e.model, e.modality,
           e.meter, e.request_id, e.quantity, e.billed_quantity, e.amount_usd, e.estimated,
           e.kind = 'usage' AS is_usage,
           e.unrated_reason IS NOT NULL AND e.revision = coalesce(n.revision, 0) AS unrated
    FROM ledger_entry AS e LEFT JOIN newest AS n USING (day, request_id, meter)
    WHERE e.charged_at >= date_trunc('hour', $1::timestamptz, 'UTC') AND e.charged_at < $3
), request AS (
    SELECT hour, project, agent, provider, model, modality, request_id, bool_or(estimated) AS estimated,
           bool_or(unrated) AS unrated
    FROM entry GROUP BY 1, 2, 3, 4, 5, 6, 7
    HAVING bool_or(is_usage)
), wanted AS (
    SELECT hour, project, agent, provider, model, modality, meter, count(*) FILTER (WHERE is_usage) AS requests,
           sum(quantity) AS quantity, sum(billed_quantity) AS billed_quantity, sum(amount_usd) AS amount_usd,
           count(*) FILTER (WHERE estimated AND is_usage) AS estimated_requests,
           count(*) FILTER (WHERE unrated) AS unrated_requests
    FROM entry WHERE meter <> 'requests' GROUP BY 1, 2, 3, 4, 5, 6, 7
    UNION ALL
    SELECT hour, project, agent, provider, model, modality, 'requests', sum(requests), sum(quantity),
           sum(billed_quantity), sum(amount_usd), sum(estimated_requests), sum(unrated_requests)
    FROM (
        SELECT hour, project, agent, provider, model, modality, count(*) AS requests, 0 AS quantity,
               0 AS billed_quantity, 0 AS amount_usd, count(*) FILTER (WHERE estimated) AS estimated_requests,
               count(*) FILTER (WHERE unrated) AS unrated_requests
        FROM request GROUP BY 1, 2, 3, 4, 5, 6
        UNION ALL
        SELECT hour, project, agent, provider, model, modality, 0, sum(quantity), sum(billed_quantity),
               sum(amount_usd), 0, 0
        FROM entry WHERE meter = 'requests' GROUP BY 1, 2, 3, 4, 5, 6
    ) AS part
    GROUP BY 1, 2, 3, 4, 5, 6
), kept AS (
    SELECT hour, project, agent, provider, model, modality, meter, requests, quantity, billed_quantity, amount_usd,
           estimated_requests, unrated_requests
    FROM rollup_hour
    WHERE hour >= date_trunc('hour', $1::timestamptz, 'UTC') AND hour < $3
      AND (requests, quantity, billed_quantity, amount_usd, estimated_requests, unrated_requests)
          <> (0, 0, 0, 0, 0, 0)
), something AS (
    SELECT * FROM wanted
    WHERE (requests, quantity, billed_quantity, amount_usd, estimated_requests, unrated_requests)
          <> (0, 0, 0, 0, 0, 0)
)
SELECT 'rollup_hour' AS rollup,
       concat_ws(' ', coalesce(w.hour, k.hour), coalesce(w.project, k.project), coalesce(w.agent, k.agent),
           coalesce(w.provider, k.provider), coalesce(w.model, k.model), coalesce(w.modality, k.modality),
           coalesce(w.meter, k.meter)) AS key,
       concat_ws(' ', w.requests, w.quantity, w.billed_quantity, w.amount_usd, w.estimated_requests,
           w.unrated_requests) AS entries,
       concat_ws(' ', k.requests, k.quantity, k.billed_quantity, k.amount_usd, k.estimated_requests,
           k.unrated_requests) AS rollups
FROM something AS w FULL JOIN kept AS k USING (hour, project, agent, provider, model, modality, meter)
WHERE (w.requests, w.quantity, w.billed_quantity, w.amount_usd, w.estimated_requests, w.unrated_requests)
    IS DISTINCT FROM
      (k.requests, k.quantity, k.billed_quantity, k.amount_usd, k.estimated_requests, k.unrated_requests)
ORDER BY 2 LIMIT $2
"""

# Sessions that have an entry in the window, or say that they began in it, compared over their whole life.
COMPARE_SESSIONS: Final = f"""
WITH {_CURRENT}, touched AS (
    SELECT DISTINCT session_id, project FROM ledger_entry
    WHERE session_id <> '' AND charged_at >= $1::timestamptz AND charged_at < $3
    UNION
    SELECT session_id, project FROM rollup_session
    WHERE first_started_at >= $1::timestamptz AND first_started_at < $3
), wanted AS (
    SELECT e.session_id, e.project, max(e.charged_at) AS last_ended_at,
           count(DISTINCT e.request_id) FILTER (WHERE e.kind = 'usage') AS requests,
           sum(e.amount_usd) AS amount_usd,
           count(DISTINCT e.request_id) FILTER (WHERE e.estimated AND e.kind = 'usage') AS estimated_requests,
           count(DISTINCT e.request_id) FILTER (
               WHERE e.unrated_reason IS NOT NULL AND e.revision = coalesce(n.revision, 0)) AS unrated_requests
    FROM ledger_entry AS e JOIN touched USING (session_id, project)
    LEFT JOIN newest AS n USING (day, request_id, meter)
    GROUP BY 1, 2
)
SELECT 'rollup_session' AS rollup, concat_ws(' ', t.session_id, t.project) AS key,
       concat_ws(' ', w.requests, w.amount_usd, w.estimated_requests, w.unrated_requests, w.last_ended_at) AS entries,
       concat_ws(' ', r.requests, r.amount_usd, r.estimated_requests, r.unrated_requests, r.last_ended_at) AS rollups
FROM touched AS t LEFT JOIN wanted AS w USING (session_id, project)
LEFT JOIN rollup_session AS r USING (session_id, project)
WHERE (w.requests, w.amount_usd, w.estimated_requests, w.unrated_requests, w.last_ended_at)
    IS DISTINCT FROM (r.requests, r.amount_usd, r.estimated_requests, r.unrated_requests, r.last_ended_at)
ORDER BY 2 LIMIT $2
"""


# Days are sums of hours, which are compared with the entries above.
COMPARE_DAYS: Final = """
WITH wanted AS (
    SELECT (hour AT TIME ZONE 'UTC')::date AS day, project, agent, provider, model, modality, meter,
           sum(requests) AS requests, sum(quantity) AS quantity, sum(billed_quantity) AS billed_quantity,
           sum(amount_usd) AS amount_usd, sum(estimated_requests) AS estimated_requests,
           sum(unrated_requests) AS unrated_requests
    FROM rollup_hour
    WHERE hour >= date_trunc('day', $1::timestamptz, 'UTC')
      AND hour < date_trunc('day', $3::timestamptz - interval '1 microsecond', 'UTC') + interval '1 day'
    GROUP BY 1, 2, 3, 4, 5, 6, 7
), kept AS (
    SELECT * FROM rollup_day
    WHERE day >= ($1::timestamptz AT TIME ZONE 'UTC')::date
      AND day <= (($3::timestamptz - interval '1 microsecond') AT TIME ZONE 'UTC')::date
)
SELECT 'rollup_day' AS rollup,
       concat_ws(' ', coalesce(w.day, k.day), coalesce(w.project, k.project), coalesce(w.agent, k.agent),
           coalesce(w.provider, k.provider), coalesce(w.model, k.model), coalesce(w.modality, k.modality),
           coalesce(w.meter, k.meter)) AS key,
       concat_ws(' ', w.requests, w.quantity, w.billed_quantity, w.amount_usd, w.estimated_requests,
           w.unrated_requests) AS entries,
       concat_ws(' ', k.requests, k.quantity, k.billed_quantity, k.amount_usd, k.estimated_requests,
           k.unrated_requests) AS rollups
FROM wanted AS w FULL JOIN kept AS k USING (day, project, agent, provider, model, modality, meter)
WHERE (w.requests, w.quantity, w.billed_quantity, w.amount_usd, w.estimated_requests, w.unrated_requests)
    IS DISTINCT FROM
      (k.requests, k.quantity, k.billed_quantity, k.amount_usd, k.estimated_requests, k.unrated_requests)
ORDER BY 2 LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class RollupMismatch:
    """One rollup row that is not the sum of its entries; the two texts hold the compared figures in order."""

    rollup: str
    key: str
    entries: str
    rollups: str


async def verify_rollups(
    engine: AsyncEngine, *, since: datetime, until: datetime | None = None, timeout_s: float = 60.0
) -> list[RollupMismatch]:
    """Return where rollups and entries charged in between differ: nothing, or the books are broken."""
    found: list[RollupMismatch] = []
    async with raw_connection(engine) as connection:
        for statement in (COMPARE_HOURS, COMPARE_DAYS, COMPARE_SESSIONS):
            rows = await connection.fetch(statement, since, SAMPLE_MAX, until or END_OF_TIME, timeout=timeout_s)
            found += [RollupMismatch(*row.values()) for row in rows]
    return found
