"""Entries: one vendor's key as the vault knows it, without its text."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

State = Literal["active", "disabled", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sealed key as stored; immutable. Its repr shows no more than is shown anyway."""

    id: str
    provider: str
    projects: tuple[str, ...] | None
    """None means all."""
    note: str
    version: int
    state: State
    sealed: bytes | None = field(repr=False)
    """None of a revoked one."""
    sealed_by: str
    fingerprint: str
    masked: str
    expires_at: datetime | None
    created_at: datetime
    created_by: str
    rotated_at: datetime | None
    revoked_at: datetime | None
    last_leased_at: datetime | None
    tested_at: datetime | None
    test_result: str

    def is_live(self, now: datetime) -> bool:
        """Say whether it may be leased at this time."""
        return self.state == "active" and (self.expires_at is None or self.expires_at > now)

    def told(self) -> dict[str, Any]:
        """Return what the audit log says of it."""
        return {
            "id": self.id,
            "provider": self.provider,
            "projects": None if self.projects is None else list(self.projects),
            "note": self.note,
            "version": self.version,
            "state": self.state,
            "masked": self.masked,
            "fingerprint": self.fingerprint,
            "sealed_by": self.sealed_by,
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
        }
