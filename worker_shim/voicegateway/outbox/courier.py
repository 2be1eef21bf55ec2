"""The courier: carries settled rows to the controller and does to each what the controller's answer demands."""

import logging
import random
import sqlite3
import time
from collections.abc import Sequence
from typing import Final

from voicegateway.outbox.answers import Answer, Verdict
from voicegateway.outbox.board import Board
from voicegateway.outbox.complaint import Complaint
from voicegateway.outbox.delivery import ANSWER_S_MAX, Delivery
from voicegateway.outbox.envelope import Row
from voicegateway.outbox.pacing import backoff_s, obeyed_s, refused_s
from voicegateway.outbox.store import Store

logger = logging.getLogger("voicegateway.outbox")

ROWS_MAX: Final = 512
"""The controller's best batch: one statement, one commit."""
BATCH_BYTES_MAX: Final = 1024 * 1024
"""Before gzip; far below any proxy's body limit once compressed."""
ROWS_AFTER_FAILURE: Final = 64
"""A controller that has just come back gets small batches, doubling: all hosts come back at once."""
LINGER_S: Final = 0.02
"""Between small batches, so that a busy host sends at most 50 requests a second."""
SMALL_BATCH: Final = 64
ROWS_DELETED_ON_FULL_DISK: Final = 8
"""A transaction of some 100 KiB of log."""
BURIED_IN_A_ROW_MAX: Final = 64
"""A controller that has refused so many spans one by one and taken none is more likely broken than right."""


class Courier:
    """Used by the drainer thread, which closes it; keeps what it knows of the controller between deliveries."""

    def __init__(self, url: str, token: str | None, *, board: Board) -> None:
        self._url = url
        self._delivery = Delivery(url, token)
        self._board = board
        self._complaint = Complaint(logger)
        self._disk_complaint = Complaint(logger)
        self._rows_max = ROWS_MAX
        self._rows_ceiling = ROWS_MAX
        self._failures = 0
        self._buried_in_a_row = 0
        self._not_before = 0.0
        self._arrived_seq = 0
        self._undeleted: tuple[int, int] | None = None
        self.is_refused = False
        """Denied or misdirected: only people can mend it."""

    def wait_s(self) -> float:
        """Seconds until the controller may be asked again; 0 when now."""
        return max(0.0, self._not_before - time.monotonic())

    def forget_file(self) -> None:
        """Forget row numbers: the file was replaced by another."""
        self._arrived_seq, self._undeleted = 0, None

    def close(self) -> None:
        """Close the connection."""
        self._delivery.close()

    def deliver(self, store: Store, *, by: float | None = None) -> bool:
        """Send one batch and return whether there may be more to send; `by` bounds it in monotonic time.

        Raises:
            sqlite3.Error: the file could not be read or changed; what arrived is not sent again by us.
        """
        self._delete_arrived(store)
        rows = store.oldest_settled(after_seq=self._arrived_seq, rows_max=self._rows_max, bytes_max=BATCH_BYTES_MAX)
        if not rows:
            return False
        is_small = len(rows) < min(SMALL_BATCH, self._rows_max)
        pending = [rows]
        while pending:
            part = pending.pop()
            timeout_s = ANSWER_S_MAX if by is None else min(ANSWER_S_MAX, by - time.monotonic())
            if timeout_s <= 0:
                return False
            answer = self._delivery.post(part, timeout_s=timeout_s)
            if not self._heed(store, part, answer, pending):
                return by is None
        if is_small and by is None:
            self._not_before = time.monotonic() + LINGER_S
        return True

    def _heed(self, store: Store, part: list[Row], answer: Answer, pending: list[list[Row]]) -> bool:
        """Act on an answer; return whether to go on with `pending`."""
        match answer.verdict:
            case Verdict.ACCEPTED:
                self._accepted(store, part, answer)
                return True
            case Verdict.MALFORMED | Verdict.TOO_LARGE if len(part) > 1:
                middle = len(part) // 2
                if answer.verdict is Verdict.TOO_LARGE:
                    self._rows_max = self._rows_ceiling = middle
                pending += [part[middle:], part[:middle]]
                return True
            case Verdict.MALFORMED | Verdict.TOO_LARGE:
                return self._bury(store, part[0], answer)
            case Verdict.DENIED | Verdict.MISDIRECTED:
                self._refused(answer)
                return False
            case Verdict.BUSY | Verdict.FAILED:
                self._failed(answer)
                return False

    def _accepted(self, store: Store, part: Sequence[Row], answer: Answer) -> None:
        self._failures = self._buried_in_a_row = 0
        self.is_refused = False
        self._rows_ceiling = min(ROWS_MAX, self._rows_ceiling + 1)
        self._rows_max = min(self._rows_ceiling, self._rows_max * 2)
        self._board.delivered += len(part)
        self._board.deliver_error = ""
        self._complaint.is_over(f"the controller {self._url} takes spans")
        if answer.rejected:
            self._board.rejected += answer.rejected
            logger.error(
                "the controller put %d of %d spans into its quarantine: %s", answer.rejected, len(part), answer.message
            )
        self._arrived(part)
        self._delete_arrived(store)

    def _arrived(self, part: Sequence[Row]) -> None:
        first, last = part[0].seq, part[-1].seq
        self._arrived_seq = last
        self._undeleted = (self._undeleted[0] if self._undeleted else first, last)

    def _delete_arrived(self, store: Store) -> None:
        """Delete what has arrived. On a full disk even that needs a page; the log has some, once it restarts."""
        if self._undeleted is None:
            return
        first, last = self._undeleted
        try:
            store.delete_settled(first, last)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            self._delete_on_full_disk(store, first, last)
            return
        self._undeleted = None
        self._disk_complaint.is_over("the outbox can be cleared")

    def _delete_on_full_disk(self, store: Store, first: int, last: int) -> None:
        """Delete in small pieces, each into the restarted log; what fails stays noted, and others still go."""
        while first <= last:
            piece_last = min(last, first + ROWS_DELETED_ON_FULL_DISK - 1)
            try:
                store.make_log_reusable()
                store.delete_settled(first, piece_last)
            except sqlite3.OperationalError as error:
                self._disk_complaint.say(f"spans that have arrived cannot be deleted from the outbox yet: {error}")
                self._undeleted = (first, last)
                return
            first = piece_last + 1
        self._undeleted = None
        self._disk_complaint.is_over("the outbox can be cleared")

    def _bury(self, store: Store, row: Row, answer: Answer) -> bool:
        """Move the one row that the controller cannot take out of the way of the others."""
        store.bury(row, reason=answer.message, now_ns=time.time_ns())
        self._arrived_seq = row.seq
        self._buried_in_a_row += 1
        logger.error(
            "the controller refuses request %s (%s): moved to the dead letters, the others go on",
            row.request_id,
            answer.message,
        )
        if self._buried_in_a_row <= BURIED_IN_A_ROW_MAX:
            return True
        self._refuse_for_now(f"the controller {self._url} refuses every span: {answer.message}; look at its log")
        return False

    def _refused(self, answer: Answer) -> None:
        self.is_refused = True
        mend = (
            "set VOICEGATEWAY_TOKEN to a worker token of this controller"
            if answer.verdict is Verdict.DENIED
            else "set VOICEGATEWAY_URL to the controller's address"
        )
        self._refuse_for_now(
            f"the controller {self._url} does not take our spans ({answer.message}); they wait in the outbox: {mend}"
        )

    def _refuse_for_now(self, text: str) -> None:
        self._board.deliver_error = text
        self._complaint.say(text)
        self._not_before = time.monotonic() + refused_s(random.random)

    def _failed(self, answer: Answer) -> None:
        self._failures += 1
        self._rows_max = min(self._rows_max, ROWS_AFTER_FAILURE)
        if answer.retry_after_s is None:
            wait_s = backoff_s(self._failures, random.random)
        else:
            wait_s = obeyed_s(answer.retry_after_s, random.random)
        self._not_before = time.monotonic() + wait_s
        self._board.deliver_error = answer.message
        if self._failures > 1:
            # One failure is a connection that went stale, or a controller's restart.
            self._complaint.say(
                f"the controller {self._url} cannot be reached ({answer.cause}); spans wait in the outbox"
            )
        logger.debug("delivery failed (%s), the next attempt in %.2f s", answer.message, wait_s)
