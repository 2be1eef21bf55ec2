"""The declared limits: whole sets, each a revision; the newest is in force.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LIMITS = """
CREATE TABLE limit_set (
    revision   bigserial   PRIMARY KEY,
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text        NOT NULL,
    CONSTRAINT limit_set_document_is_a_list CHECK (jsonb_typeof(document) = 'array')
);
COMMENT ON COLUMN limit_set.created_by IS 'The id of the access token, never its secret.';

CREATE FUNCTION limit_set_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'limit sets are append-only: declare another one'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER limit_set_append_only BEFORE UPDATE OR DELETE ON limit_set
    FOR EACH ROW EXECUTE FUNCTION limit_set_refuse_change();
"""


def upgrade() -> None:
    """Add the table; the release before this one does not look at it."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(LIMITS))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("limit sets are append-only: restore a backup instead of downgrading")
