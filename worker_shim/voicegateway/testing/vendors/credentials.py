"""Keys as vendors name them on their bills: an id that stands for the key and never tells it."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from voicegateway_shared.fingerprints import fingerprint

KEY_HEADERS: Final = ("Authorization", "x-api-key", "xi-api-key")
KEY_PARAMETERS: Final = ("api_key", "token")
"""Browsers cannot set headers on WebSockets, so vendors take the key in the address too."""
_SCHEMES: Final = ("bearer ", "token ")


def presented_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return the key that a request came with, without its scheme; empty without one."""
    text = next((headers[name] for name in KEY_HEADERS if headers.get(name)), "")
    if not text:
        return next((query[name] for name in KEY_PARAMETERS if query.get(name)), "")
    return next((text[len(scheme) :] for scheme in _SCHEMES if text.lower().startswith(scheme)), text).strip()


def key_fact(key: str) -> str:
    """Return what a truth record keeps of a key: 32 hexadecimal digits, the same for the same key."""
    return hashlib.sha256(b"simulated-vendor-key:" + key.encode()).hexdigest()[:32]


def credential(vendor: str, fact: str) -> str:
    """Return the id by which a vendor's bill names the key of a truth record; empty for an empty fact."""
    if not fact:
        return ""
    match vendor:
        case "openai":
            return f"key_{fact[:24]}"
        case "anthropic":
            return f"apikey_01{fact[:24]}"
        case "deepgram" | "cartesia":
            return str(UUID(fact))
        case "elevenlabs":
            return hashlib.sha256(fact.encode()).hexdigest()
        case _:
            return fact[:24]


def credential_of(vendor: str, key: str) -> str:
    """Return the id by which a vendor's bill names a key."""
    return credential(vendor, key_fact(key))


def key_links(vendor: str, keys: Iterable[str]) -> dict[str, str]:
    """Return the vendor's ids of some keys, each with the fingerprint that our ledger has as `key_id`."""
    return {credential_of(vendor, key): fingerprint(key) for key in keys}
