"""Alembic revisions, run from the package: `voicegateway_controller:migrations`."""
