"""An export's line, read back into what its seal is made of."""

from collections.abc import Sequence

import msgspec

from voicegateway_shared.errors import ConfigurationError


class ExportedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a JSONL export; what is there only for people is not read."""

    number: int
    at_us: int
    actor: str
    action: str
    resource: str
    project: str
    reason: str
    before: str | None
    after: str | None
    seal: str = msgspec.field(name="digest")

    @property
    def digest(self) -> bytes:
        """Its seal."""
        try:
            return bytes.fromhex(self.seal)
        except ValueError:
            return b""

    @property
    def fields(self) -> Sequence[object]:
        """What was sealed."""
        return (
            self.number,
            self.at_us,
            self.actor,
            self.action,
            self.resource,
            self.project,
            self.reason,
            self.before,
            self.after,
        )


def read_line(line: bytes) -> ExportedRecord:
    """Return the record of a line. ConfigurationError for what is no line of an export."""
    try:
        return msgspec.json.decode(line, type=ExportedRecord)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the file is no JSONL export of the audit log: {error}") from error
