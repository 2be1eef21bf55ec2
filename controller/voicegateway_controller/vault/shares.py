"""Shares: of several keys of a vendor, how much of the requests each should have, by what its limits leave. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WHOLE_PERMILLE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How one limit of one key is; immutable."""

    meter: str
    left: int
    """What can be granted now, in the meter's units."""
    capacity: int
    """What can be granted at most at once: the burst, or the slots."""
    rate_micro: int
    """How fast it fills, in millionths of a unit per second; for slots, how many there are."""
    is_paused: bool = False
    """The vendor said to stay away."""


def shares(rooms: Mapping[str, Sequence[Room]]) -> dict[str, int]:
    """Return each key's share in permille: 1,000 for one with all of the most room, 0 for one that is used up.

    A key without limits has a whole share. Of two with limits on the same meter, one that fills half as fast has
    half a share, and so has one of which half is left; the narrowest of a key's limits counts.
    """
    fastest = _fastest(room for each in rooms.values() for room in each)
    return {key: _share(each, fastest) for key, each in rooms.items()}


def _share(rooms: Iterable[Room], fastest: Mapping[str, int]) -> int:
    return min((_of_one(room, fastest[room.meter]) for room in rooms), default=WHOLE_PERMILLE)


def _of_one(room: Room, fastest_micro: int) -> int:
    if room.is_paused or room.left <= 0 or room.capacity <= 0 or fastest_micro <= 0:
        return 0
    left = min(room.left, room.capacity)
    # Rounded up: what has anything left is not used up.
    return -(-WHOLE_PERMILLE * left * room.rate_micro // (room.capacity * fastest_micro))


def _fastest(rooms: Iterable[Room]) -> dict[str, int]:
    found: dict[str, int] = {}
    for room in rooms:
        found[room.meter] = max(found.get(room.meter, 0), room.rate_micro)
    return found
