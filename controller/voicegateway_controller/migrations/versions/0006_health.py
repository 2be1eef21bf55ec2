"""What people have switched off: one row per change, the newest of a vendor and model holds.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HEALTH = """
CREATE TABLE provider_switch (
    revision   bigserial   PRIMARY KEY,
    provider   text        NOT NULL,
    model      text        NOT NULL,
    is_off     boolean     NOT NULL,
    until      timestamptz,
    reason     text        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL
);
COMMENT ON COLUMN provider_switch.model IS 'Empty: everything of the vendor.';
COMMENT ON COLUMN provider_switch.until IS 'When it is on again by itself; none: when somebody switches it on.';
COMMENT ON COLUMN provider_switch.changed_by IS 'The id of the access token, never its secret.';
CREATE INDEX provider_switch_newest ON provider_switch (provider, model, revision DESC);

CREATE FUNCTION provider_switch_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'who switched what is append-only: switch it again'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER provider_switch_append_only BEFORE UPDATE OR DELETE ON provider_switch
    FOR EACH ROW EXECUTE FUNCTION provider_switch_refuse_change();
"""


def upgrade() -> None:
    """Add the table; the release before this one does not look at it."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(HEALTH))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("who switched what is append-only: restore a backup instead of downgrading")
