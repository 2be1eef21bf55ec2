"""Call legs from LiveKit's webhooks.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

CALLS = """
CREATE TABLE call_event (
    event_id    text        PRIMARY KEY,
    event       text        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE call_event IS 'Webhooks that were taken, so that none is taken twice; forgotten after some days.';
CREATE INDEX call_event_received ON call_event (received_at);

CREATE TABLE call_room (
    room_sid       text        PRIMARY KEY,
    name           text        NOT NULL,
    project        text        NOT NULL,
    started_at     timestamptz,
    finished_at    timestamptz,
    finish_seen_at timestamptz,
    seen_at        timestamptz NOT NULL
);
CREATE INDEX call_room_seen ON call_room (seen_at);

CREATE TABLE call_leg (
    leg_id           uuid        PRIMARY KEY,
    room_sid         text        NOT NULL,
    kind             text        NOT NULL,
    resource_id      text        NOT NULL,
    session_id       text        NOT NULL,
    direction        text        NOT NULL,
    trunk_id         text        NOT NULL,
    livekit_model    text        NOT NULL,
    carrier_provider text        NOT NULL,
    carrier_model    text        NOT NULL,
    call_id          text        NOT NULL,
    carrier_call_id  text        NOT NULL,
    project          text        NOT NULL,
    agent            text        NOT NULL DEFAULT '',
    present_project  text        NOT NULL DEFAULT '',
    is_connected     boolean     NOT NULL,
    is_unanswered    boolean     NOT NULL,
    is_estimated     boolean     NOT NULL,
    started_at       timestamptz,
    ended_at         timestamptz,
    lost_at          timestamptz,
    seen_at          timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL DEFAULT now(),
    settled_at       timestamptz,
    settled_session  text        NOT NULL DEFAULT '',
    settled_project  text        NOT NULL DEFAULT '',
    spans            smallint    NOT NULL DEFAULT 0,
    CONSTRAINT call_leg_kind CHECK (kind IN ('agent', 'sip', 'participant', 'egress', 'ingress'))
);
COMMENT ON COLUMN call_leg.project IS 'As the room, the participant or the telephony rule says.';
COMMENT ON COLUMN call_leg.present_project IS 'As the worker that carried the session said while it was live.';
COMMENT ON COLUMN call_leg.lost_at IS 'Last sign of life of a leg whose end nobody told.';
CREATE INDEX call_leg_room ON call_leg (room_sid);
CREATE INDEX call_leg_open ON call_leg (changed_at) WHERE settled_at IS NULL;
CREATE INDEX call_leg_session ON call_leg (settled_session) WHERE settled_at IS NOT NULL;
CREATE INDEX call_leg_settled ON call_leg (settled_at);

-- An agent that does not say its job is found by its room: among thousands of calls at once, not by looking at each.
CREATE INDEX rollup_session_room ON rollup_session (room, first_started_at);
"""


def upgrade() -> None:
    """Add the tables; the release before this one does not look at them."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(CALLS))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("restore a backup instead of downgrading")
