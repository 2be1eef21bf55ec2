"""The ledger's SQL: take a batch, write its entries, add to the rollups. Each statement runs once per batch."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.ledger.rules import ENTRY_COLUMNS, HOUR_US, Posting, SpanFacts

DAY_US: Final = 24 * HOUR_US
EntryKind = Literal["usage", "rerate", "credit", "adjustment", "purchase", "tax"]

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
       s.usage::text, s.attributes::text, s.attempts, s.reported::text
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


# Entries of one kind and one reason; their digests come back, one for each project and day, to be sealed.
_FIRST_SCALAR: Final = len(ENTRY_COLUMNS) + 1
INSERT_ENTRIES: Final = f"""
WITH added AS (
    INSERT INTO ledger_entry (
        day, request_id, meter, kind, revision, project, session_id, agent, provider, model, modality, quantity,
        billed_quantity, amount_usd, list_amount_usd, price_id, unrated_reason, estimated, charged_at, recorded_at,
        key_id, response_id, incarnation, batch, correction_id, booked_in
    )
    SELECT day::date, request_id::uuid, meter, ${_FIRST_SCALAR}::text, ${_FIRST_SCALAR + 1}::integer, project,
           coalesce(session_id, ''), coalesce(agent, ''), coalesce(provider, ''), coalesce(model, ''),
           coalesce(modality, ''), quantity::bigint, billed_quantity::bigint, amount::numeric, list_amount::numeric,
           nullif(price_id, ''), nullif(unrated_reason, ''), estimated::boolean,
           timestamptz 'epoch' + charged_us::bigint * interval '1 microsecond', clock_timestamp_once.at,
           coalesce(key_id, ''), coalesce(response_id, ''), coalesce(incarnation, ''), batch_once.number,
           ${_FIRST_SCALAR + 2}::uuid,
           CASE WHEN charged_us::bigint < open.us THEN open.month END
    FROM unnest({_split(1, len(ENTRY_COLUMNS))}) AS line ({", ".join(ENTRY_COLUMNS)}),
         (SELECT clock_timestamp() AS at) AS clock_timestamp_once,
         (SELECT nextval('ledger_batch') AS number OFFSET 0) AS batch_once,
         (SELECT month, (extract(epoch FROM month) * 1000000)::bigint AS us
          FROM (SELECT (max(month) + interval '1 month')::date AS month FROM ledger_close) AS next) AS open
    RETURNING *
)
SELECT project, day, batch, count(*)::integer AS entries, sum(amount_usd) AS amount_usd,
       sha256(convert_to(string_agg(ledger_entry_line(ROW(added.*)::ledger_entry), E'\n'
           ORDER BY request_id, meter COLLATE "C", kind COLLATE "C", revision), 'UTF8')) AS digest
FROM added
GROUP BY project, day, batch
"""

# In key order, as all rollups are: writers of one project and day queue here, and cannot deadlock.
SEAL: Final = """
WITH head AS (
    INSERT INTO ledger_chain AS c (project, day, blocks, digest, hash)
    SELECT project, day, 1, digest, sha256(digest)
    FROM unnest($1::text[], $2::date[], $3::bytea[]) AS fresh (project, day, digest)
    ORDER BY project COLLATE "C", day
    ON CONFLICT (project, day) DO UPDATE SET
        blocks = c.blocks + 1, digest = excluded.digest, hash = sha256(c.hash || excluded.digest)
    RETURNING project, day, blocks, digest, hash
)
INSERT INTO ledger_block (project, day, block, batch, entries, amount_usd, digest, hash)
SELECT h.project, h.day, h.blocks, f.batch, f.entries, f.amount_usd, h.digest, h.hash
FROM head AS h
JOIN unnest($1::text[], $2::date[], $4::bigint[], $5::integer[], $6::numeric[])
    AS f (project, day, batch, entries, amount_usd) USING (project, day)
"""

# While anything is written, no month closes, and the other way round.
HOLD_PERIODS_OPEN: Final = "SELECT pg_advisory_xact_lock_shared($1)"
CLOSE_LOCK: Final = 0x5647_434C_4F53
"""Advisory lock of closing a month. The letters say VGCLOS."""

RECORD_CORRECTION: Final = """
INSERT INTO ledger_correction (id, kind, reason, actor, evidence, reverses) VALUES ($1, $2, $3, $4, $5::jsonb, $6)
ON CONFLICT (id) DO NOTHING
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
SELECT timestamptz 'epoch' + hour_us::bigint * interval '1 microsecond', project, coalesce(agent, ''),
       coalesce(provider, ''), coalesce(model, ''), coalesce(modality, ''), meter, requests::bigint, quantity::bigint,
       billed_quantity::bigint, amount::numeric, estimated::bigint, unrated::bigint
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

ADD_TO_DAYS: Final = f"""
INSERT INTO rollup_day AS r (
    day, project, agent, provider, model, modality, meter, requests, quantity, billed_quantity, amount_usd,
    estimated_requests, unrated_requests
)
SELECT (timestamptz 'epoch' + day_us::bigint * interval '1 microsecond')::date, project, coalesce(agent, ''),
       coalesce(provider, ''), coalesce(model, ''), coalesce(modality, ''), meter, requests::bigint, quantity::bigint,
       billed_quantity::bigint, amount::numeric, estimated::bigint, unrated::bigint
FROM unnest({_split(1, 13)}) AS d (
    day_us, project, agent, provider, model, modality, meter, requests, quantity, billed_quantity, amount,
    estimated, unrated
)
ON CONFLICT (day, project, agent, provider, model, modality, meter) DO UPDATE SET
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


async def insert_entries(
    connection: Connection,
    entries: Sequence[Sequence[str]],
    *,
    kind: EntryKind = "usage",
    revision: int = 0,
    correction_id: UUID | None = None,
) -> Sequence[asyncpg.Record]:
    """Write the entries and return what `seal` takes; UniqueViolationError when one exists, and then none is written.

    Entries of a month that is closed are booked in the first open one.
    """
    await connection.execute(HOLD_PERIODS_OPEN, CLOSE_LOCK)
    return await connection.fetch(INSERT_ENTRIES, *_joined(entries), kind, revision, correction_id)


async def seal(connection: Connection, digests: Sequence[asyncpg.Record]) -> None:
    """Add one block to the chain of each project and day that got entries; last in its transaction, for it locks."""
    rows = [
        (row["project"], row["day"], row["digest"], row["batch"], row["entries"], row["amount_usd"]) for row in digests
    ]
    await connection.execute(SEAL, *map(list, zip(*rows, strict=True)))


async def add_to_rollups(connection: Connection, posting: Posting) -> None:
    """Add a batch to the read models. Rows are in key order, so that concurrent runners cannot deadlock."""
    if posting.sessions:
        await connection.execute(ADD_TO_SESSIONS, *_joined(_session_rows(posting)))
    latency = _latency_rows(posting)
    if latency:
        await connection.execute(ADD_TO_LATENCY, *_joined(latency))
    await connection.execute(ADD_TO_HOURS, *_joined(_rows_by(HOUR_US, posting)))
    await connection.execute(ADD_TO_DAYS, *_joined(_rows_by(DAY_US, posting)))


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


def _rows_by(length_us: int, posting: Posting) -> list[tuple[str, ...]]:
    """Return the sums of a posting by hour or by day, in key order."""
    sums: dict[tuple[int | str, ...], list[int]] = {}
    for (hour_us, project, agent, provider, model, modality), hour in posting.hours.items():
        for meter, values in hour.meters.items():
            key = (hour_us - hour_us % length_us, project, agent, provider, model, modality, meter)
            held = sums.get(key)
            sums[key] = list(values) if held is None else [one + other for one, other in zip(held, values, strict=True)]
    return [(*map(str, key), *_amounts(values)) for key, values in sorted(sums.items(), key=_by_key)]


def _amounts(values: Sequence[int]) -> tuple[str, ...]:
    requests, quantity, billed, pico_usd, estimated, unrated = values
    return (str(requests), str(quantity), str(billed), f"{pico_usd}e-12", str(estimated), str(unrated))


def _by_key(item: tuple[tuple[int | str, ...], object]) -> tuple[int | str, ...]:
    return item[0]


def _joined(rows: Iterable[Sequence[str]]) -> list[str]:
    return ["\x1f".join(column) for column in zip(*rows, strict=True)]
