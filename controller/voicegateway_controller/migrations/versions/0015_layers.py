"""Configuration in layers, and its versions.

Frozen SQL on purpose: a revision must not change when the code around it does.
"""

from alembic import op
from sqlalchemy.engine import AdaptedConnection

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LAYERS = """
CREATE TABLE configuration_version (
    number      bigint      PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text        NOT NULL,
    layer       text        NOT NULL,
    kinds       text[]      NOT NULL,
    summary     text        NOT NULL DEFAULT '',
    reason      text        NOT NULL DEFAULT '',
    origin      text        NOT NULL DEFAULT '',
    rollback_of bigint      REFERENCES configuration_version (number),
    CONSTRAINT configuration_version_layer_is_known CHECK (layer IN ('env', 'db', 'yaml'))
);
COMMENT ON TABLE configuration_version IS 'Each change of a layer, numbered without gaps.';
COMMENT ON COLUMN configuration_version.origin IS 'The file or variable, and the host it was read on; empty for db.';

CREATE TABLE configuration_layer (
    version  bigint NOT NULL REFERENCES configuration_version (number),
    kind     text   NOT NULL,
    layer    text   NOT NULL,
    revision bigint NOT NULL,
    document json   NOT NULL,
    PRIMARY KEY (version, kind, layer),
    CONSTRAINT configuration_layer_layer_is_known CHECK (layer IN ('env', 'db', 'yaml'))
);
COMMENT ON TABLE configuration_layer IS 'What each layer says of each kind; of one kind and layer the newest holds.';
COMMENT ON COLUMN configuration_layer.revision IS 'The set of that kind that was made of all its layers then.';
COMMENT ON COLUMN configuration_layer.document IS 'As given; null where the layer says nothing of the kind any more.';
CREATE INDEX configuration_layer_newest ON configuration_layer (kind, layer, version DESC);

CREATE FUNCTION configuration_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'versions of the configuration are append-only: declare another one'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER configuration_version_append_only BEFORE UPDATE OR DELETE ON configuration_version
    FOR EACH ROW EXECUTE FUNCTION configuration_refuse_change();
CREATE TRIGGER configuration_layer_append_only BEFORE UPDATE OR DELETE ON configuration_layer
    FOR EACH ROW EXECUTE FUNCTION configuration_refuse_change();
CREATE TRIGGER configuration_version_no_truncate BEFORE TRUNCATE ON configuration_version
    FOR EACH STATEMENT EXECUTE FUNCTION configuration_refuse_change();
CREATE TRIGGER configuration_layer_no_truncate BEFORE TRUNCATE ON configuration_layer
    FOR EACH STATEMENT EXECUTE FUNCTION configuration_refuse_change();

-- What was declared until now was managed: the newest set of each kind is its first db layer.
WITH held AS (
    (SELECT 'limits' AS kind, revision, document FROM limit_set ORDER BY revision DESC LIMIT 1)
    UNION ALL
    (SELECT 'budgets', revision, document FROM budget_set ORDER BY revision DESC LIMIT 1)
    UNION ALL
    (SELECT 'routing', revision, document FROM routing_set ORDER BY revision DESC LIMIT 1)
    UNION ALL
    (SELECT 'allowances', revision, document FROM allowance_set ORDER BY revision DESC LIMIT 1)
    UNION ALL
    (SELECT 'markups', revision, document FROM markup_set ORDER BY revision DESC LIMIT 1)
), first AS (
    INSERT INTO configuration_version (number, actor, layer, kinds, summary)
    SELECT 1, 'migration', 'db', array_agg(kind ORDER BY kind), 'what was declared before there were layers'
    FROM held HAVING count(*) > 0
    RETURNING number
), routing AS (
    -- A set of routing is a list of sections; a layer says it as a person writes it.
    SELECT coalesce((
        SELECT section - 'project' FROM held, jsonb_array_elements(document) AS section
        WHERE kind = 'routing' AND coalesce(section ->> 'project', '') = '' LIMIT 1
    ), '{}'::jsonb) || coalesce((
        SELECT jsonb_build_object('projects', jsonb_object_agg(section ->> 'project', section - 'project'))
        FROM held, jsonb_array_elements(document) AS section
        WHERE kind = 'routing' AND coalesce(section ->> 'project', '') <> '' HAVING count(*) > 0
    ), '{}'::jsonb) AS document
)
INSERT INTO configuration_layer (version, kind, layer, revision, document)
SELECT first.number, held.kind, 'db', held.revision,
    CASE held.kind WHEN 'routing' THEN routing.document ELSE held.document END::json
FROM first, held, routing;
"""


def upgrade() -> None:
    """Add two tables; the release before this one goes on writing sets, which are taken for what is managed."""
    adapted = op.get_bind().connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("migrations run on asyncpg through SQLAlchemy's async engine only")
    # asyncpg runs several statements in one call only without a prepared statement.
    adapted.run_async(lambda driver: driver.execute(LAYERS))


def downgrade() -> None:
    """Refused: restore a backup instead."""
    raise NotImplementedError("versions of the configuration are append-only: restore a backup instead of downgrading")
