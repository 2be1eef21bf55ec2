"""How large an outbox may grow; here so that both the door and the store know it without importing each other."""

from typing import Final

BYTES_MAX: Final = 512 * 1024 * 1024
"""Some 350,000 requests: days of a busy host without its controller."""
SPAN_BYTES_MAX: Final = 256 * 1024
"""A span of ours is about 1 KiB; a quarter of a MiB is a mistake, and the controller would quarantine it."""
DEAD_LETTERS_MAX: Final = 1_000
"""Enough to see what is wrong with them; the oldest beyond that are lost, and counted."""
