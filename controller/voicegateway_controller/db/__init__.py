"""Postgres: the engine, the schema's version, the partitions."""
