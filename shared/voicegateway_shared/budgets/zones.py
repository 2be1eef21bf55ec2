"""Zones: the names of the IANA time zone database, the same on every machine."""

import functools
from difflib import get_close_matches
from typing import Final
from zoneinfo import available_timezones

from voicegateway_shared.errors import ConfigurationError

_NOT_ZONES: Final = frozenset({"localtime", "Factory", "posixrules"})
"""Files beside the zones: what they mean depends on the machine."""


def zone_name(given: object, place: str) -> str:
    """Return the name of a zone that exists, exactly as the database writes it.

    Raises:
        ConfigurationError: there is no such zone; offsets such as +02:00 are none, they know no daylight saving.
    """
    if isinstance(given, str) and given in _names():
        return given
    near = get_close_matches(given, _names(), n=1, cutoff=0.7) if isinstance(given, str) else []
    hint = f"did you mean {near[0]!r}?" if near else "write an IANA name such as Europe/Berlin or UTC"
    raise ConfigurationError(f"{place}: {given!r} is no known zone; {hint}")


@functools.cache
def _names() -> frozenset[str]:
    # ZoneInfo(name) would do, were it not for file systems that think europe/berlin is Europe/Berlin.
    return frozenset(available_timezones() - _NOT_ZONES)
