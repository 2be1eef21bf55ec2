"""Where a browser may be sent after a sign-in: to pages of our own, never to another site. Pure."""

from typing import Final
from urllib.parse import urlsplit

HOME: Final = "/"
PATH_CHARS_MAX: Final = 1_000


def own_path(wanted: str | None) -> str:
    """Return the path if it is one of ours, `/` otherwise.

    Browsers read `//host`, `/\\host` and a line break within as ways out; what is not plainly a path is none.
    """
    if not wanted or len(wanted) > PATH_CHARS_MAX or not wanted.startswith("/"):
        return HOME
    if wanted.startswith(("//", "/\\")) or "\\" in wanted or not wanted.isascii():
        return HOME
    if any(character <= " " or character == "\x7f" for character in wanted):
        return HOME
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return HOME
    # A route of the API is no page: a link could make somebody download, or sign out.
    if parts.scheme or parts.netloc or parts.path.startswith(("//", "/api/", "/v1/", "/mcp")):
        return HOME
    return wanted
