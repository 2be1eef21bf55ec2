"""Replay: the audio of a stream that no vendor has put into words yet, for the next one to hear."""

from collections import deque
from typing import Any, Final

REPLAY_S_MAX: Final = 10.0
"""A sentence; of a longer one its end."""
AFTER_FINAL_S: Final = 0.5
"""Kept of what was said before a final transcript that tells no time: vendors need about so long to make it final."""


class Replay:
    """Kept on a stream's input channel. Costs an append per frame; used on the event loop."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._frames: deque[Any] = deque()
        self._dropped_s = 0.0
        """Audio that is no longer kept, since the stream's beginning."""
        self._kept_s = 0.0
        send_nowait = channel.send_nowait

        def kept(item: Any) -> None:
            send_nowait(item)
            duration_s = getattr(item, "duration", None)
            if duration_s is None:
                return
            self._frames.append(item)
            self._kept_s += duration_s
            while self._kept_s > REPLAY_S_MAX:
                self._drop()

        channel.send_nowait = kept

    @property
    def heard_s(self) -> float:
        """Audio that was taken from the channel or still waits there, since the stream's beginning."""
        return self._dropped_s + self._kept_s

    def waiting_s(self) -> float:
        """Of that, what still waits in the channel."""
        return float(sum(getattr(item, "duration", 0.0) for item in self._channel._queue))

    def said_until(self, moment_s: float) -> None:
        """Forget what was said before a moment, counted from the stream's beginning: it was put into words."""
        while self._frames and self._dropped_s + self._frames[0].duration <= moment_s:
            self._drop()

    def said(self) -> None:
        """Forget all but the last moments: somebody put it into words and did not say until when."""
        self.said_until(self.heard_s - self.waiting_s() - AFTER_FINAL_S)

    def put_back(self) -> float:
        """Have the channel's next reader begin with what was taken and not put into words; return its seconds."""
        waiting = sum(hasattr(item, "duration") for item in self._channel._queue)
        taken = list(self._frames)[: len(self._frames) - waiting]
        self._channel._queue.extendleft(reversed(taken))
        return float(sum(frame.duration for frame in taken))

    def _drop(self) -> None:
        duration_s = self._frames.popleft().duration
        self._dropped_s += duration_s
        self._kept_s -= duration_s
