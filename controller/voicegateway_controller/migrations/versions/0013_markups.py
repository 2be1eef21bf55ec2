"""What customers are charged: the declared markups, whole sets like the budgets; and the order of usage events.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MARKUPS = """
CREATE TABLE markup_set (
    revision   bigserial   PRIMARY KEY,
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text        NOT NULL,
    CONSTRAINT markup_set_document_is_a_list CHECK (jsonb_typeof(document) = 'array')
);
COMMENT ON COLUMN markup_set.created_by IS 'The id of the access token, never its secret.';
CREATE FUNCTION markup_set_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'markup sets are append-only: declare another one'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER markup_set_append_only BEFORE UPDATE OR DELETE ON markup_set
    FOR EACH ROW EXECUTE FUNCTION markup_set_refuse_change();

-- Usage events leave in the order of their batches: entries stand in it as they were written, so a summary of ranges
-- of pages finds them and costs nothing to keep.
CREATE INDEX ledger_entry_batch ON ledger_entry USING brin (batch) WITH (pages_per_range = 32);
CREATE INDEX ledger_block_batch ON ledger_block (batch);
"""


def upgrade() -> None:
    """Add a table and two indexes; the release before this one goes on writing."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(MARKUPS))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("markup sets are append-only: restore a backup instead of downgrading")
