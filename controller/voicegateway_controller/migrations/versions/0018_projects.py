"""The declared projects: whole sets like the limits.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE project_set (
    revision   bigserial   PRIMARY KEY,
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text        NOT NULL,
    CONSTRAINT project_set_document_is_a_list CHECK (jsonb_typeof(document) = 'array')
);
COMMENT ON COLUMN project_set.created_by IS 'The id of the access token, never its secret.';
CREATE FUNCTION project_set_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'project sets are append-only: declare another one'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER project_set_append_only BEFORE UPDATE OR DELETE ON project_set
    FOR EACH ROW EXECUTE FUNCTION project_set_refuse_change();
"""


def upgrade() -> None:
    """Add what the title says; the release before this one goes on writing."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(STATEMENTS))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("restore a backup instead of downgrading")
