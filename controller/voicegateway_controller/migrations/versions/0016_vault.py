"""Vendors' keys, sealed.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE vault_key (
    id             text        PRIMARY KEY,
    provider       text        NOT NULL,
    projects       text[],
    note           text        NOT NULL DEFAULT '',
    version        bigint      NOT NULL,
    state          text        NOT NULL,
    sealed         bytea,
    sealed_by      text        NOT NULL DEFAULT '',
    fingerprint    text        NOT NULL,
    masked         text        NOT NULL,
    expires_at     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    created_by     text        NOT NULL,
    rotated_at     timestamptz,
    revoked_at     timestamptz,
    last_leased_at timestamptz,
    tested_at      timestamptz,
    test_result    text        NOT NULL DEFAULT '',
    CONSTRAINT vault_key_state_is_known CHECK (state IN ('active', 'disabled', 'revoked')),
    CONSTRAINT vault_key_revoked_holds_nothing CHECK ((state = 'revoked') = (sealed IS NULL))
);
COMMENT ON TABLE vault_key IS 'Keys of vendors, sealed; a revoked one keeps its name and no secret.';
COMMENT ON COLUMN vault_key.projects IS 'Which projects may use it; NULL means all.';
COMMENT ON COLUMN vault_key.sealed IS 'A Fernet token; which secret opens it says sealed_by.';
COMMENT ON COLUMN vault_key.fingerprint IS 'The one-way short name of the key, as in spans and limits.';
CREATE UNIQUE INDEX vault_key_fingerprint ON vault_key (provider, fingerprint) WHERE state <> 'revoked';
CREATE TABLE vault_state (
    is_only  boolean PRIMARY KEY DEFAULT true,
    revision bigint  NOT NULL,
    CONSTRAINT vault_state_is_one_row CHECK (is_only)
);
COMMENT ON TABLE vault_state IS 'Grows with every change of a key: what replicas ask for, several times a second.';
INSERT INTO vault_state (revision) VALUES (0);
CREATE TABLE vault_replica (
    id      text        PRIMARY KEY,
    secrets text[]      NOT NULL,
    seen_at timestamptz NOT NULL
);
COMMENT ON TABLE vault_replica IS 'Which vault secrets each controller has, by their short names, the primary first.';
CREATE TABLE key_set (
    revision   bigserial   PRIMARY KEY,
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text        NOT NULL,
    CONSTRAINT key_set_document_is_a_list CHECK (jsonb_typeof(document) = 'array')
);
COMMENT ON TABLE key_set IS 'Where declared keys are read: variables and files, never their texts.';
CREATE FUNCTION key_set_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'key sets are append-only: declare another one'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER key_set_append_only BEFORE UPDATE OR DELETE ON key_set
    FOR EACH ROW EXECUTE FUNCTION key_set_refuse_change();
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
