"""What one asking process saw: when it asked and when it was answered, kept in arrays and written to a file."""

import json
from array import array
from collections.abc import Sequence
from pathlib import Path


class AskLog:
    """Lives as long as its process's run. All times are CLOCK_MONOTONIC nanoseconds."""

    def __init__(self) -> None:
        self.admitted_ns = array("q")
        """Pairs: before asking, after the answer."""
        self.took_ns = array("q")
        """One for each request, admitted or not."""
        self.cpu_s = 0.0
        self.late = 0
        """Requests that came more than `LATE_NS` after their moment: this process could not offer more."""

    def answered(self, before_ns: int, after_ns: int, *, is_admitted: bool) -> None:
        """Note one answer."""
        self.took_ns.append(after_ns - before_ns)
        if is_admitted:
            self.admitted_ns.extend((before_ns, after_ns))

    def write(self, path: Path) -> None:
        """Write it where `read` finds it."""
        heading = {"admitted": len(self.admitted_ns), "cpu_s": self.cpu_s, "late": self.late}
        path.write_bytes(json.dumps(heading).encode() + b"\n" + self.admitted_ns.tobytes() + self.took_ns.tobytes())

    @classmethod
    def read(cls, path: Path) -> "AskLog":
        """Return a log written by another process of this machine."""
        heading, _, rest = path.read_bytes().partition(b"\n")
        told = json.loads(heading)
        log, numbers = cls(), array("q")
        numbers.frombytes(rest)
        log.admitted_ns, log.took_ns = numbers[: told["admitted"]], numbers[told["admitted"] :]
        log.cpu_s, log.late = told["cpu_s"], told["late"]
        return log


def spans(logs: Sequence[AskLog]) -> list[tuple[int, int]]:
    """Return before and after of every admission of all processes."""
    return [
        (log.admitted_ns[index], log.admitted_ns[index + 1])
        for log in logs
        for index in range(0, len(log.admitted_ns), 2)
    ]
