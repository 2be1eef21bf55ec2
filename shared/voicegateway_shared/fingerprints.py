"""Fingerprints: the short one-way names by which vendors' keys are told apart. Pure."""

import hashlib
from typing import Final

DIGEST_BYTES: Final = 6
"""Short enough to read aloud; two of a thousand keys share one with a chance of one in half a billion."""
_PERSON: Final = b"voicegw-key"


def fingerprint(key: str | None) -> str:
    """A short one-way name for a vendor key, so that two keys' costs can be told apart; empty without a key."""
    if not key:
        return ""
    return hashlib.blake2b(key.encode(), digest_size=DIGEST_BYTES, person=_PERSON).hexdigest()
