"""The vault's SQL. A change of a key locks the vault's one row of state first: changes come one after the other."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from voicegateway_controller.db.engine import Connection
from voicegateway_controller.vault.entry import Entry
from voicegateway_controller.vault.ring import Seal

TIMEOUT_S: Final = 3.0
"""A Postgres slower than this counts as away: what is known goes on holding."""
ENTRIES_MAX: Final = 1_000
"""Revoked ones, which keep their names, included."""
FORGET_REPLICA: Final = "1 hour"

_COLUMNS: Final = (
    "id, provider, projects, note, version, state, sealed, sealed_by, fingerprint, masked, expires_at, created_at, "
    "created_by, rotated_at, revoked_at, last_leased_at, tested_at, test_result"
)
REVISION: Final = "SELECT revision FROM vault_state"
BUMP: Final = "UPDATE vault_state SET revision = revision + 1 RETURNING revision"
LIST: Final = f"SELECT {_COLUMNS} FROM vault_key ORDER BY id LIMIT $1"
FIND: Final = f"SELECT {_COLUMNS} FROM vault_key WHERE id = $1"
COUNT: Final = "SELECT count(*) FROM vault_key"
TWIN: Final = """
SELECT id FROM vault_key WHERE provider = $1 AND fingerprint = $2 AND state <> 'revoked' AND id <> $3
"""
# A revoked name may be used again: its versions go on, so that no holder takes the new key for the old one.
PUT: Final = f"""
INSERT INTO vault_key
    (id, provider, projects, note, version, state, sealed, sealed_by, fingerprint, masked, expires_at, created_by)
VALUES ($1, $2, $3, $4, 1, 'active', $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE SET
    provider = excluded.provider, projects = excluded.projects, note = excluded.note,
    version = vault_key.version + 1, state = 'active', sealed = excluded.sealed, sealed_by = excluded.sealed_by,
    fingerprint = excluded.fingerprint, masked = excluded.masked, expires_at = excluded.expires_at,
    created_at = now(), created_by = excluded.created_by, rotated_at = NULL, revoked_at = NULL,
    last_leased_at = NULL, tested_at = NULL, test_result = ''
WHERE vault_key.state = 'revoked'
RETURNING {_COLUMNS}
"""
CHANGE: Final = f"""
UPDATE vault_key SET projects = $2, note = $3, state = $4, expires_at = $5 WHERE id = $1 RETURNING {_COLUMNS}
"""
ROTATE: Final = f"""
UPDATE vault_key SET
    version = version + 1, sealed = $2, sealed_by = $3, fingerprint = $4, masked = $5, rotated_at = now(),
    tested_at = NULL, test_result = ''
WHERE id = $1 RETURNING {_COLUMNS}
"""
REVOKE: Final = f"""
UPDATE vault_key SET
    version = version + 1, state = 'revoked', sealed = NULL, sealed_by = '', revoked_at = now()
WHERE id = $1 RETURNING {_COLUMNS}
"""
OTHERS: Final = f"""
SELECT {_COLUMNS} FROM vault_key
WHERE sealed IS NOT NULL AND sealed_by <> $1 AND id > $2
ORDER BY id LIMIT $3 FOR UPDATE
"""
RESEAL: Final = "UPDATE vault_key SET sealed = $2, sealed_by = $3 WHERE id = $1"
TESTED: Final = "UPDATE vault_key SET tested_at = now(), test_result = $3 WHERE id = $1 AND version = $2"
# Locked by name first, as re-sealing does: in another order each could wait for the other.
LEASED: Final = """
WITH lent AS MATERIALIZED (
    SELECT id FROM vault_key WHERE id = ANY($1::text[]) AND state <> 'revoked' ORDER BY id FOR UPDATE
)
UPDATE vault_key SET last_leased_at = greatest(last_leased_at, now()) FROM lent WHERE vault_key.id = lent.id
"""
SEEN: Final = """
INSERT INTO vault_replica (id, secrets, seen_at) VALUES ($1, $2, now())
ON CONFLICT (id) DO UPDATE SET secrets = excluded.secrets, seen_at = now()
"""
LEFT: Final = "DELETE FROM vault_replica WHERE id = $1"
FORGET: Final = f"DELETE FROM vault_replica WHERE seen_at < now() - interval '{FORGET_REPLICA}'"
REPLICAS: Final = """
SELECT id, secrets, seen_at FROM vault_replica
WHERE seen_at > now() - make_interval(secs => $1) ORDER BY id LIMIT 1000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that is to be stored; immutable."""

    id: str
    provider: str
    projects: tuple[str, ...] | None
    note: str
    expires_at: datetime | None
    seal: Seal = field(repr=False)
    fingerprint: str
    masked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One controller and the vault secrets it has, by their short names, the primary first."""

    id: str
    secrets: tuple[str, ...]
    seen_at: datetime


async def revision(connection: Connection) -> int:
    """Return the number of the newest change."""
    found: int = await connection.fetchval(REVISION, timeout=TIMEOUT_S)
    return found


async def bump(connection: Connection) -> int:
    """Count a change, and keep others from changing anything until the transaction ends."""
    made: int = await connection.fetchval(BUMP, timeout=TIMEOUT_S)
    return made


async def entries(connection: Connection) -> tuple[Entry, ...]:
    """Return all entries, revoked ones included, by name."""
    return tuple(map(_entry, await connection.fetch(LIST, ENTRIES_MAX, timeout=TIMEOUT_S)))


async def count(connection: Connection) -> int:
    """Return how many entries there are, revoked ones included."""
    found: int = await connection.fetchval(COUNT, timeout=TIMEOUT_S)
    return found


async def find(connection: Connection, key_id: str) -> Entry | None:
    """Return one entry."""
    row = await connection.fetchrow(FIND, key_id, timeout=TIMEOUT_S)
    return None if row is None else _entry(row)


async def twin(connection: Connection, *, provider: str, fingerprint: str, besides: str) -> str | None:
    """Return the name of another entry with the same key, None when there is none."""
    found: str | None = await connection.fetchval(TWIN, provider, fingerprint, besides, timeout=TIMEOUT_S)
    return found


async def put(connection: Connection, new: NewKey, *, by: str) -> Entry | None:
    """Store a key under a name that is free or was revoked; None when it is taken."""
    row = await connection.fetchrow(
        PUT,
        new.id,
        new.provider,
        None if new.projects is None else list(new.projects),
        new.note,
        new.seal.token,
        new.seal.by,
        new.fingerprint,
        new.masked,
        new.expires_at,
        by,
        timeout=TIMEOUT_S,
    )
    return None if row is None else _entry(row)


async def change(connection: Connection, changed: Entry) -> Entry:
    """Store what may change of an entry beside its key."""
    projects = None if changed.projects is None else list(changed.projects)
    return await _returned(connection, CHANGE, changed.id, projects, changed.note, changed.state, changed.expires_at)


async def rotate(connection: Connection, key_id: str, seal: Seal, *, fingerprint: str, masked: str) -> Entry:
    """Store another key under the same name."""
    return await _returned(connection, ROTATE, key_id, seal.token, seal.by, fingerprint, masked)


async def revoke(connection: Connection, key_id: str) -> Entry:
    """Overwrite the sealed key with nothing; the name, its fingerprint and its history stay."""
    return await _returned(connection, REVOKE, key_id)


async def sealed_otherwise(connection: Connection, *, primary: str, after: str, limit: int) -> list[Entry]:
    """Return, and lock, some entries that another secret than this one sealed, by name from `after` on."""
    return [_entry(row) for row in await connection.fetch(OTHERS, primary, after, limit, timeout=TIMEOUT_S)]


async def reseal(connection: Connection, seals: Sequence[tuple[str, Seal]]) -> None:
    """Store the same keys under other seals."""
    await connection.executemany(RESEAL, [(key_id, seal.token, seal.by) for key_id, seal in seals])


async def note_test(connection: Connection, key_id: str, version: int, result: str) -> None:
    """Keep what the vendor said of a key, unless it was rotated meanwhile."""
    await connection.execute(TESTED, key_id, version, result, timeout=TIMEOUT_S)


async def note_leased(connection: Connection, key_ids: Collection[str]) -> None:
    """Keep that these were leased just now."""
    await connection.execute(LEASED, list(key_ids), timeout=TIMEOUT_S)


async def note_replica(connection: Connection, replica: str, secrets: Sequence[str]) -> None:
    """Keep that a controller is there, and which secrets it has; forget those that are long gone."""
    await connection.execute(SEEN, replica, list(secrets), timeout=TIMEOUT_S)
    await connection.execute(FORGET, timeout=TIMEOUT_S)


async def forget_replica(connection: Connection, replica: str) -> None:
    """A controller leaves."""
    await connection.execute(LEFT, replica, timeout=TIMEOUT_S)


async def replicas(connection: Connection, *, within_s: float) -> tuple[Replica, ...]:
    """Return the controllers that were there so lately."""
    rows = await connection.fetch(REPLICAS, within_s, timeout=TIMEOUT_S)
    return tuple(Replica(id=row["id"], secrets=tuple(row["secrets"]), seen_at=row["seen_at"]) for row in rows)


async def _returned(connection: Connection, statement: str, *arguments: Any) -> Entry:
    row = await connection.fetchrow(statement, *arguments, timeout=TIMEOUT_S)
    if row is None:
        raise RuntimeError("the entry that was locked is gone")
    return _entry(row)


def _entry(row: Any) -> Entry:
    projects = row["projects"]
    return Entry(**{**dict(row), "projects": None if projects is None else tuple(projects)})
