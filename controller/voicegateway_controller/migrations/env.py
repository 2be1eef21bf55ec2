"""Alembic's entry: runs the revisions on the connection that `db/migrate.py` hands in, inside its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
