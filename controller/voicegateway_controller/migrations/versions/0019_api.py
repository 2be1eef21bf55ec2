"""What the API keeps of requests that may be said again.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE idempotency_key (
    digest   bytea       PRIMARY KEY,
    request  bytea       NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    is_kept  boolean     NOT NULL DEFAULT false,
    status   smallint,
    headers  text,
    body     bytea
);
COMMENT ON TABLE idempotency_key IS 'Requests that may be said again, for a day; what was not carried out is not here.';
COMMENT ON COLUMN idempotency_key.digest IS 'SHA-256 of who asked and of the Idempotency-Key: neither is kept.';
COMMENT ON COLUMN idempotency_key.request IS 'SHA-256 of path, query, body: another one is refused.';
COMMENT ON COLUMN idempotency_key.is_kept IS 'False where the answer held a secret or was too large.';
CREATE INDEX idempotency_key_begun_at ON idempotency_key (begun_at);
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
