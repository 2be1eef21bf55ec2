"""The audit log: who changed what, append-only, each record sealed with the one before it.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

AUDIT = """
CREATE TABLE audit_record (
    number   bigint      PRIMARY KEY,
    at       timestamptz NOT NULL,
    actor    text        NOT NULL,
    action   text        NOT NULL,
    resource text        NOT NULL,
    project  text        NOT NULL,
    reason   text        NOT NULL,
    before   text,
    after    text,
    digest   bytea       NOT NULL
);
COMMENT ON TABLE audit_record IS 'Each change with who made it; secrets are masked before they come here.';
COMMENT ON COLUMN audit_record.before IS 'JSON as it was sealed, NULL where nothing was there.';
COMMENT ON COLUMN audit_record.digest IS 'SHA-256 of the digest before it and the other columns as one JSON list.';
CREATE INDEX audit_record_at ON audit_record (at);
CREATE INDEX audit_record_resource ON audit_record (resource, number);
CREATE INDEX audit_record_actor ON audit_record (actor, number);
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_record_append_only BEFORE UPDATE OR DELETE ON audit_record
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_record_no_truncate BEFORE TRUNCATE ON audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""


def upgrade() -> None:
    """Add a table; the release before this one goes on writing."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(AUDIT))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("the audit log is append-only: restore a backup instead of downgrading")
