"""One connection to a controller's `/v1/sync`: a message out, its answer in, and every failure as a value."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from voicegateway.answer_body import read_answer
from voicegateway.limits.vendor_headers import retry_after_ms
from voicegateway_shared.wire import SyncRequest, SyncResponse

if TYPE_CHECKING:
    import requests

BUSY: Final = (429, 503)
ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
"""Every limit, budget and chain that may be declared, and their prices; a usual answer is one KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a message: a response, or the problem in a word or two."""

    response: SyncResponse | None = None
    problem: str = ""
    retry_after_s: float | None = None
    """How long a busy controller asked us to be silent."""


class SyncConnection:
    """Used by the syncer's thread, which closes it; opened with the first message."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self._token = token
        self._http: requests.Session | None = None

    def say(self, message: SyncRequest, *, timeout_s: float) -> Answer:
        """Send a message and return its answer; never raises for what a network or a controller can do."""
        import requests
        from urllib3.exceptions import HTTPError

        if self._http is None:
            self._http = requests.Session()
            # As a header, requests would replace it by what ~/.netrc says about the host.
            self._http.auth = self._authorize
            self._http.headers["Content-Type"] = "application/json"
            # What is packed may be a thousand times as large.
            self._http.headers["Accept-Encoding"] = "identity"
        by_s = time.monotonic() + timeout_s
        try:
            with self._http.post(
                f"{self.url}/v1/sync",
                data=msgspec.json.encode(message),
                timeout=timeout_s,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = read_answer(response.raw, bytes_max=ANSWER_BYTES_MAX, by_s=by_s, decode=False)
        except (requests.RequestException, HTTPError, OSError) as error:
            return Answer(problem=type(error).__name__)
        if not response.ok:
            return _refused(response.status_code, response.headers.get("Retry-After"))
        try:
            # One that is larger than it may be has no end, and is none.
            return Answer(response=msgspec.json.decode(body, type=SyncResponse))
        except msgspec.MsgspecError:
            return Answer(problem="not a controller's answer")

    def close(self) -> None:
        """Close the connection."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _authorize(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _refused(status: int, retry_after: str | None) -> Answer:
    asked_ms = retry_after_ms(retry_after, now=datetime.now(UTC)) if status in BUSY else None
    return Answer(problem=f"HTTP {status}", retry_after_s=None if asked_ms is None else asked_ms / 1000)
