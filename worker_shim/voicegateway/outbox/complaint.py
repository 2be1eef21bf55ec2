"""Says a lasting trouble once, not at every retry, and says when it is over."""

import logging
import time
from typing import Final

SAY_AGAIN_S: Final = 600.0
"""A trouble that lasts is said again every ten minutes, so that it is in every day's log."""


class Complaint:
    """One trouble that comes and goes. Used by one thread; needs no closing."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._since: float | None = None
        self._said_at = 0.0
        self.text = ""

    def say(self, text: str) -> None:
        """Log `text` as an error, unless the same was said lately."""
        now = time.monotonic()
        is_news = text != self.text or now - self._said_at >= SAY_AGAIN_S
        self._since = now if self._since is None else self._since
        self.text = text
        if is_news:
            self._said_at = now
            self._logger.error("%s", text)

    def is_over(self, what_works: str) -> None:
        """Log that `what_works` again, if it did not."""
        if self._since is None:
            return
        self._logger.warning("%s again after %.1f s", what_works, time.monotonic() - self._since)
        self._since, self.text = None, ""
