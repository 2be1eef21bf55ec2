"""What holds for vendors' keys, and for how they may travel. Pure."""

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Final

from starlette.requests import HTTPConnection

from voicegateway_controller.errors import BadRequest

ID_PATTERN: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
KEY_CHARS_MIN: Final = 8
KEY_CHARS_MAX: Final = 16 * 1024
"""A service account's JSON has some 2,400."""
NOTE_CHARS_MAX: Final = 300
PROJECTS_MAX: Final = 200
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


def checked_id(text: str) -> str:
    """Return a key's name; BadRequest when it is none."""
    if re.fullmatch(ID_PATTERN, text) is None:
        raise BadRequest(f"{text[:80]!r} is no name of a key: write small letters, digits, dots and dashes, at most 64")
    return text


def checked_text(text: str) -> str:
    """Return a key as it is sealed, without the line's end that a file adds; BadRequest never repeats it."""
    stripped = text.strip()
    if not KEY_CHARS_MIN <= len(stripped) <= KEY_CHARS_MAX:
        raise BadRequest(f"a key has {KEY_CHARS_MIN} to {KEY_CHARS_MAX:,} characters, this one {len(stripped):,}")
    # A service account is a JSON document with lines of its own; what goes into a header has none.
    is_document = stripped.startswith("{") and stripped.endswith("}")
    plain = stripped.replace("\n", "").replace("\r", "").replace("\t", "") if is_document else stripped
    if not plain.isascii() or not plain.isprintable() or (" " in plain and not is_document):
        raise BadRequest("the key has characters that no key has: spaces, line ends or letters beyond ASCII")
    return stripped


def checked_provider(provider: str, *, providers: Collection[str]) -> str:
    """Return a provider's id; BadRequest when nobody knows it."""
    if provider not in providers:
        raise BadRequest(f"provider {provider[:80]!r} is unknown; take one of {', '.join(sorted(providers))}")
    return provider


def is_safe_way(connection: HTTPConnection) -> bool:
    """Say whether a key may go back this way: over TLS, or to this very machine."""
    host = None if connection.client is None else connection.client.host
    return is_safe(connection.scope.get("scheme", "http"), host, connection.headers)


def is_safe(scheme: str, host: str | None, headers: Mapping[str, str]) -> bool:
    """Say whether a request came over TLS, or from this machine itself and not through a proxy on it."""
    if scheme in ("https", "wss"):
        return True
    if host is not None and not _is_loopback(host):
        return False
    if headers.get("x-forwarded-proto", "").strip().lower() == "https":
        # Only a process of this machine can say so here: it ended the TLS.
        return True
    return not any(name in headers for name in (*_FORWARDED, "x-forwarded-proto"))


def is_leased_to(projects: Collection[str] | None, reached: Collection[str] | None) -> bool:
    """Say whether a key of some projects is for a holder that reaches some; None means all."""
    return projects is None or reached is None or not set(projects).isdisjoint(reached)


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback if mapped is None else mapped.is_loopback
