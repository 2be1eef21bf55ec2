"""Replay: the audio of a stream that no vendor has put into words yet, for the next one to hear."""

from collections import deque
from typing import Any, Final

REPLAY_S_MAX: Final = 10.0
"""A sentence; of a longer one its end."""
ITEMS_MAX: Final = 1_000
"""Frames kept: ten seconds of the shortest that are usual, 10 ms."""


class Replay:
    """Kept on a stream's input channel. Costs one append per frame; used on the event loop."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._items: deque[Any] = deque(maxlen=ITEMS_MAX)
        """What was pushed, the last of it: frames, and marks of flushes."""
        send_nowait, keep = channel.send_nowait, self._items.append

        def kept(item: Any) -> None:
            send_nowait(item)
            keep(item)

        channel.send_nowait = kept

    def forget(self, *, but_s: float) -> None:
        """Forget what was taken from the channel, but for the last of it: the rest was put into words."""
        self._set([*_last(self._taken(), but_s), *self._channel._queue])

    def put_back(self) -> float:
        """Have the channel's next reader begin with what was taken and not put into words; return its seconds."""
        frames = _last(self._taken(), REPLAY_S_MAX)
        self._channel._queue.extendleft(reversed(frames))
        self._set(self._channel._queue)
        return float(sum(frame.duration for frame in frames))

    def _taken(self) -> list[Any]:
        items = list(self._items)
        return items[: max(0, len(items) - len(self._channel._queue))]

    def _set(self, items: Any) -> None:
        # The channel's hook holds on to the queue itself.
        found = list(items)
        self._items.clear()
        self._items.extend(found)


def _last(items: list[Any], seconds: float) -> list[Any]:
    """The last frames among these that are not longer than this together, oldest first."""
    found: list[Any] = []
    for item in reversed(items):
        duration_s = getattr(item, "duration", 0.0)
        if not duration_s:
            continue
        seconds -= duration_s
        if seconds < 0:
            break
        found.append(item)
    return found[::-1]
