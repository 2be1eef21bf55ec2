"""The ledger's SQL: take a batch, write its entries, add to the rollups. Each statement runs once per batch."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.ledger.rules import ENTRY_COLUMNS, Posting, SpanFacts

# A queue that was empty when it was last analyzed, and a partition born today: the planner would guess, and one wrong
# guess reads everything for every batch. So each step has one way to go: the queue by its index, in order; its rows by
# their place (nobody moves a row we hold locked); their spans by key.
PLAN_BY_INDEX: Final = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_sort', 'off', true), set_config('lock_timeout', '10s', true)
"""

TAKE: Final = """
WITH taken AS (
    DELETE FROM usage_pending WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM usage_pending ORDER BY request_id, day LIMIT $1 FOR UPDATE SKIP LOCKED
    ))
    RETURNING day, request_id
)
SELECT t.day::text, t.request_id::text, s.project, s.session_id, s.agent, s.room, s.provider, s.model, s.modality,
       s.outcome, s.estimated, s.ttfb_ms,
       (extract(epoch FROM CASE WHEN s.clock_suspect THEN s.arrived_at ELSE s.started_at END) * 1000000)::bigint,
       (extract(epoch FROM CASE WHEN s.clock_suspect THEN s.arrived_at ELSE s.ended_at END) * 1000000)::bigint,
       (extract(epoch FROM CASE WHEN s.clock_suspect THEN s.arrived_at ELSE s.ended_at END) * 1000000)::bigint,
       s.key_id, s.response_id, s.incarnation, s.language, s.voice, s.mode, s.service_tier,
       s.usage::text, s.attributes::text
FROM taken AS t
LEFT JOIN LATERAL (SELECT * FROM usage_span WHERE day = t.day AND request_id = t.request_id OFFSET 0) AS s ON true
"""

ALREADY_RATED: Final = """
SELECT DISTINCT e.request_id::text
FROM unnest($1::date[], $2::uuid[]) AS k (day, request_id)
JOIN ledger_entry AS e ON e.day = k.day AND e.request_id = k.request_id
"""


def _split(first: int, count: int) -> str:
    """Return parameters that are texts joined by the unit separator, each split back into a column."""
    return ", ".join(rf"string_to_array(${n}, E'\x1f')" for n in range(first, first + count))


INSERT_ENTRIES: Final = f"""
INSERT INTO ledger_entry (
    day, request_id, meter, kind, revision, project, session_id, agent, provider, model, modality, quantity,
    billed_quantity, amount_usd, list_amount_usd, price_id, unrated_reason, estimated, charged_at, recorded_at,
    key_id, response_id, incarnation
)
SELECT day::date, request_id::uuid, meter, 'usage', 0, project, coalesce(session_id, ''), coalesce(agent, ''),
       provider, model, modality, quantity::bigint, billed_quantity::bigint, amount::numeric, list_amount::numeric,
       nullif(price_id, ''), nullif(unrated_reason, ''), estimated::boolean,
       timestamptz 'epoch' + charged_us::bigint * interval '1 microsecond', now.at,
       coalesce(key_id, ''), coalesce(response_id, ''), coalesce(incarnation, '')
FROM unnest({_split(1, len(ENTRY_COLUMNS))}) AS line ({", ".join(ENTRY_COLUMNS)}),
     (SELECT clock_timestamp() AS at) AS now
"""

ADD_TO_SESSIONS: Final = f"""
INSERT INTO rollup_session AS r (
    session_id, project, agent, room, first_started_at, last_ended_at, requests, errors, estimated_requests,
    unrated_requests, amount_usd
)
SELECT session_id, project, coalesce(agent, ''), coalesce(room, ''),
       timestamptz 'epoch' + first_us::bigint * interval '1 microsecond',
       timestamptz 'epoch' + last_us::bigint * interval '1 microsecond',
       requests::bigint, errors::bigint, estimated::bigint, unrated::bigint, amount::numeric
FROM unnest({_split(1, 11)}) AS s (
    session_id, project, agent, room, first_us, last_us, requests, errors, estimated, unrated, amount
)
ON CONFLICT (session_id, project) DO UPDATE SET
    agent = CASE WHEN r.agent = '' THEN excluded.agent ELSE r.agent END,
    room = CASE WHEN r.room = '' THEN excluded.room ELSE r.room END,
    first_started_at = least(r.first_started_at, excluded.first_started_at),
    last_ended_at = greatest(r.last_ended_at, excluded.last_ended_at),
    requests = r.requests + excluded.requests,
    errors = r.errors + excluded.errors,
    estimated_requests = r.estimated_requests + excluded.estimated_requests,
    unrated_requests = r.unrated_requests + excluded.unrated_requests,
    amount_usd = r.amount_usd + excluded.amount_usd
"""

ADD_TO_LATENCY: Final = f"""
INSERT INTO rollup_latency AS r (hour, project, provider, model, modality, bucket, count)
SELECT timestamptz 'epoch' + hour_us::bigint * interval '1 microsecond', project, provider, model, modality,
       bucket::smallint, count::bigint
FROM unnest({_split(1, 7)}) AS l (hour_us, project, provider, model, modality, bucket, count)
ON CONFLICT (hour, project, provider, model, modality, bucket) DO UPDATE SET count = r.count + excluded.count
"""

ADD_TO_HOURS: Final = f"""
INSERT INTO rollup_hour AS r (
    hour, project, agent, provider, model, modality, meter, requests, quantity, billed_quantity, amount_usd,
    estimated_requests, unrated_requests
)
SELECT timestamptz 'epoch' + hour_us::bigint * interval '1 microsecond', project, coalesce(agent, ''), provider,
       model, modality, meter, requests::bigint, quantity::bigint, billed_quantity::bigint, amount::numeric,
       estimated::bigint, unrated::bigint
FROM unnest({_split(1, 13)}) AS h (
    hour_us, project, agent, provider, model, modality, meter, requests, quantity, billed_quantity, amount,
    estimated, unrated
)
ON CONFLICT (hour, project, agent, provider, model, modality, meter) DO UPDATE SET
    requests = r.requests + excluded.requests,
    quantity = r.quantity + excluded.quantity,
    billed_quantity = r.billed_quantity + excluded.billed_quantity,
    amount_usd = r.amount_usd + excluded.amount_usd,
    estimated_requests = r.estimated_requests + excluded.estimated_requests,
    unrated_requests = r.unrated_requests + excluded.unrated_requests
"""

QUARANTINE: Final = """
INSERT INTO usage_quarantine (token_id, reason, body)
SELECT 'runner', * FROM unnest($1::text[], $2::bytea[])
"""

# One row per shard, so that many runners do not queue up behind one row.
NOTE_PROGRESS: Final = """
INSERT INTO ledger_progress AS p (shard, rated_spans, entries, unrated_requests, last_rated_at)
VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT (shard) DO UPDATE SET
    rated_spans = p.rated_spans + excluded.rated_spans,
    entries = p.entries + excluded.entries,
    unrated_requests = p.unrated_requests + excluded.unrated_requests,
    last_rated_at = excluded.last_rated_at
"""

PENDING: Final = """
SELECT count(*) AS spans, coalesce(extract(epoch FROM now() - min(arrived_at)), 0)::float8 AS lag_s FROM usage_pending
"""


async def take(connection: Connection, limit: int) -> tuple[list[SpanFacts], int]:
    """Take up to `limit` pending spans off the queue; return their facts, and how many have lost their span."""
    rows = await connection.fetch(TAKE, limit)
    facts = [SpanFacts(*row.values()) for row in rows]
    found = [each for each in facts if each.project is not None]
    return found, len(facts) - len(found)


async def already_rated(connection: Connection, spans: Sequence[SpanFacts]) -> set[str]:
    """Return the ids of those spans that have entries: only after an inbox partition was dropped and a span resent."""
    days = [datetime.fromisoformat(span.day).date() for span in spans]
    rows = await connection.fetch(ALREADY_RATED, days, [span.request_id for span in spans])
    return {row[0] for row in rows}


async def insert_entries(connection: Connection, entries: Sequence[Sequence[str]]) -> None:
    """Write the entries; asyncpg's UniqueViolationError when one of them exists, and then none is written."""
    await connection.execute(INSERT_ENTRIES, *_joined(entries))


async def add_to_rollups(connection: Connection, posting: Posting) -> None:
    """Add a batch to the read models. Rows are in key order, so that concurrent runners cannot deadlock."""
    if posting.sessions:
        await connection.execute(ADD_TO_SESSIONS, *_joined(_session_rows(posting)))
    latency = _latency_rows(posting)
    if latency:
        await connection.execute(ADD_TO_LATENCY, *_joined(latency))
    await connection.execute(ADD_TO_HOURS, *_joined(_hour_rows(posting)))


def _session_rows(posting: Posting) -> list[tuple[str, ...]]:
    return [
        (
            session_id, project, sums.agent, sums.room, str(sums.first_us), str(sums.last_us), str(sums.requests),
            str(sums.errors), str(sums.estimated), str(sums.unrated), f"{sums.pico_usd}e-12",
        )
        for (session_id, project), sums in sorted(posting.sessions.items(), key=_by_key)
    ]  # fmt: skip


def _latency_rows(posting: Posting) -> list[tuple[str, ...]]:
    counts: dict[tuple[int, str, str, str, str, int], int] = {}
    for (hour, project, _, provider, model, modality), sums in posting.hours.items():
        for bucket, count in sums.latency.items():
            key = (hour, project, provider, model, modality, bucket)
            counts[key] = counts.get(key, 0) + count
    return [(*map(str, key), str(count)) for key, count in sorted(counts.items())]


def _hour_rows(posting: Posting) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for key, sums in sorted(posting.hours.items(), key=_by_key):
        group = tuple(map(str, key))
        rows += [(*group, meter, *_amounts(values)) for meter, values in sorted(sums.meters.items())]
    return rows


def _amounts(values: Sequence[int]) -> tuple[str, ...]:
    requests, quantity, billed, pico_usd, estimated, unrated = values
    return (str(requests), str(quantity), str(billed), f"{pico_usd}e-12", str(estimated), str(unrated))


def _by_key(item: tuple[tuple[int | str, ...], object]) -> tuple[int | str, ...]:
    return item[0]


def _joined(rows: Iterable[Sequence[str]]) -> list[str]:
    return ["\x1f".join(column) for column in zip(*rows, strict=True)]
