"""The live numbers of one process's outbox; its threads write, anybody reads without waiting."""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

from voicegateway.outbox.slate import Slate
from voicegateway.outbox.stats import OutboxStats

RECOVERED_MAX: Final = 256
"""Dead processes that wait to be told of; of more, the controller forgets the oldest by itself."""


@dataclass(slots=True)
class Board:
    """Each field has one writing thread; reading is a handful of loads. Lives as long as its outbox."""

    file: OutboxStats = field(default_factory=OutboxStats)
    """What the writer last read from the file."""
    unnoted: int = 0
    """Losses of this process that could not be written to the file yet."""
    write_error: str = ""
    deliver_error: str = ""
    delivered: int = 0
    rejected: int = 0
    is_draining: bool = False
    slate: Slate | None = None
    """Where callers keep intents until a commit has them; the writer puts it here once it has the life lock."""

    recovered: deque[str] = field(default_factory=lambda: deque(maxlen=RECOVERED_MAX))
    """Process lives that ended without a word on this host and of whose spans none waits any more; told until known."""

    def snapshot(self, *, just_dropped: int) -> OutboxStats:
        """Return the numbers as of the writer's last look at the file; it has not seen `just_dropped` yet."""
        return replace(
            self.file,
            dropped=self.file.dropped + self.unnoted + just_dropped,
            delivered=self.delivered,
            rejected=self.rejected,
            is_draining=self.is_draining,
            error=self.write_error or self.deliver_error,
        )
