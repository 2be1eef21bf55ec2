"""The slate: intents of a process that no commit has taken yet, in memory that outlives a kill -9.

Waiting for a commit costs a request's event loop some 100 µs; writing here costs two. The map is a file's pages:
the kernel keeps what was stored in them when the process is gone, however it went.
"""

import mmap
import os
import struct
from collections import deque
from pathlib import Path
from typing import Final

SLOTS: Final = 64
"""Requests begun between two commits, 20 ms apart; more than these wait for their commit as if there were no slate."""
SLOT_BYTES: Final = 2048
"""An intent's span is some 600 bytes; one that does not fit waits for its commit."""
_HEADER: Final = struct.Struct("<I")
"""Length of the slot's span, 0 when free. Written last, so that a kill in between leaves the slot free."""
_FREE: Final = _HEADER.pack(0)
_CAPACITY: Final = SLOT_BYTES - _HEADER.size


class Slate:
    """One process's slots. Made and closed by the writer thread; slots are taken by callers, freed by the writer."""

    def __init__(self, path: Path) -> None:
        """Make an empty slate.

        Raises:
            OSError: the file cannot be made.
        """
        self._path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            # Really there, not a hole: storing into a page that a full disk cannot back would kill us with SIGBUS.
            os.posix_fallocate(descriptor, 0, SLOTS * SLOT_BYTES)
            self._map = mmap.mmap(descriptor, SLOTS * SLOT_BYTES)
        finally:
            os.close(descriptor)
        self._free = deque(range(SLOTS))

    def put(self, span: bytes) -> int | None:
        """Keep a span; return its slot, or None when it does not fit. About 1 µs, no system call."""
        length = len(span)
        if length > _CAPACITY:
            return None
        try:
            slot = self._free.popleft()
        except IndexError:
            return None
        start = slot * SLOT_BYTES
        body = start + _HEADER.size
        self._map[body : body + length] = span
        self._map[start:body] = _HEADER.pack(length)
        return slot

    def read(self, slot: int) -> bytes:
        """Return the span in a slot that is taken."""
        start = slot * SLOT_BYTES
        (length,) = _HEADER.unpack_from(self._map, start)
        body = start + _HEADER.size
        return self._map[body : body + length]

    def free(self, slot: int) -> None:
        """Forget a span that a commit has taken, or that is counted as lost."""
        start = slot * SLOT_BYTES
        self._map[start : start + _HEADER.size] = _FREE
        self._free.append(slot)

    def remove(self) -> None:
        """Remove the file; whoever still has a slot writes into memory that nobody will read."""
        self._path.unlink(missing_ok=True)


def read_slate(path: Path) -> list[bytes]:
    """Return the spans on a dead process's slate, none when there is no slate.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    spans = []
    for start in range(0, len(content) - SLOT_BYTES + 1, SLOT_BYTES):
        (length,) = _HEADER.unpack_from(content, start)
        if 0 < length <= _CAPACITY:
            spans.append(content[start + _HEADER.size : start + _HEADER.size + length])
    return spans
