"""The call journal: which scripted calls were begun and ended, so that a restarted worker goes on where one died."""

import os
from pathlib import Path


class CallJournal:
    """An append-only file of `started N` and `ended N` lines, one write each; safe between processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def started(self, number: int) -> None:
        """Note that a call is about to begin."""
        self._append(f"started {number}\n")

    def ended(self, number: int) -> None:
        """Note that a call was held to its end."""
        self._append(f"ended {number}\n")

    def next_number(self) -> int:
        """The first number that was never begun."""
        return max(self._numbers("started"), default=-1) + 1

    def ended_count(self) -> int:
        """How many calls were held to their end."""
        return len(set(self._numbers("ended")))

    def _numbers(self, word: str) -> list[int]:
        if not self._path.exists():
            return []
        lines = self._path.read_text().splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith(f"{word} ")]

    def _append(self, line: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
