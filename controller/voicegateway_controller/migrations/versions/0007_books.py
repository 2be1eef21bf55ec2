"""The books: batches sealed in a chain, corrections with their reason, months that close, invoices; sums by day.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Columns without a default: no row of a large ledger is rewritten. Entries of before stay without a batch.
ENTRIES = """
ALTER TABLE ledger_entry ADD COLUMN batch bigint, ADD COLUMN correction_id uuid, ADD COLUMN booked_in date;
COMMENT ON COLUMN ledger_entry.batch IS 'What was committed together and sealed; null before revision 0007.';
COMMENT ON COLUMN ledger_entry.correction_id IS 'Why it is there: a row of ledger_correction. Null for usage.';
COMMENT ON COLUMN ledger_entry.booked_in IS 'The first day of the open month that takes it, when its own is closed.';
ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_kind;
ALTER TABLE ledger_entry ADD CONSTRAINT ledger_entry_kind
    CHECK (kind IN ('usage', 'rerate', 'credit', 'adjustment', 'purchase', 'tax')) NOT VALID;
ALTER TABLE ledger_entry ADD CONSTRAINT ledger_entry_correction_says_why
    CHECK ((kind = 'usage') = (correction_id IS NULL)) NOT VALID;
CREATE SEQUENCE ledger_batch;
"""

APPEND_ONLY = """
CREATE FUNCTION books_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: correct a row by adding another', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
"""

BLOCKS = """
CREATE TABLE ledger_block (
    project    text           NOT NULL,
    day        date           NOT NULL,
    block      bigint         NOT NULL,
    batch      bigint         NOT NULL,
    entries    integer        NOT NULL CHECK (entries > 0),
    amount_usd numeric(24,12) NOT NULL,
    digest     bytea          NOT NULL,
    hash       bytea          NOT NULL,
    sealed_at  timestamptz    NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (project, day, block),
    UNIQUE (day, batch, project)
);
COMMENT ON COLUMN ledger_block.digest IS 'SHA-256 of the lines of its entries, in the order of their key.';
COMMENT ON COLUMN ledger_block.hash IS 'SHA-256 of the hash of the block before it, and its own digest.';
CREATE TABLE ledger_chain (
    project text   NOT NULL,
    day     date   NOT NULL,
    blocks  bigint NOT NULL,
    digest  bytea  NOT NULL,
    hash    bytea  NOT NULL,
    PRIMARY KEY (project, day)
) WITH (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE ledger_chain IS 'The newest block of each chain: the one row its writers queue for.';
CREATE TRIGGER ledger_block_append_only BEFORE UPDATE OR DELETE ON ledger_block
    FOR EACH ROW EXECUTE FUNCTION books_refuse_change();
CREATE TRIGGER ledger_block_no_truncate BEFORE TRUNCATE ON ledger_block
    FOR EACH STATEMENT EXECUTE FUNCTION books_refuse_change();

-- One entry as the text that is sealed. Its project and day are the chain's.
CREATE FUNCTION ledger_entry_line(e ledger_entry) RETURNS text LANGUAGE sql STABLE AS $$
SELECT concat_ws(E'\\x1f', e.request_id, e.meter, e.kind, e.revision, e.session_id, e.agent, e.provider, e.model,
    e.modality, e.quantity, e.billed_quantity, e.amount_usd, e.list_amount_usd, coalesce(e.price_id, ''),
    coalesce(e.unrated_reason, ''), e.estimated, (extract(epoch FROM e.charged_at) * 1000000)::bigint,
    (extract(epoch FROM e.recorded_at) * 1000000)::bigint, e.key_id, e.response_id, e.incarnation,
    coalesce(e.correction_id::text, ''), coalesce(to_char(e.booked_in, 'YYYY-MM-DD'), ''))
$$;
"""

CORRECTIONS = """
CREATE TABLE ledger_correction (
    id         uuid        PRIMARY KEY,
    kind       text        NOT NULL,
    reason     text        NOT NULL CHECK (reason <> ''),
    actor      text        NOT NULL CHECK (actor <> ''),
    evidence   jsonb       NOT NULL DEFAULT '{}',
    reverses   uuid        REFERENCES ledger_correction (id),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ledger_correction_kind CHECK (kind IN ('rerate', 'allowance', 'prepaid', 'subscription',
        'reconciliation', 'manual', 'reversal'))
);
COMMENT ON TABLE ledger_correction IS 'Why entries that are no usage were booked, and by whom.';
CREATE UNIQUE INDEX ledger_correction_reversed_once ON ledger_correction (reverses) WHERE reverses IS NOT NULL;
CREATE TRIGGER ledger_correction_append_only BEFORE UPDATE OR DELETE ON ledger_correction
    FOR EACH ROW EXECUTE FUNCTION books_refuse_change();
-- Few of many: entries of one correction, found when it is reversed or explained; entries of months closed already.
CREATE INDEX ledger_entry_correction ON ledger_entry (correction_id) WHERE correction_id IS NOT NULL;
CREATE INDEX ledger_entry_booked_in ON ledger_entry (booked_in) WHERE booked_in IS NOT NULL;
"""

PERIODS = """
CREATE TABLE ledger_close (
    month      date           PRIMARY KEY CHECK (extract(day FROM month) = 1),
    entries    bigint         NOT NULL,
    amount_usd numeric(24,12) NOT NULL,
    late_entries bigint       NOT NULL,
    closed_at  timestamptz    NOT NULL DEFAULT clock_timestamp(),
    closed_by  text           NOT NULL,
    reason     text           NOT NULL
);
COMMENT ON TABLE ledger_close IS 'Months that take no entry any more; what belongs to them is booked in an open one.';
CREATE TRIGGER ledger_close_append_only BEFORE UPDATE OR DELETE ON ledger_close
    FOR EACH ROW EXECUTE FUNCTION books_refuse_change();

CREATE TABLE ledger_invoice (
    id            uuid           PRIMARY KEY,
    provider      text           NOT NULL,
    month         date           NOT NULL CHECK (extract(day FROM month) = 1),
    net_usd       numeric(24,12) NOT NULL,
    tax_usd       numeric(24,12) NOT NULL DEFAULT 0,
    reference     text           NOT NULL,
    correction_id uuid           NOT NULL REFERENCES ledger_correction (id),
    reverses      uuid           REFERENCES ledger_invoice (id),
    posted_at     timestamptz    NOT NULL DEFAULT clock_timestamp(),
    posted_by     text           NOT NULL
);
COMMENT ON TABLE ledger_invoice IS 'What a vendor billed for a month and we accepted. A reversal has negative amounts.';
CREATE UNIQUE INDEX ledger_invoice_reversed_once ON ledger_invoice (reverses) WHERE reverses IS NOT NULL;
CREATE TRIGGER ledger_invoice_append_only BEFORE UPDATE OR DELETE ON ledger_invoice
    FOR EACH ROW EXECUTE FUNCTION books_refuse_change();
"""

# A month of hours is too much to add up while somebody waits for a page.
DAYS = """
CREATE TABLE rollup_day (
    day                date           NOT NULL,
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
    PRIMARY KEY (day, project, agent, provider, model, modality, meter)
) WITH (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE rollup_day IS 'Sums of rollup_hour by the day (UTC), written with it.';
LOCK TABLE rollup_hour IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO rollup_day
SELECT (hour AT TIME ZONE 'UTC')::date, project, agent, provider, model, modality, meter, sum(requests), sum(quantity),
       sum(billed_quantity), sum(amount_usd), sum(estimated_requests), sum(unrated_requests)
FROM rollup_hour GROUP BY 1, 2, 3, 4, 5, 6, 7;
"""

# Pages ask for the newest entries, which a BRIN index does not know before it summarized their pages.
INDEXES = """
DROP INDEX ledger_entry_charged_at;
CREATE INDEX ledger_entry_charged_at ON ledger_entry USING brin (charged_at)
    WITH (pages_per_range = 32, autosummarize = on);
DROP INDEX rollup_session_started;
CREATE INDEX rollup_session_started ON rollup_session (first_started_at) INCLUDE (project);
"""


def upgrade() -> None:
    """Add columns and tables.

    Runners of the release before go on writing entries, without blocks and sums by day: stop them first.
    """
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    for script in (ENTRIES, APPEND_ONLY, BLOCKS, CORRECTIONS, PERIODS, DAYS, INDEXES):
        # asyncpg runs several statements in one call only without a prepared statement.
        adapted.run_async(lambda driver, script=script: driver.execute(script))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("the ledger is append-only: restore a backup instead of downgrading")
