"""Is the audit log what was written: the seals checked one after another, from Postgres or from an export. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voicegateway_controller.audit.record import NO_DIGEST, sealed


class Sealed(Protocol):
    """A record with what its seal is made of."""

    @property
    def number(self) -> int:
        """Its place in the chain, from 1."""
        ...

    @property
    def digest(self) -> bytes:
        """Its seal."""
        ...

    @property
    def fields(self) -> Sequence[object]:
        """What was sealed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Where the chain does not hold, and how."""

    number: int
    reason: str


class Chain:
    """Checks records as they come, in their order; lives as long as one check. Stops at the first that is wrong."""

    def __init__(self) -> None:
        self.number = 0
        """The last record that was checked."""
        self.digest = NO_DIGEST
        """Its seal."""
        self.broken: Break | None = None

    def add(self, record: Sealed) -> bool:
        """Check the next record; say whether all hold so far."""
        if self.broken is not None:
            return False
        if record.number != self.number + 1:
            self.broken = Break(
                number=self.number + 1, reason=f"record {self.number + 1} is missing: the next one is {record.number}"
            )
        elif sealed(self.digest, record.fields) != record.digest:
            self.broken = Break(
                number=record.number,
                reason=f"record {record.number} was changed, or one before it: its seal does not fit what it says",
            )
        else:
            self.number, self.digest = record.number, record.digest
        return self.broken is None

    def expect(self, number: int, digest: str) -> None:
        """Hold the record just checked against a head that was kept elsewhere; call when `number` was reached."""
        if self.broken is None and self.digest.hex() != digest.lower():
            self.broken = Break(
                number=number, reason=f"record {number} is not the one that was kept: the log was written anew since"
            )

    def reached(self, number: int) -> None:
        """Say, when all records were added, that one of this number was there when its seal was kept."""
        if self.broken is None and number > self.number:
            self.broken = Break(
                number=self.number + 1,
                reason=f"records {self.number + 1} to {number} are gone: {number} was there when it was kept",
            )
