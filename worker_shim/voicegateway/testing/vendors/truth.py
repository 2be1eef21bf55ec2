"""The truth log: what a vendor would put on its bill, written by the simulators themselves.

One file per vendor, one JSON line when a request is accepted and one when it ends, each with a single
`write`. The simulator sees its client die, so the truth survives a `kill -9` of the agent.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from voicegateway_shared.usage import METERS, Modality

Vendor = Literal["deepgram", "openai", "cartesia", "anthropic", "groq", "ollama", "elevenlabs", "assemblyai"]
Event = Literal["started", "ended"]

CLIENT_CLOSED: Final = "client_closed"
VENDOR_CLOSED: Final = "vendor_closed"
OK: Final = "ok"
REJECTED: Final = "rejected"

KEY_FACT: Final = "key"
"""Fact: which API key the request came with, as `billing.key_fact` names it; never the key. Absent without a key."""
TAGS_FACT: Final = "tags"
"""Fact: the client's own tags, separated by spaces; Deepgram's billing tells them apart."""
_NO_FACTS: Final[Mapping[str, int | str]] = MappingProxyType({})
REQUEST_FACTS: ContextVar[Mapping[str, int | str]] = ContextVar("REQUEST_FACTS", default=_NO_FACTS)
"""What is known of the HTTP request being served; every request accepted for it has these facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRecord:
    """One line of the log.

    `usage` holds our meters in their base units. `context` holds what else decides the price (language,
    mode, service tier). `facts` are for people and for cross-checks; nothing is rated by them.
    """

    vendor: Vendor
    request_id: str
    """The id the vendor tells its client: what a plugin or the shim can know too."""
    modality: Modality
    model: str
    at: str
    """RFC 3339, UTC: the instant of the event."""
    event: Event = "ended"
    usage: Mapping[str, int] = field(default_factory=dict)
    billed: bool = False
    outcome: str = ""
    """`ok`, `client_closed`, `vendor_closed` (simulator stopped), `rejected` (bad) or `fault:<kind>`."""
    fault: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, int | str] = field(default_factory=dict)


def read_truth(directory: str | os.PathLike[str], *, event: Event = "ended") -> list[TruthRecord]:
    """Return all records of one kind of event in a truth directory, ordered by instant.

    Raises ValueError, naming file and line, for a line that is not a record.
    """
    records = [
        record
        for path in sorted(Path(directory).glob("*.jsonl"))
        for record in read_truth_file(path)
        if record.event == event
    ]
    return sorted(records, key=lambda record: record.at)


class TruthLog:
    """Appends to one vendor's file. Lives as long as its simulator, which closes it."""

    def __init__(self, directory: Path, vendor: Vendor) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.is_settled = asyncio.Event()
        self.is_settled.set()
        self._open = 0
        self._vendor: Vendor = vendor
        self._file = os.open(directory / f"{vendor}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def accept(
        self, *, request_id: str, modality: Modality, model: str, context: Mapping[str, str] | None = None
    ) -> "AcceptedRequest":
        """Log that a request was accepted; the caller must end what it gets."""
        record = TruthRecord(
            vendor=self._vendor,
            request_id=request_id,
            modality=modality,
            model=model,
            at=_now(),
            event="started",
            context=dict(context or {}),
        )
        self.write(record)
        self._open += 1
        self.is_settled.clear()
        return AcceptedRequest(self, record)

    def reject(self, *, request_id: str, modality: Modality, model: str, fault: str | None, status: int) -> None:
        """Log a request that was refused before it was accepted; no vendor bills those."""
        self.write(
            TruthRecord(
                vendor=self._vendor,
                request_id=request_id,
                modality=modality,
                model=model,
                at=_now(),
                outcome=REJECTED if fault is None else f"fault:{fault}",
                fault=fault,
                facts={"status": status},
            )
        )

    def write_bill(self, record: TruthRecord) -> None:
        """Append what an accepted request came to."""
        self.write(record)
        self._open -= 1
        if self._open == 0:
            self.is_settled.set()

    def write(self, record: TruthRecord) -> None:
        """Append one line with one `write`, so that concurrent writers never mix."""
        os.write(self._file, _encode(record))

    def close(self) -> None:
        """Close the file; no request may end after this."""
        os.close(self._file)


class AcceptedRequest:
    """One accepted request; ends exactly once."""

    def __init__(self, log: TruthLog, started: TruthRecord) -> None:
        self._log = log
        self._started = started
        # A connection may be served for long after its handshake; what was known then is known at its end.
        self._facts = REQUEST_FACTS.get()
        self.is_ended = False

    def end(
        self,
        *,
        outcome: str,
        usage: Mapping[str, int],
        billed: bool = True,
        facts: Mapping[str, int | str] | None = None,
    ) -> None:
        """Write the bill. Raises ValueError for an unknown meter or a second end."""
        if self.is_ended:
            raise ValueError(f"request {self._started.request_id} ended twice")
        if unknown := usage.keys() - METERS.keys():
            raise ValueError(f"unknown meters {sorted(unknown)}")
        self.is_ended = True
        self._log.write_bill(
            TruthRecord(
                vendor=self._started.vendor,
                request_id=self._started.request_id,
                modality=self._started.modality,
                model=self._started.model,
                at=_now(),
                usage=dict(usage),
                billed=billed,
                outcome=outcome,
                fault=outcome.removeprefix("fault:") if outcome.startswith("fault:") else None,
                context=self._started.context,
                facts={"started_at": self._started.at, **self._facts, **(facts or {})},
            )
        )


# Keys a started line does not carry: nothing is known of them yet.
_ENDED_KEYS: Final = ("usage", "billed", "outcome", "fault", "facts")


def _encode(record: TruthRecord) -> bytes:
    line: dict[str, Any] = msgspec.to_builtins(record)
    if record.event == "started":
        for key in _ENDED_KEYS:
            del line[key]
    else:
        del line["event"]
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def read_truth_file(path: Path) -> list[TruthRecord]:
    """Return all records of one vendor's file, as they stand there. Raises what `read_truth` raises."""
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            records.append(msgspec.json.decode(line, type=TruthRecord))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ValueError(f"{path}:{number} is not a truth record: {error}") from error
    return records


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
