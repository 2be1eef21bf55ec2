"""The declared chains, stacks and defaults: whole sets like the limits, one element for each project.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROUTING = """
CREATE TABLE routing_set (
    revision   bigserial   PRIMARY KEY,
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text        NOT NULL,
    CONSTRAINT routing_set_document_is_a_list CHECK (jsonb_typeof(document) = 'array')
);
COMMENT ON COLUMN routing_set.created_by IS 'The id of the access token, never its secret.';

CREATE FUNCTION routing_set_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'routing sets are append-only: declare another one'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER routing_set_append_only BEFORE UPDATE OR DELETE ON routing_set
    FOR EACH ROW EXECUTE FUNCTION routing_set_refuse_change();
"""


def upgrade() -> None:
    """Add the table; the release before this one does not look at it."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(ROUTING))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("routing sets are append-only: restore a backup instead of downgrading")
