"""Where counts of a request disagree: sums by model and day, and the requests themselves for a while.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

VALIDATION = """
CREATE TABLE rollup_validation (
    day      date   NOT NULL,
    project  text   NOT NULL,
    provider text   NOT NULL,
    model    text   NOT NULL,
    modality text   NOT NULL,
    meter    text   NOT NULL,
    source   text   NOT NULL CHECK (source IN ('plugin', 'vendor')),
    finding  text   NOT NULL,
    requests bigint NOT NULL,
    ours     bigint NOT NULL,
    theirs   bigint NOT NULL,
    PRIMARY KEY (day, project, provider, model, modality, meter, source, finding)
) WITH (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE usage_discrepancy (
    day        date        NOT NULL,
    request_id uuid        NOT NULL,
    meter      text        NOT NULL,
    source     text        NOT NULL,
    finding    text        NOT NULL,
    ours       bigint      NOT NULL,
    theirs     bigint      NOT NULL,
    project    text        NOT NULL,
    session_id text        NOT NULL,
    provider   text        NOT NULL,
    model      text        NOT NULL,
    modality   text        NOT NULL,
    charged_at timestamptz NOT NULL,
    PRIMARY KEY (day, request_id, meter, source)
) PARTITION BY RANGE (day);
CREATE TABLE usage_discrepancy_default PARTITION OF usage_discrepancy DEFAULT;
CREATE INDEX usage_discrepancy_model ON usage_discrepancy (provider, model, charged_at);
"""


def upgrade() -> None:
    """Add the tables; the release before this one does not look at them."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(VALIDATION))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("restore a backup instead of downgrading")
