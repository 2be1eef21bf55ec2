"""The one way into the audit log: in the transaction of the change that it tells of."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from voicegateway_controller.db.engine import Connection
from voicegateway_shared.masking import mask

CHAIN_LOCK: Final = 0x7667_6175_6469_7401
"""Records are numbered and sealed one after another; held until the change's transaction ends."""
NO_DIGEST: Final = b"\x00" * 32
"""What the first record is sealed with."""
DOCUMENT_BYTES_MAX: Final = 256 * 1024
"""A longer document is recorded by its digest and its size: what it said is kept where it was declared."""
SECRET_WORDS: Final = ("secret", "password", "api_key", "token_text", "private_key", "authorization", "key_text")
"""Names of fields whose texts are never written down as they are, wherever they stand in a document."""

_LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
_NEWEST: Final = "SELECT number, digest FROM audit_record ORDER BY number DESC LIMIT 1"
_INSERT: Final = """
INSERT INTO audit_record (number, at, actor, action, resource, project, reason, before, after, digest)
VALUES ($1, to_timestamp($2::bigint / 1000000.0), $3, $4, $5, $6, $7, $8, $9, $10)
"""
_NOW_US: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change that somebody made. Immutable."""

    actor: str
    """`Access.actor`: a token's id, a signed-in person, or the job that did it; never a secret."""
    action: str
    """Noun and verb: `limits.declare`, `token.revoke`, `key.rotate`."""
    resource: str
    """What was changed, as its route names it: `limits`, `tokens/1f2e…`, `keys/openai-main`."""
    before: Mapping[str, Any] | Sequence[Any] | None = None
    """What was there, None where nothing was. Fields named like secrets are masked; other secrets must not be in it."""
    after: Mapping[str, Any] | Sequence[Any] | None = None
    """What is there now, None where nothing is. Likewise."""
    project: str = ""
    """Whose it is; empty for what concerns the whole fleet."""
    reason: str = ""


async def record_change(connection: Connection, change: Change) -> int:
    """Write a change down and return its number, in the open transaction of the change itself, as its last step.

    The change and its record are there both or neither. Until the transaction ends other changes wait for their turn.
    """
    await connection.execute(_LOCK, CHAIN_LOCK)
    newest = await connection.fetchrow(_NEWEST)
    number = 1 if newest is None else newest["number"] + 1
    at_us: int = await connection.fetchval(_NOW_US)
    before, after = _as_text(change.before), _as_text(change.after)
    fields = (number, at_us, change.actor, change.action, change.resource, change.project, change.reason, before, after)
    digest = sealed(NO_DIGEST if newest is None else newest["digest"], fields)
    await connection.execute(_INSERT, *fields, digest)
    return int(number)


def sealed(previous: bytes, fields: Sequence[object]) -> bytes:
    """Return a record's digest: SHA-256 of the digest before it and its fields as one JSON list."""
    return hashlib.sha256(previous + msgspec.json.encode(list(fields))).digest()


def masked(document: Any, *, is_secret: bool = False) -> Any:
    """Return a document with every text below a secret-looking field masked, at any depth."""
    if isinstance(document, Mapping):
        return {str(key): masked(each, is_secret=is_secret or _is_secret(str(key))) for key, each in document.items()}
    if isinstance(document, str):
        return mask(document) if is_secret else document
    if isinstance(document, Sequence) and not isinstance(document, bytes):
        return [masked(each, is_secret=is_secret) for each in document]
    return document


def _is_secret(field: str) -> bool:
    return any(word in field.lower() for word in SECRET_WORDS)


def _as_text(document: Any) -> str | None:
    if document is None:
        return None
    encoded = msgspec.json.encode(masked(document), order="deterministic")
    if len(encoded) > DOCUMENT_BYTES_MAX:
        encoded = msgspec.json.encode({"sha256": hashlib.sha256(encoded).hexdigest(), "bytes": len(encoded)})
    return encoded.decode()
