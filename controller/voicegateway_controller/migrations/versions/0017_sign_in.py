"""Sign-in sessions of the dashboard, and what tokens gained.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATEMENTS = """
SET LOCAL lock_timeout = '10s';
ALTER TABLE access_token
    ADD COLUMN created_by text NOT NULL DEFAULT '',
    ADD COLUMN revoked_by text;
CREATE INDEX access_token_page ON access_token (created_at DESC, id DESC);
CREATE INDEX access_token_revoked ON access_token (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE sign_in (
    id           text        PRIMARY KEY,
    secret_hash  bytea       NOT NULL,
    token_id     text        REFERENCES access_token (id),
    issuer       text,
    subject      text,
    actor        text        NOT NULL,
    name         text        NOT NULL,
    role         text        NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    projects     text[],
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    ended_by     text,
    CHECK ((token_id IS NULL) = (issuer IS NOT NULL AND subject IS NOT NULL))
);
COMMENT ON TABLE sign_in IS 'Browser sessions; the secret of the cookie is stored as its SHA-256 only.';
COMMENT ON COLUMN sign_in.token_id IS 'The token it was begun with, which ends it when it is revoked or expires.';
CREATE INDEX sign_in_page ON sign_in (created_at DESC, id DESC);
CREATE INDEX sign_in_actor ON sign_in (actor, created_at DESC, id DESC);
CREATE INDEX sign_in_ended ON sign_in (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sign_in_expires ON sign_in (expires_at);
"""


def upgrade() -> None:
    """Add a table and columns; the release before this one goes on writing."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(STATEMENTS))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("restore a backup instead of downgrading")
