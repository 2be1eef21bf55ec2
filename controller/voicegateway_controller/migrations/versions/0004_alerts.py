"""What somebody had to be told, once per key, and to whom it was sent how often.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ALERTS = """
CREATE TABLE alert (
    id        uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    position  bigserial   NOT NULL UNIQUE,
    key       text        NOT NULL UNIQUE,
    kind      text        NOT NULL,
    severity  text        NOT NULL,
    project   text        NOT NULL,
    title     text        NOT NULL,
    details   jsonb       NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now(),
    routed_at timestamptz,
    CONSTRAINT alert_severity CHECK (severity IN ('info', 'warning', 'critical')),
    CONSTRAINT alert_details_is_an_object CHECK (jsonb_typeof(details) = 'object')
);
COMMENT ON COLUMN alert.key IS 'What is told and for which window: one row per key, ever.';
COMMENT ON COLUMN alert.routed_at IS 'When a runner wrote down to which channels it goes.';
CREATE INDEX alert_project ON alert (project, position);
CREATE INDEX alert_unrouted ON alert (position) WHERE routed_at IS NULL;

CREATE TABLE alert_delivery (
    alert_id        uuid        NOT NULL REFERENCES alert (id),
    channel         text        NOT NULL,
    state           text        NOT NULL DEFAULT 'pending',
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    delivered_at    timestamptz,
    last_error      text        NOT NULL DEFAULT '',
    PRIMARY KEY (alert_id, channel),
    CONSTRAINT alert_delivery_state CHECK (state IN ('pending', 'delivered', 'dead'))
);
COMMENT ON COLUMN alert_delivery.next_attempt_at IS 'While an attempt runs: when somebody else may make the next.';
CREATE INDEX alert_delivery_due ON alert_delivery (channel, next_attempt_at) WHERE state = 'pending';
CREATE INDEX alert_delivery_dead ON alert_delivery (channel, next_attempt_at) WHERE state = 'dead';
"""


def upgrade() -> None:
    """Add the tables; the release before this one does not look at them."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(ALERTS))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("what was told is not untold: restore a backup instead of downgrading")
