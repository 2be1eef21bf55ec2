"""Tokens and roles as values: made, taken apart, compared. Pure but for the random secret."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from voicegateway_controller.errors import Forbidden

_PREFIX: Final = "vgw"
_SIGN_IN_PREFIX: Final = "vgs"
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


ADMINS: Final = frozenset({Role.ADMIN})
READERS: Final = frozenset({Role.ADMIN, Role.OPERATOR, Role.VIEWER})
OPERATORS: Final = frozenset({Role.ADMIN, Role.OPERATOR})
WORKERS: Final = frozenset({Role.ADMIN, Role.WORKER})
EVERYBODY: Final = frozenset(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a verified token or sign-in allows; lives for one request."""

    token_id: str
    """The token's id, also of a session that was begun with it; of a person who signed in elsewhere `oidc:<person>`."""
    role: Role
    projects: frozenset[str] | None
    """None means all."""
    expires_at: datetime | None
    name: str = ""
    """For whom the token is, or who the person is; shown, never decided on."""
    sign_in_id: str | None = None
    """The session's id; None for a token that came with the request itself."""

    @property
    def actor(self) -> str:
        """Who does what is done with it, for the audit log and `created_by` columns."""
        return self.token_id

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


def require_all_projects(access: Access, why: str) -> None:
    """Admit only tokens of all projects; Forbidden says `why`, such as "limits hold for the whole fleet"."""
    if access.projects is not None:
        raise Forbidden(f"{why}: this needs a token that reaches all projects")


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A well-formed token, not yet known to be good."""

    id: str
    secret: str = field(repr=False)


def new_token() -> tuple[str, ParsedToken]:
    """Return a fresh token as text and in its parts; the text is shown once and never stored."""
    return _new(_PREFIX)


def parse_token(text: str) -> ParsedToken | None:
    """Return the parts of `vgw_<id>_<secret>`, or None when the text is no token of ours."""
    return _parsed(text, _PREFIX)


def new_sign_in() -> tuple[str, ParsedToken]:
    """Return what a fresh sign-in's cookie holds, as text and in its parts."""
    return _new(_SIGN_IN_PREFIX)


def parse_sign_in(text: str) -> ParsedToken | None:
    """Return the parts of a sign-in's cookie, or None: a token in its place is none, and the other way round."""
    return _parsed(text, _SIGN_IN_PREFIX)


def _new(prefix: str) -> tuple[str, ParsedToken]:
    parts = ParsedToken(secrets.token_hex(_ID_HEX_CHARS // 2), secrets.token_urlsafe(_SECRET_BYTES))
    return f"{prefix}_{parts.id}_{parts.secret}", parts


def _parsed(text: str, expected: str) -> ParsedToken | None:
    if len(text) > TOKEN_CHARS_MAX or not text.isascii() or "\x00" in text:
        return None
    prefix, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    if prefix != expected or not token_id or not secret:
        return None
    return ParsedToken(token_id, secret)


def hash_secret(secret: str) -> bytes:
    """Return what is stored instead of the secret."""
    return hashlib.sha256(secret.encode()).digest()


def is_same_secret(secret: str, stored_hash: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(hash_secret(secret), stored_hash)
