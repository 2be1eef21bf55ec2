"""Managed prices: what operators recorded, append-only, and every price that ever rated anything.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

RECORDS = """
CREATE TABLE price_record (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text        NOT NULL,
    provider       text        NOT NULL CHECK (provider <> ''),
    layer          text        NOT NULL,
    scope          text        NOT NULL,
    content        text        NOT NULL,
    price_id       text,
    effective_from timestamptz,
    effective_to   timestamptz,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by    text        NOT NULL CHECK (recorded_by <> ''),
    reason         text        NOT NULL CHECK (reason <> ''),
    source_url     text        NOT NULL,
    source_via     text        NOT NULL,
    verified_on    date,
    confidence     text        NOT NULL,
    change         uuid        NOT NULL,
    supersedes     bigint      REFERENCES price_record (id),
    CONSTRAINT price_record_kind CHECK (kind IN ('price', 'discount', 'credit_price', 'plan', 'context',
        'verification', 'withdrawal')),
    CONSTRAINT price_record_layer CHECK (layer IN ('list', 'account', 'project') AND (layer = 'list') = (scope = '')),
    CONSTRAINT price_record_window CHECK (effective_from < effective_to),
    CONSTRAINT price_record_withdraws_one CHECK (kind <> 'withdrawal' OR supersedes IS NOT NULL),
    CONSTRAINT price_record_id_is_told CHECK (kind NOT IN ('price', 'verification') OR price_id IS NOT NULL)
);
COMMENT ON TABLE price_record IS 'Prices, discounts and plans beside those of the package. A row is never changed:
another one stands in for it (supersedes), or withdraws it. What was known at an instant are the rows recorded by then
that no other row recorded by then supersedes.';
COMMENT ON COLUMN price_record.content IS 'The row of a price file, as JSON.';
COMMENT ON COLUMN price_record.verified_on IS 'The day on which it was read at its source.';
COMMENT ON COLUMN price_record.change IS 'What was recorded in one step.';
CREATE UNIQUE INDEX price_record_superseded_once ON price_record (supersedes) WHERE supersedes IS NOT NULL;
CREATE INDEX price_record_price ON price_record (price_id) WHERE price_id IS NOT NULL;
CREATE INDEX price_record_change ON price_record (change);
CREATE TRIGGER price_record_append_only BEFORE UPDATE OR DELETE ON price_record
    FOR EACH ROW EXECUTE FUNCTION books_refuse_change();
CREATE TRIGGER price_record_no_truncate BEFORE TRUNCATE ON price_record
    FOR EACH STATEMENT EXECUTE FUNCTION books_refuse_change();
"""

ROWS = """
CREATE TABLE price_row (
    price_id      text        PRIMARY KEY,
    provider      text        NOT NULL,
    model         text        NOT NULL,
    modality      text        NOT NULL,
    meter         text        NOT NULL,
    layer         text        NOT NULL,
    scope         text        NOT NULL,
    content       text        NOT NULL,
    origin        text        NOT NULL,
    first_version text        NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE price_row IS 'Every price that a rating could name, before it rated anything: entries stay traceable
when the package that shipped it, or the record that stated it, is gone.';
CREATE TRIGGER price_row_append_only BEFORE UPDATE OR DELETE ON price_row
    FOR EACH ROW EXECUTE FUNCTION books_refuse_change();
CREATE TRIGGER price_row_no_truncate BEFORE TRUNCATE ON price_row
    FOR EACH STATEMENT EXECUTE FUNCTION books_refuse_change();
"""


def upgrade() -> None:
    """Add tables; the release before this one goes on rating by its own prices alone."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    for script in (RECORDS, ROWS):
        # asyncpg runs several statements in one call only without a prepared statement.
        adapted.run_async(lambda driver, script=script: driver.execute(script))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("prices are append-only: restore a backup instead of downgrading")
