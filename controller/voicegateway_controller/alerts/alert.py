"""One alert as a value: its kinds, and texts that are safe in a header, a line of a log or a chat."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

Kind = Literal[
    "budget_threshold",
    "budget_exhausted",
    "anomaly",
    "breaker_open",
    "breaker_closed",
    "ledger_lag",
    "unrated_usage",
    "outbox_loss",
    "session_ended",
    "delivery_dead",
    "reconciliation_drift",
    "books_broken",
    "test",
]
Severity = Literal["info", "warning", "critical"]

KEY_CHARS_MAX: Final = 1_024
"""Longer than any id of a budget, a window and a percent together, or a provider's and a model's names."""
KEY_BYTES_MAX: Final = 2_400
"""Keys are indexed, and Postgres indexes 2,704 bytes."""
KEY_BEGINNING_CHARS: Final = 400
"""What is left of a longer one, for people."""
TITLE_CHARS_MAX: Final = 300
"""A subject line that people still read."""
DETAILS_BYTES_MAX: Final = 16 * 1024
"""Every channel carries this much; what is larger is left out and said to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as stored."""

    id: UUID
    key: str
    kind: str
    severity: str
    project: str
    """Empty: about no single project."""
    title: str
    details: Mapping[str, Any]
    raised_at: datetime


def one_line(text: str, *, chars_max: int) -> str:
    """Return a text without line breaks and other control characters, cut where it is too long."""
    cleaned = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return cleaned if len(cleaned) <= chars_max else f"{cleaned[: chars_max - 1]}…"


def stored_key(text: str) -> str:
    """Return a key as one line that an index holds; of a longer one the beginning, and the digest of all of it."""
    key = one_line(text, chars_max=len(text) + 1)
    if len(key) <= KEY_CHARS_MAX and len(key.encode()) <= KEY_BYTES_MAX:
        return key
    return f"{key[:KEY_BEGINNING_CHARS]}…{hashlib.sha256(key.encode()).hexdigest()}"


def encoded_details(details: Mapping[str, Any]) -> str:
    """Return details as JSON that Postgres takes, or a remark in their place when they are too large."""
    encoded = msgspec.json.encode(_without_nul(msgspec.to_builtins(details, enc_hook=str)))
    if len(encoded) > DETAILS_BYTES_MAX:
        encoded = msgspec.json.encode({"left_out": f"details of {len(encoded)} bytes"})
    return encoded.decode()


def _without_nul(value: Any) -> Any:
    """JSON in Postgres knows every character but this one."""
    if isinstance(value, str):
        return value.replace("\x00", " ")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(each) for key, each in value.items()}
    return [_without_nul(each) for each in value] if isinstance(value, list | tuple) else value
