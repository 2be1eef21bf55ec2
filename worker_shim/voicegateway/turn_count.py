"""Turn count: what a vendor has taken of a streaming transcription, and not told the tokens of."""

from typing import Final

TURNS_MAX: Final = 256
"""That are remembered at a time; a vendor tells of a turn within seconds."""


class TurnCount:
    """Lives as long as its request; fed by what the vendor says on the socket.

    A turn is billed once the vendor has taken it, and told of a moment later: nobody may be there to hear that.
    """

    __slots__ = ("_began_ms", "_said_ms", "_taken_until_ms", "untold_ms")

    def __init__(self) -> None:
        self._began_ms: dict[str, int] = {}
        self._said_ms: dict[str, int] = {}
        self._taken_until_ms = 0
        self.untold_ms: dict[str, int] = {}
        """By the vendor's id of the turn, how long it is."""

    def began(self, turn: str, at_ms: int) -> None:
        """Note where in its audio the vendor hears a turn begin."""
        _remember(self._began_ms, turn, at_ms)

    def ended(self, turn: str, at_ms: int) -> None:
        """Note where it hears it end."""
        _remember(self._said_ms, turn, max(0, at_ms - self._began_ms.pop(turn, at_ms)))

    def taken(self, turn: str, *, sent_ms: int) -> None:
        """Note that it is transcribed; it is all that was sent since the last where the vendor did not say how long."""
        turn_ms = self._said_ms.pop(turn, 0) or max(0, sent_ms - self._taken_until_ms)
        _remember(self.untold_ms, turn, turn_ms)
        self._taken_until_ms = sent_ms

    def told(self, turn: str) -> None:
        """Note that the vendor has said what it took, or that it failed."""
        self.untold_ms.pop(turn, None)


def _remember(turns: dict[str, int], turn: str, ms: int) -> None:
    turns[turn] = ms
    if len(turns) > TURNS_MAX:
        del turns[next(iter(turns))]
