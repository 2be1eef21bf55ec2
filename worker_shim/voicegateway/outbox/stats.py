"""What an outbox holds and has lost, as numbers for people, heartbeats and tests."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Spans that will never reach the controller, and why; kept in the outbox file itself."""

    reason: str
    provider: str
    model: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStats:
    """A snapshot. Counts are of the shared file, except those that say "this process"."""

    rows: int = 0
    """Settled spans that wait for the controller."""
    intents: int = 0
    """Requests that have begun and not settled."""
    dead_letters: int = 0
    """Spans the controller called malformed; kept for people to look at."""
    bytes: int = 0
    """Rows, intents and dead letters together, each row with its share of the file's overhead."""
    dropped: int = 0
    """Spans lost for good: those in the file's loss table, and this process's that could not be noted there."""
    delivered: int = 0
    """Spans the controller has acknowledged to this process."""
    rejected: int = 0
    """Spans the controller took from this process into its quarantine."""
    is_draining: bool = False
    """This process is the one that delivers for its host."""
    error: str = ""
    """Why the file cannot be written, or the controller not be reached, right now; empty when all is well."""
    losses: tuple[Loss, ...] = ()


def inspect(directory: Path) -> OutboxStats:
    """Read the outbox of `directory` from outside, blocking; zeros when there is none.

    Raises:
        sqlite3.Error, OSError: the file cannot be read.
    """
    # sqlite3 takes 5 ms to import, and importing voicegateway must stay light.
    from voicegateway.outbox.opening import open_store
    from voicegateway.outbox.schema import DATABASE_NAME

    if not (directory / DATABASE_NAME).exists():
        return OutboxStats()
    store = open_store(directory)
    try:
        return store.stats()
    finally:
        store.close()
