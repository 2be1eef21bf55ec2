"""Against DNS rebinding: a page in somebody's browser must not speak to us under a name of its own. Pure.

A page can make its own name lead to this machine, and then its browser takes us for the page's own server. What it
cannot do is send that request without its name in `Host`, nor a POST without `Origin`. So whatever comes from a
browser must name us by an address, by `localhost`, or by a name that the settings list.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain"})


def wrong_host(host: str, *, hosts: Collection[str], is_browser: bool) -> str | None:
    """Return why a `Host` header is refused, None when it is not.

    `hosts` are the names that the settings list; when there are any, they hold for everybody, else for browsers alone:
    what is no browser cannot be tricked so, and names of services inside a cluster are many.
    """
    name = _name(f"//{host}")
    if name is None:
        return "the request names no host"
    if is_browser or hosts:
        return None if _is_ours(name, hosts) else f"the host {name!r} is not one of ours: see VOICEGATEWAY_MCP_HOSTS"
    return None


def wrong_origin(origin: str | None, host: str, *, hosts: Collection[str]) -> str | None:
    """Return why an `Origin` header is refused, None when it is not: only pages of this server's own may speak."""
    if origin is None:
        return None
    name = _name(origin)
    if name is None or not _is_ours(name, hosts):
        return f"pages of {origin[:100]!r} may not speak to this server"
    if urlsplit(origin).netloc.lower() != host.lower() and name not in hosts:
        return f"pages of {origin[:100]!r} may not speak to this server: it is another origin"
    return None


def _is_ours(name: str, hosts: Collection[str]) -> bool:
    if name in LOOPBACK_NAMES or name in hosts:
        return True
    try:
        # An address is no name: nobody can make it lead elsewhere.
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name(url: str) -> str | None:
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower() or None
    except ValueError:
        return None
