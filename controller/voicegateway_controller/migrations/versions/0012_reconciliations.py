"""Reconciliations: their inputs, cells and parts; what people declare about vendors' names; saved column mappings.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

DECLARED = """
CREATE TABLE reconcile_mapping (
    name     text        PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    provider text        NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    document text        NOT NULL CHECK (length(document) <= 65536),
    saved_at timestamptz NOT NULL DEFAULT now(),
    actor    text        NOT NULL
);
COMMENT ON TABLE reconcile_mapping IS 'Which column of a vendor''s file means what.';
CREATE TABLE reconcile_alias (
    provider    text        NOT NULL,
    name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 256),
    model       text        NOT NULL CHECK (length(model) BETWEEN 1 AND 256),
    valid_from  date        NOT NULL DEFAULT '0001-01-01',
    valid_to    date        CHECK (valid_to > valid_from),
    declared_at timestamptz NOT NULL DEFAULT now(),
    actor       text        NOT NULL,
    PRIMARY KEY (provider, name, valid_from)
);
COMMENT ON TABLE reconcile_alias IS 'A vendor''s word for a model that the catalogue does not know by it.';
CREATE TABLE reconcile_link (
    provider    text        NOT NULL,
    credential  text        NOT NULL CHECK (length(credential) BETWEEN 1 AND 256),
    key_id      text        NOT NULL CHECK (length(key_id) BETWEEN 1 AND 256),
    declared_at timestamptz NOT NULL DEFAULT now(),
    actor       text        NOT NULL,
    PRIMARY KEY (provider, credential)
);
COMMENT ON TABLE reconcile_link IS 'Which of our key fingerprints a vendor''s credential is.';
"""

RUNS = """
CREATE TABLE reconciliation_run (
    number      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider    text        NOT NULL,
    month       date        NOT NULL CHECK (extract(day FROM month) = 1),
    source      text        NOT NULL CHECK (source IN ('api', 'file', 'total')),
    is_nightly  boolean     NOT NULL,
    actor       text        NOT NULL,
    state       text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    step        text        NOT NULL DEFAULT '',
    error       text        NOT NULL DEFAULT '',
    error_code  text        NOT NULL DEFAULT '',
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    worked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);
CREATE UNIQUE INDEX reconciliation_run_one_at_a_time ON reconciliation_run (provider, month) WHERE state = 'running';
CREATE INDEX reconciliation_run_by_month ON reconciliation_run (provider, month, number DESC);
"""

RESULTS = """
CREATE TABLE reconciliation (
    number          bigint         PRIMARY KEY REFERENCES reconciliation_run (number),
    provider        text           NOT NULL,
    month           date           NOT NULL,
    vendor_usd      numeric(24,12) NOT NULL,
    ours_usd        numeric(24,12) NOT NULL,
    drift_usd       numeric(24,12) NOT NULL,
    unexplained_usd numeric(24,12) NOT NULL,
    parts           jsonb          NOT NULL,
    threshold       text           NOT NULL,
    is_within       boolean        NOT NULL,
    is_derived      boolean        NOT NULL,
    settled_until   date           NOT NULL,
    catalog_version text           NOT NULL,
    notes           jsonb          NOT NULL,
    cells           integer        NOT NULL,
    inputs          bytea          NOT NULL,
    created_at      timestamptz    NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN reconciliation.inputs IS 'Both sides as they were compared: gzip of JSON.';
CREATE INDEX reconciliation_by_month ON reconciliation (provider, month, number DESC);
CREATE TABLE reconciliation_document (
    sha256    bytea       PRIMARY KEY,
    bytes     bigint      NOT NULL,
    body      bytea       NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN reconciliation_document.body IS 'What the vendor said, as received: gzip.';
CREATE TABLE reconciliation_evidence (
    number     bigint      NOT NULL REFERENCES reconciliation (number),
    position   integer     NOT NULL,
    sha256     bytea       NOT NULL REFERENCES reconciliation_document (sha256),
    name       text        NOT NULL,
    fetched_at timestamptz NOT NULL,
    PRIMARY KEY (number, position)
);
CREATE INDEX reconciliation_evidence_document ON reconciliation_evidence (sha256);
CREATE TABLE reconciliation_cell (
    number          bigint         NOT NULL REFERENCES reconciliation (number),
    position        integer        NOT NULL,
    category        text           NOT NULL,
    day             date,
    key_id          text           NOT NULL,
    model           text           NOT NULL,
    meter           text           NOT NULL,
    context         jsonb          NOT NULL,
    modality        text           NOT NULL,
    price_id        text           NOT NULL,
    project         text           NOT NULL,
    skus            text[]         NOT NULL,
    vendor_quantity numeric(38,0),
    our_quantity    numeric(38,0)  NOT NULL,
    vendor_requests bigint,
    our_requests    bigint         NOT NULL,
    vendor_usd      numeric(24,12) NOT NULL,
    ours_usd        numeric(24,12) NOT NULL,
    is_derived      boolean        NOT NULL,
    notes           text[]         NOT NULL,
    PRIMARY KEY (number, position)
);
CREATE TABLE reconciliation_part (
    number     bigint         NOT NULL,
    cell       integer        NOT NULL,
    position   integer        NOT NULL,
    category   text           NOT NULL,
    amount_usd numeric(24,12) NOT NULL CHECK (amount_usd <> 0),
    confidence text           NOT NULL CHECK (confidence IN ('certain', 'likely', 'estimated')),
    reason     text           NOT NULL,
    quantity   numeric(38,0),
    PRIMARY KEY (number, cell, position),
    FOREIGN KEY (number, cell) REFERENCES reconciliation_cell (number, position)
);
CREATE TABLE reconciliation_acceptance (
    correction_id uuid           PRIMARY KEY REFERENCES ledger_correction (id),
    number        bigint         NOT NULL REFERENCES reconciliation (number),
    invoice_id    uuid           NOT NULL REFERENCES ledger_invoice (id),
    booked_usd    numeric(24,12) NOT NULL,
    entries       integer        NOT NULL,
    accepted_at   timestamptz    NOT NULL DEFAULT clock_timestamp(),
    actor         text           NOT NULL
);
CREATE INDEX reconciliation_acceptance_number ON reconciliation_acceptance (number);
"""

APPEND_ONLY = """
CREATE FUNCTION reconciliation_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Nightly runs that nobody accepted may go when they are old; nothing else may.
    IF TG_OP = 'DELETE' AND current_setting('voicegateway.pruning', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only: reconcile the month again', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER reconciliation_append_only BEFORE UPDATE OR DELETE ON reconciliation
    FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse_change();
CREATE TRIGGER reconciliation_cell_append_only BEFORE UPDATE OR DELETE ON reconciliation_cell
    FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse_change();
CREATE TRIGGER reconciliation_part_append_only BEFORE UPDATE OR DELETE ON reconciliation_part
    FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse_change();
CREATE TRIGGER reconciliation_document_append_only BEFORE UPDATE OR DELETE ON reconciliation_document
    FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse_change();
CREATE TRIGGER reconciliation_evidence_append_only BEFORE UPDATE OR DELETE ON reconciliation_evidence
    FOR EACH ROW EXECUTE FUNCTION reconciliation_refuse_change();
CREATE TRIGGER reconciliation_acceptance_append_only BEFORE UPDATE OR DELETE ON reconciliation_acceptance
    FOR EACH ROW EXECUTE FUNCTION books_refuse_change();
"""


def upgrade() -> None:
    """Add tables; nothing that exists changes."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    for script in (DECLARED, RUNS, RESULTS, APPEND_ONLY):
        # asyncpg runs several statements in one call only without a prepared statement.
        adapted.run_async(lambda driver, script=script: driver.execute(script))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("restore a backup instead of downgrading")
