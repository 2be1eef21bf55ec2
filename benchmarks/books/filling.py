"""Millions of sealed ledger entries of this month, made in Postgres itself, with the rollups that belong to them."""

from dataclasses import dataclass
from typing import Any, Final

import asyncpg

REQUESTS_PER_BATCH: Final = 2_000
ENTRIES_PER_REQUEST: Final = 2
PROJECTS: Final = 20
AGENTS: Final = 3
SESSION_REQUESTS: Final = 40
FILL_TIMEOUT_S: Final = 3_600.0

# Two meters for each model, so that a request is two entries; prices are made up, amounts exact to the last digit.
_MODELS: Final = """
(VALUES (0, 'openai', 'gpt-4.1-mini', 'llm', 'input_tokens', 1200, 0.0000004),
        (0, 'openai', 'gpt-4.1-mini', 'llm', 'output_tokens', 90, 0.0000016),
        (1, 'openai', 'gpt-4.1', 'llm', 'input_tokens', 1500, 0.000002),
        (1, 'openai', 'gpt-4.1', 'llm', 'output_tokens', 110, 0.000008),
        (2, 'deepgram', 'nova-3', 'stt', 'audio_sent_ms', 60000, 0.00000008),
        (2, 'deepgram', 'nova-3', 'stt', 'keyterm_ms', 60000, 0.00000002),
        (3, 'openai', 'gpt-4o-mini-tts', 'tts', 'input_tokens', 80, 0.0000006),
        (3, 'openai', 'gpt-4o-mini-tts', 'tts', 'output_audio_tokens', 300, 0.000012),
        (4, 'anthropic', 'claude-haiku-4-5', 'llm', 'input_tokens', 2000, 0.000001),
        (4, 'anthropic', 'claude-haiku-4-5', 'llm', 'output_tokens', 100, 0.000005))
    AS line (model_no, provider, model, modality, meter, base, price)
"""
_MODEL_COUNT: Final = 5

# $1 first request's number, $2 the one after the last, $3 the month's start, $4 seconds between two requests.
_ENTRIES: Final = f"""
INSERT INTO ledger_entry (
    day, request_id, meter, kind, revision, project, session_id, agent, provider, model, modality, quantity,
    billed_quantity, amount_usd, list_amount_usd, price_id, estimated, charged_at, recorded_at, key_id, response_id,
    incarnation, batch
)
SELECT (at AT TIME ZONE 'UTC')::date, md5(n::text)::uuid, line.meter, 'usage', 0,
       'project-' || n / {SESSION_REQUESTS} % {PROJECTS},
       'AJ_' || n / {SESSION_REQUESTS}, 'agent-' || n / 7 % {AGENTS}, line.provider, line.model, line.modality,
       line.base + n % 97, line.base + n % 97, (line.base + n % 97) * line.price, (line.base + n % 97) * line.price,
       line.provider || '/' || line.model || '/' || line.meter || '@benchmark', n % 50 = 0, at, now(),
       'key-' || n / {SESSION_REQUESTS} % {PROJECTS}, '', 'host-1-42-abcdef01', -1 - n / {REQUESTS_PER_BATCH}
FROM generate_series($1::bigint, $2::bigint - 1) AS n,
     LATERAL (SELECT $3::timestamptz + n * $4::float8 * interval '1 second' AS at) AS instant,
     {_MODELS}
WHERE line.model_no = n / 3 % {_MODEL_COUNT}
"""

# Just what proving the causes looks for; of the newest days, as if older ones had expired.
_SPANS: Final = """
INSERT INTO usage_span (
    day, request_id, trace_id, span_id, incarnation, project, session_id, agent, room, job_id, speech_id, key_id,
    modality, provider, model, response_model, response_id, language, voice, mode, service_tier, outcome, estimated,
    error_type, attempts, duration_ms, started_at, ended_at, arrived_at, clock_suspect, usage
)
SELECT DISTINCT ON (day, request_id)
       day, request_id, '\\x', '\\x', incarnation, project, session_id, agent, '', '', '', key_id, modality, provider,
       model, '', '', '', '', 'streaming', '', 'ok', estimated, '', 1, 900, charged_at, charged_at, charged_at, false,
       '{}'
FROM ledger_entry WHERE day >= (SELECT max(day) FROM ledger_entry) - 1
"""
_BLOCKS: Final = """
INSERT INTO ledger_block (project, day, block, batch, entries, amount_usd, digest, hash)
SELECT project, day, row_number() OVER (PARTITION BY project, day ORDER BY batch DESC), batch, count(*),
       sum(amount_usd),
       sha256(convert_to(string_agg(ledger_entry_line(ledger_entry), E'\\n'
           ORDER BY request_id, meter COLLATE "C", kind COLLATE "C", revision), 'UTF8')), ''
FROM ledger_entry GROUP BY project, day, batch
"""
# Hashes follow from each other, so they are made one after the other.
_LINKS: Final = """
WITH RECURSIVE chain AS (
    SELECT project, day, block, digest, sha256(digest) AS hash FROM ledger_block WHERE block = 1
    UNION ALL
    SELECT b.project, b.day, b.block, b.digest, sha256(c.hash || b.digest)
    FROM chain AS c JOIN ledger_block AS b ON (b.project, b.day, b.block) = (c.project, c.day, c.block + 1)
), linked AS (
    UPDATE ledger_block AS b SET hash = c.hash FROM chain AS c
    WHERE (b.project, b.day, b.block) = (c.project, c.day, c.block)
)
INSERT INTO ledger_chain (project, day, blocks, digest, hash)
SELECT DISTINCT ON (project, day) project, day, block, digest, hash FROM chain ORDER BY project, day, block DESC
"""

_HOURS: Final = """
INSERT INTO rollup_hour
SELECT date_trunc('hour', charged_at, 'UTC'), project, agent, provider, model, modality, meter, count(*), sum(quantity),
       sum(billed_quantity), sum(amount_usd), count(*) FILTER (WHERE estimated), 0
FROM ledger_entry GROUP BY 1, 2, 3, 4, 5, 6, 7
UNION ALL
SELECT date_trunc('hour', charged_at, 'UTC'), project, agent, provider, model, modality, 'requests',
       count(DISTINCT request_id), 0, 0, 0, count(DISTINCT request_id) FILTER (WHERE estimated), 0
FROM ledger_entry GROUP BY 1, 2, 3, 4, 5, 6
"""
_DAYS: Final = """
INSERT INTO rollup_day
SELECT (hour AT TIME ZONE 'UTC')::date, project, agent, provider, model, modality, meter, sum(requests), sum(quantity),
       sum(billed_quantity), sum(amount_usd), sum(estimated_requests), sum(unrated_requests)
FROM rollup_hour GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
# In the order of time, as its rows come in life: then those of a day lie together.
_LATENCY: Final = """
INSERT INTO rollup_latency
SELECT hour, project, provider, model, modality, 50 + bucket, sum(requests) / 20 + 1
FROM rollup_hour, generate_series(0, 19) AS bucket WHERE meter = 'requests' GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1
"""
_SESSIONS: Final = """
INSERT INTO rollup_session
SELECT session_id, project, min(agent), '', min(charged_at), max(charged_at), count(DISTINCT request_id), 0,
       count(DISTINCT request_id) FILTER (WHERE estimated), 0, sum(amount_usd)
FROM ledger_entry GROUP BY session_id, project
"""
_PRICES: Final = """
INSERT INTO price_row (price_id, provider, model, modality, meter, layer, scope, content, origin, first_version)
SELECT DISTINCT price_id, provider, model, modality, meter, 'list', '', '{}', 'benchmark', 'benchmark'
FROM ledger_entry WHERE price_id LIKE '%@benchmark'
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """What is there now."""

    entries: int
    seconds: float


async def fill(connection: "asyncpg.Connection[Any]", *, entries: int, month: Any, until: Any) -> None:
    """Write so many entries from the month's start to `until`, sealed and summed; the ledger must be empty."""
    requests = entries // ENTRIES_PER_REQUEST
    step_s = (until - month).total_seconds() / requests
    await connection.execute("SET synchronous_commit = off; SET work_mem = '512MB'; SET maintenance_work_mem = '512MB'")
    await connection.execute("SET session_replication_role = replica")
    for first in range(0, requests, 250_000):
        last = min(first + 250_000, requests)
        await connection.execute(_ENTRIES, first, last, month, step_s, timeout=FILL_TIMEOUT_S)
    for statement in (_SPANS, _BLOCKS, _LINKS, _HOURS, _DAYS, _LATENCY, _SESSIONS, _PRICES):
        await connection.execute(statement, timeout=FILL_TIMEOUT_S)
    await connection.execute("SET session_replication_role = DEFAULT")
    await connection.execute("VACUUM ANALYZE", timeout=FILL_TIMEOUT_S)


async def empty(connection: "asyncpg.Connection[Any]") -> None:
    """Take everything away again, as only the owner of the tables can."""
    await connection.execute("SET session_replication_role = replica")
    tables = (
        "ledger_entry, ledger_block, ledger_chain, rollup_hour, rollup_day, rollup_latency, rollup_session, usage_span"
    )
    await connection.execute(f"TRUNCATE {tables}, usage_pending, price_row", timeout=FILL_TIMEOUT_S)
    await connection.execute("SET session_replication_role = DEFAULT")
