"""Runs of re-rating, and the declared allowances.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A re-rating that takes a price away takes its amount back in the very entry that says why nothing prices it now.
ENTRIES = """
ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_unrated_costs_nothing;
ALTER TABLE ledger_entry ADD CONSTRAINT ledger_entry_unrated_costs_nothing
    CHECK (unrated_reason IS NULL OR amount_usd = 0 OR kind = 'rerate') NOT VALID;
"""

RERATING = """
CREATE TABLE rerating (
    number          integer        PRIMARY KEY CHECK (number > 0),
    correction_id   uuid           NOT NULL UNIQUE,
    state           text           NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
    is_dry_run      boolean        NOT NULL,
    is_automatic    boolean        NOT NULL,
    provider        text           NOT NULL,
    model           text           NOT NULL,
    project         text           NOT NULL,
    since           timestamptz,
    until           timestamptz    NOT NULL,
    only_unrated    boolean        NOT NULL,
    allow_unrated   boolean        NOT NULL,
    as_of           timestamptz    NOT NULL,
    reason          text           NOT NULL CHECK (reason <> ''),
    actor           text           NOT NULL CHECK (actor <> ''),
    stretches       date[]         NOT NULL,
    cursor_day      date           NOT NULL,
    cursor_request  uuid           NOT NULL,
    catalog_version text           NOT NULL DEFAULT '',
    expected        bigint         NOT NULL,
    seen            bigint         NOT NULL DEFAULT 0,
    changed         bigint         NOT NULL DEFAULT 0,
    entries         bigint         NOT NULL DEFAULT 0,
    without_span    bigint         NOT NULL DEFAULT 0,
    kept            bigint         NOT NULL DEFAULT 0,
    failed          bigint         NOT NULL DEFAULT 0,
    still_unrated   bigint         NOT NULL DEFAULT 0,
    before_usd      numeric(24,12) NOT NULL DEFAULT 0,
    after_usd       numeric(24,12) NOT NULL DEFAULT 0,
    created_at      timestamptz    NOT NULL DEFAULT clock_timestamp(),
    worked_at       timestamptz,
    finished_at     timestamptz
);
COMMENT ON TABLE rerating IS 'One run over the past; its number is the revision of the entries it books.';
COMMENT ON COLUMN rerating.stretches IS 'First and last days, in pairs and in order, in which its requests are.';
CREATE INDEX rerating_running ON rerating (number) WHERE state = 'running';

CREATE TABLE rerating_change (
    number     integer        NOT NULL REFERENCES rerating (number),
    day        date           NOT NULL,
    provider   text           NOT NULL,
    model      text           NOT NULL,
    meter      text           NOT NULL,
    requests   bigint         NOT NULL,
    before_usd numeric(24,12) NOT NULL,
    after_usd  numeric(24,12) NOT NULL,
    PRIMARY KEY (number, day, provider, model, meter)
) WITH (fillfactor = 50);
COMMENT ON TABLE rerating_change IS 'What a run changed, or would have changed, summed.';

CREATE TABLE rerating_catalog (
    version text        PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE rerating_catalog IS 'Catalogues for which the unrated requests were looked through.';
"""

ALLOWANCES = """
CREATE TABLE allowance_set (
    revision   bigserial   PRIMARY KEY,
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text        NOT NULL,
    CONSTRAINT allowance_set_document_is_a_list CHECK (jsonb_typeof(document) = 'array')
);
COMMENT ON COLUMN allowance_set.created_by IS 'The id of the access token, never its secret.';
CREATE TRIGGER allowance_set_append_only BEFORE UPDATE OR DELETE ON allowance_set
    FOR EACH ROW EXECUTE FUNCTION books_refuse_change();
"""


def upgrade() -> None:
    """Add tables and relax one check; the release before this one does not look at them."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    for script in (ENTRIES, RERATING, ALLOWANCES):
        # asyncpg runs several statements in one call only without a prepared statement.
        adapted.run_async(lambda driver, script=script: driver.execute(script))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("the ledger is append-only: restore a backup instead of downgrading")
