"""Vendors' keys: sealed in Postgres, masked wherever shown, leased to workers in memory."""
