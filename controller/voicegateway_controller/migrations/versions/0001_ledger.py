"""The spine: inbox, queue, quarantine, ledger, read models, tokens.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INBOX = """
CREATE TABLE usage_span (
    day            date        NOT NULL,
    request_id     uuid        NOT NULL,
    trace_id       bytea       NOT NULL,
    span_id        bytea       NOT NULL,
    incarnation    text        NOT NULL,
    project        text        NOT NULL,
    session_id     text        NOT NULL,
    agent          text        NOT NULL,
    room           text        NOT NULL,
    job_id         text        NOT NULL,
    speech_id      text        NOT NULL,
    key_id         text        NOT NULL,
    modality       text        NOT NULL,
    provider       text        NOT NULL,
    model          text        NOT NULL,
    response_model text        NOT NULL,
    response_id    text        NOT NULL,
    language       text        NOT NULL,
    voice          text        NOT NULL,
    mode           text        NOT NULL,
    service_tier   text        NOT NULL,
    outcome        text        NOT NULL,
    estimated      boolean     NOT NULL,
    error_type     text        NOT NULL,
    status_code    integer,
    attempts       integer     NOT NULL,
    ttfb_ms        integer,
    duration_ms    bigint      NOT NULL,
    started_at     timestamptz NOT NULL,
    ended_at       timestamptz NOT NULL,
    arrived_at     timestamptz NOT NULL DEFAULT now(),
    clock_suspect  boolean     NOT NULL,
    usage          jsonb       NOT NULL,
    reported       jsonb,
    attributes     jsonb,
    PRIMARY KEY (day, request_id)
) PARTITION BY RANGE (day);
CREATE TABLE usage_span_default PARTITION OF usage_span DEFAULT;

CREATE TABLE usage_pending (
    day        date        NOT NULL,
    request_id uuid        NOT NULL,
    arrived_at timestamptz NOT NULL,
    PRIMARY KEY (request_id, day)
) WITH (
    -- A queue: every row dies young. Vacuum by number of rows, at full speed, or its scans walk over the dead.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 1000000
);

CREATE TABLE usage_quarantine (
    id          bigserial   PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    token_id    text        NOT NULL,
    reason      text        NOT NULL,
    body        bytea       NOT NULL
);
"""

LEDGER = """
CREATE TABLE ledger_entry (
    day             date           NOT NULL,
    request_id      uuid           NOT NULL,
    meter           text           NOT NULL,
    kind            text           NOT NULL,
    revision        integer        NOT NULL,
    project         text           NOT NULL,
    session_id      text           NOT NULL,
    agent           text           NOT NULL,
    provider        text           NOT NULL,
    model           text           NOT NULL,
    modality        text           NOT NULL,
    quantity        bigint         NOT NULL,
    billed_quantity bigint         NOT NULL,
    amount_usd      numeric(24,12) NOT NULL,
    list_amount_usd numeric(24,12) NOT NULL,
    price_id        text,
    unrated_reason  text,
    estimated       boolean        NOT NULL,
    charged_at      timestamptz    NOT NULL,
    recorded_at     timestamptz    NOT NULL,
    key_id          text           NOT NULL,
    response_id     text           NOT NULL,
    incarnation     text           NOT NULL,
    PRIMARY KEY (day, request_id, meter, kind, revision),
    CONSTRAINT ledger_entry_kind CHECK (kind IN ('usage', 'rerate', 'credit', 'adjustment')),
    CONSTRAINT ledger_entry_usage_is_not_negative CHECK (kind <> 'usage' OR (amount_usd >= 0 AND quantity >= 0)),
    CONSTRAINT ledger_entry_unrated_costs_nothing CHECK (unrated_reason IS NULL OR amount_usd = 0)
) PARTITION BY RANGE (day);
CREATE TABLE ledger_entry_default PARTITION OF ledger_entry DEFAULT;
CREATE INDEX ledger_entry_charged_at ON ledger_entry USING brin (charged_at) WITH (pages_per_range = 32);

CREATE FUNCTION ledger_entry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger entries are append-only: correct one by adding another'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_entry_refuse_change();
CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_refuse_change();
-- A statement trigger is not inherited by partitions: each gets its own.
CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON ledger_entry_default
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_refuse_change();

CREATE TABLE ledger_progress (
    shard            smallint    PRIMARY KEY,
    rated_spans      bigint      NOT NULL,
    entries          bigint      NOT NULL,
    unrated_requests bigint      NOT NULL,
    last_rated_at    timestamptz NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE price_catalog (
    version       text        PRIMARY KEY,
    source        text        NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT now()
);
"""

ROLLUPS = """
CREATE TABLE rollup_hour (
    hour               timestamptz    NOT NULL,
    project            text           NOT NULL,
    agent              text           NOT NULL,
    provider           text           NOT NULL,
    model              text           NOT NULL,
    modality           text           NOT NULL,
    meter              text           NOT NULL,
    requests           bigint         NOT NULL,
    quantity           bigint         NOT NULL,
    billed_quantity    bigint         NOT NULL,
    amount_usd         numeric(24,12) NOT NULL,
    estimated_requests bigint         NOT NULL,
    unrated_requests   bigint         NOT NULL,
    PRIMARY KEY (hour, project, agent, provider, model, modality, meter)
) WITH (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE rollup_hour IS 'Per meter; the meter "requests" has one row per group and counts each request once.';

CREATE TABLE rollup_latency (
    hour     timestamptz NOT NULL,
    project  text        NOT NULL,
    provider text        NOT NULL,
    model    text        NOT NULL,
    modality text        NOT NULL,
    bucket   smallint    NOT NULL,
    count    bigint      NOT NULL,
    PRIMARY KEY (hour, project, provider, model, modality, bucket)
) WITH (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
COMMENT ON COLUMN rollup_latency.bucket IS 'floor(log2(ttfb_ms) * 8); below 1 ms counts as 1 ms.';

CREATE TABLE rollup_session (
    session_id         text           NOT NULL,
    project            text           NOT NULL,
    agent              text           NOT NULL,
    room               text           NOT NULL,
    first_started_at   timestamptz    NOT NULL,
    last_ended_at      timestamptz    NOT NULL,
    requests           bigint         NOT NULL,
    errors             bigint         NOT NULL,
    estimated_requests bigint         NOT NULL,
    unrated_requests   bigint         NOT NULL,
    amount_usd         numeric(24,12) NOT NULL,
    -- A session belongs to its project: nobody can add to a stranger's session by guessing its id.
    PRIMARY KEY (session_id, project)
) WITH (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
-- first_started_at almost never changes, so updates stay heap-only; an index on last_ended_at would not allow it.
CREATE INDEX rollup_session_started ON rollup_session (first_started_at);
"""

ACCESS = """
CREATE TABLE access_token (
    id           text        PRIMARY KEY,
    secret_hash  bytea       NOT NULL,
    role         text        NOT NULL CHECK (role IN ('admin', 'operator', 'viewer', 'worker')),
    projects     text[],
    name         text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
"""

PARTITIONS = """
CREATE FUNCTION ensure_partition(parent text, suffix text, from_day date, to_day date, append_only boolean)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    child text := parent || '_' || suffix;
    fallback text := parent || '_default';
    has_strays boolean;
BEGIN
    IF to_regclass(child) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE day >= %L AND day < %L)', fallback, from_day, to_day)
        INTO has_strays;
    IF has_strays THEN
        -- Rows that came before their partition: move them there, in this transaction, by making the default anew.
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, fallback);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', fallback, fallback || '_before');
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', fallback, parent);
    END IF;
    -- Statistics of a partition that only grows hardly change: analyze when it has doubled, not at every tenth.
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) WITH ('
        'autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 10000)', child, parent, from_day, to_day);
    IF has_strays THEN
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', parent, fallback || '_before');
        EXECUTE format('DROP TABLE %I', fallback || '_before');
    END IF;
    IF append_only THEN
        EXECUTE format('CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON %I '
            'FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_refuse_change()', child);
        IF has_strays THEN
            EXECUTE format('CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON %I '
                'FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_refuse_change()', fallback);
        END IF;
    END IF;
    RETURN true;
END $$;
"""


def upgrade() -> None:
    """Create everything; the partitions follow in `db/partitions.py`, which also runs every hour."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    for script in (INBOX, LEDGER, ROLLUPS, ACCESS, PARTITIONS):
        # asyncpg runs several statements in one call only without a prepared statement.
        adapted.run_async(lambda driver, script=script: driver.execute(script))


def downgrade() -> None:
    """Refused: there is nothing before this."""
    raise NotImplementedError("the ledger is append-only: restore a backup instead of downgrading")
