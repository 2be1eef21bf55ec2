"""Ids made by us: sortable request ids and process incarnations."""

import os
import random
import secrets
import socket
import time
from typing import NewType

RequestId = NewType("RequestId", str)
SessionId = NewType("SessionId", str)
Incarnation = NewType("Incarnation", str)


def new_request_id(now_ns: int | None = None) -> RequestId:
    """Return a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits.

    Time-ordered ids keep the ledger's index inserts at its right edge: five times the rate of random ones.
    """
    now_ms = (time.time_ns() if now_ns is None else now_ns) // 1_000_000
    random_bits = random_bits_of(80)
    value = (now_ms & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (random_bits >> 62 & 0xFFF) << 64
    value |= 0b10 << 62 | random_bits & 0x3FFF_FFFF_FFFF_FFFF
    digits = f"{value:032x}"  # UUID's own constructor and __str__ would cost four times as much
    return RequestId(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")


def random_bits_of(count: int) -> int:
    """Return random bits for ids that are many and guard nothing; a system call each would cost 12 µs in a VM.

    Seeded by the system, apart from the `random` module's shared state, which anybody may seed; anew after a fork.
    """
    return _ids.getrandbits(count)


_ids = random.Random()
# Random() is seeded from the system; a forked child would otherwise go on with its parent's numbers.
os.register_at_fork(after_in_child=_ids.seed)


def new_incarnation() -> Incarnation:
    """Return the id of this process life: `<host>-<pid>-<random>`; never the same twice."""
    return Incarnation(f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
