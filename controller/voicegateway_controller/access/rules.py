"""Tokens and roles as values: made, taken apart, compared. Pure but for the random secret."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from voicegateway_controller.errors import Forbidden

_PREFIX: Final = "vgw"
_ID_HEX_CHARS: Final = 16
_SECRET_BYTES: Final = 32
"""256 random bits: nothing to guess, so a fast hash is enough to store it."""
TOKEN_CHARS_MAX: Final = 200
"""Longer than any token of ours; checked before anything is hashed."""


class Role(StrEnum):
    """What a token is for. Each may do exactly what its line says."""

    ADMIN = "admin"
    """Everything, the worker's routes included."""
    OPERATOR = "operator"
    """Read everything; change what runs."""
    VIEWER = "viewer"
    """Read."""
    WORKER = "worker"
    """Deliver spans and presence; read nothing."""


READERS: Final = frozenset({Role.ADMIN, Role.OPERATOR, Role.VIEWER})
OPERATORS: Final = frozenset({Role.ADMIN, Role.OPERATOR})
WORKERS: Final = frozenset({Role.ADMIN, Role.WORKER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a verified token allows; lives for one request."""

    token_id: str
    role: Role
    projects: frozenset[str] | None
    """None means all."""
    expires_at: datetime | None

    def allows(self, project: str) -> bool:
        """Say whether the token reaches this project."""
        return self.projects is None or project in self.projects


def reachable(access: Access, project: str | None) -> list[str] | None:
    """Return the projects a caller may read, None for all; Forbidden when one is asked for that is out of reach."""
    if project is None:
        return None if access.projects is None else sorted(access.projects)
    if not access.allows(project):
        raise Forbidden(f"the token does not reach project {project!r}")
    return [project]


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A well-formed token, not yet known to be good."""

    id: str
    secret: str


def new_token() -> tuple[str, ParsedToken]:
    """Return a fresh token as text and in its parts; the text is shown once and never stored."""
    parts = ParsedToken(secrets.token_hex(_ID_HEX_CHARS // 2), secrets.token_urlsafe(_SECRET_BYTES))
    return f"{_PREFIX}_{parts.id}_{parts.secret}", parts


def parse_token(text: str) -> ParsedToken | None:
    """Return the parts of `vgw_<id>_<secret>`, or None when the text is no token of ours."""
    if len(text) > TOKEN_CHARS_MAX or not text.isascii():
        return None
    prefix, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    if prefix != _PREFIX or not token_id or not secret:
        return None
    return ParsedToken(token_id, secret)


def hash_secret(secret: str) -> bytes:
    """Return what is stored instead of the secret."""
    return hashlib.sha256(secret.encode()).digest()


def is_same_secret(secret: str, stored_hash: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(hash_secret(secret), stored_hash)
