"""The declared budgets, whole sets like the limits; and how much of each window was ever released for spending.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BUDGETS = """
CREATE TABLE budget_set (
    revision   bigserial   PRIMARY KEY,
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text        NOT NULL,
    CONSTRAINT budget_set_document_is_a_list CHECK (jsonb_typeof(document) = 'array')
);
COMMENT ON COLUMN budget_set.created_by IS 'The id of the access token, never its secret.';

CREATE FUNCTION budget_set_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'budget sets are append-only: declare another one'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER budget_set_append_only BEFORE UPDATE OR DELETE ON budget_set
    FOR EACH ROW EXECUTE FUNCTION budget_set_refuse_change();

CREATE TABLE budget_window (
    budget_id    text        NOT NULL,
    window_id    text        NOT NULL,
    starts_at    timestamptz,
    ends_at      timestamptz,
    epoch        bigint      NOT NULL DEFAULT 0,
    ceiling_nano bigint      NOT NULL DEFAULT 0,
    opened_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (budget_id, window_id),
    CONSTRAINT budget_window_ceiling_is_exact CHECK (ceiling_nano BETWEEN 0 AND 9007199254740992)
);
COMMENT ON COLUMN budget_window.ceiling_nano IS
    'No more than this was ever released for spending: committed here before Redis hears of it.';
COMMENT ON COLUMN budget_window.epoch IS
    'How often the window was opened in Redis: once, and after each loss of memory.';
CREATE INDEX budget_window_ends_at ON budget_window (ends_at);
"""


def upgrade() -> None:
    """Add the tables; the release before this one does not look at them."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(BUDGETS))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("budget sets are append-only: restore a backup instead of downgrading")
