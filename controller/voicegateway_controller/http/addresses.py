"""What counts as one caller's address."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_REMEMBERED: Final = 4_096
_IPV6_BITS: Final = 64
"""What one line at home is given: counting single addresses would bound nobody."""


@lru_cache(maxsize=_REMEMBERED)
def counted_as(host: str) -> str:
    """Return what an address counts as: itself, the /64 of an IPv6 one."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_BITS), strict=False))


class Proxies:
    """The trusted proxies: exact addresses and networks. Lives as long as the server."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(part) for part in parts]

    def __contains__(self, host: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
