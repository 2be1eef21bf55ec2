"""Masking: what is shown of a secret, wherever one would be shown. Pure."""

from typing import Final

SHOWN_CHARS: Final = 4
"""At each end."""
SHORTEST_SHOWN_CHARS: Final = 16
"""Of a shorter secret, eight characters would be half of it or more: nothing is shown of it."""
HIDDEN: Final = "..."


def mask(secret: str) -> str:
    """Return `secr...2345`: enough to tell two secrets apart, too little to guess one; `...` for a short one."""
    if len(secret) < SHORTEST_SHOWN_CHARS:
        return HIDDEN if secret else ""
    return f"{secret[:SHOWN_CHARS]}{HIDDEN}{secret[-SHOWN_CHARS:]}"
