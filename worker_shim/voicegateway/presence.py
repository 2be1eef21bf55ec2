"""Presence: tells the controller every two seconds which calls this process carries."""

import logging
import os
import socket
import time
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Final

import msgspec

from voicegateway.identity import Identity
from voicegateway.options import Options
from voicegateway.record import RequestRecord
from voicegateway_shared import __version__
from voicegateway_shared.ids import Incarnation
from voicegateway_shared.wire import SessionPresence, SyncRequest
from voicegateway_shared.wire.sync import SESSIONS_MAX, OutboxState

if TYPE_CHECKING:
    import requests

    from voicegateway.outbox import OutboxStats

logger = logging.getLogger("voicegateway")

TIMEOUT_S: Final = 2.0
"""A controller slower than this is as good as gone for presence; the outbox keeps the money."""
FAILURES_BEFORE_WORDS: Final = 2
"""One lost message is no news: the next one comes two seconds later."""
LINGER_S: Final = 10.0
"""A call without an open request is still live this long: between turns only the STT stream may be open."""


class Presence:
    """Lives as long as its runtime; used by the runtime's thread only, except `note`."""

    def __init__(self, options: Options, incarnation: Incarnation) -> None:
        self._options = options
        self._incarnation = incarnation
        self._seq = 0
        self._recent: dict[str, tuple[Identity, str, float]] = {}
        self._http: requests.Session | None = None
        self._failures = 0
        self._is_said = False

    def note(self, record: RequestRecord) -> None:
        """Remember that a call was active just now."""
        identity = record.identity
        self._recent[identity.session_id] = (identity, record.project, time.monotonic())

    def tell(self, open_records: Sequence[RequestRecord], stats: "OutboxStats", hook_errors: int) -> None:
        """Send who we are and what we carry; a failure costs nothing but visibility."""
        for record in open_records:
            self.note(record)
        horizon = time.monotonic() - LINGER_S
        self._recent = {key: seen for key, seen in list(self._recent.items()) if seen[2] >= horizon}
        if self._recent:
            self._send(stats, hook_errors, is_leaving=False)

    def leave(self, stats: "OutboxStats", hook_errors: int) -> None:
        """Say goodbye, if we ever said hello."""
        if self._seq:
            self._recent.clear()
            self._send(stats, hook_errors, is_leaving=True)

    def _send(self, stats: "OutboxStats", hook_errors: int, *, is_leaving: bool) -> None:
        if self._options.url is None:
            return
        import requests

        self._seq += 1
        if self._http is None:
            self._http = requests.Session()
            # As a header, requests would replace it by what ~/.netrc says about the host.
            self._http.auth = self._authorize
            self._http.headers["Content-Type"] = "application/json"
        try:
            response = self._http.post(
                f"{self._options.url}/v1/sync",
                data=msgspec.json.encode(self._message(stats, hook_errors, is_leaving=is_leaving)),
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
            problem = "" if response.ok else f"HTTP {response.status_code}"
        except requests.RequestException as error:
            problem = type(error).__name__
        self._report(problem, is_said_by_outbox=bool(stats.error))

    def _authorize(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        if self._options.token:
            request.headers["Authorization"] = f"Bearer {self._options.token}"
        return request

    def _report(self, problem: str, *, is_said_by_outbox: bool) -> None:
        """Say once that the controller does not answer, unless the outbox does, and once that it does again."""
        self._failures = self._failures + 1 if problem else 0
        if self._failures >= FAILURES_BEFORE_WORDS and not self._is_said and not is_said_by_outbox:
            self._is_said = True
            logger.warning(
                "voicegateway: controller %s does not answer /v1/sync (%s); calls go on, and are not shown as live",
                self._options.url,
                problem,
            )
        elif not problem and self._is_said:
            self._is_said = False
            logger.warning("voicegateway: controller %s answers /v1/sync again", self._options.url)

    def _message(self, stats: "OutboxStats", hook_errors: int, *, is_leaving: bool) -> SyncRequest:
        return SyncRequest(
            incarnation=self._incarnation,
            seq=self._seq,
            host=socket.gethostname(),
            pid=os.getpid(),
            shim_version=__version__,
            agents_version=_agents_version(),
            is_leaving=is_leaving,
            sessions=tuple(
                SessionPresence(
                    session_id=identity.session_id,
                    project=project,
                    agent=identity.agent,
                    room=identity.room,
                    started_at=identity.started_at,
                )
                for identity, project, _ in list(self._recent.values())[:SESSIONS_MAX]
            ),
            outbox=OutboxState(rows=stats.rows, bytes=stats.bytes, dropped=stats.dropped, hook_errors=hook_errors),
        )


def _agents_version() -> str:
    try:
        return metadata.version("livekit-agents")
    except metadata.PackageNotFoundError:
        return ""
