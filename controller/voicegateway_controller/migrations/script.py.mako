"""${message}

Revision: ${up_revision}, after ${down_revision | comma,n}. Add, deploy, remove: the old code still runs on it.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.execute("")


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("the ledger is append-only: restore a backup instead of downgrading")
