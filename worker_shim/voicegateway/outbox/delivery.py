"""Sends settled rows to the controller over HTTP; every way that can fail comes back as an Answer."""

import gzip
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from voicegateway.answer_body import read_answer
from voicegateway.outbox.answers import Answer, Verdict, judge
from voicegateway.outbox.envelope import Row, export_request

if TYPE_CHECKING:
    import requests

TRACES_PATH: Final = "/v1/traces"
CONNECT_S_MAX: Final = 3.0
"""Three times a lost SYN's first retransmission."""
ANSWER_S_MAX: Final = 10.0
"""The controller answers after its commit; past ten seconds the batch is sent again, which is harmless."""
ANSWER_BYTES_MAX: Final = 64 * 1024
"""An OTLP answer is a few bytes; more than this is not read."""
GZIP_LEVEL: Final = 1
"""Spans of one host repeat themselves: level 1 already sends a fifth of the bytes."""


class Delivery:
    """One connection to one controller, used by the drainer thread, which closes it."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/") + TRACES_PATH
        self._token = token
        self._session: requests.Session | None = None

    def post(self, rows: Sequence[Row], *, timeout_s: float = ANSWER_S_MAX) -> Answer:
        """Send the rows as one export request and say what became of them; never raises."""
        from requests.exceptions import InvalidHeader, InvalidSchema, InvalidURL, MissingSchema, RequestException
        from urllib3.exceptions import HTTPError

        if self._session is None:
            self._session = self._new_session()
        try:
            with self._session.post(
                self._url,
                data=gzip.compress(export_request(rows), compresslevel=GZIP_LEVEL, mtime=0),
                timeout=(min(CONNECT_S_MAX, timeout_s), timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                by_s = time.monotonic() + timeout_s
                body = read_answer(response.raw, bytes_max=ANSWER_BYTES_MAX, by_s=by_s)
                return judge(response.status_code, response.headers, body, now=datetime.now(UTC))
        except (InvalidURL, MissingSchema, InvalidSchema) as error:
            return Answer(verdict=Verdict.MISDIRECTED, cause="not an address", message=str(error))
        except InvalidHeader:
            message = "the token holds characters no header may hold"
            return Answer(verdict=Verdict.DENIED, cause="unusable token", message=message)
        except (RequestException, HTTPError, OSError, ValueError) as error:
            # requests lets errors of urllib3, ssl, idna and the socket through; whatever it is, the rows stay.
            return Answer(
                verdict=Verdict.FAILED, cause=type(error).__name__, message=f"{type(error).__name__}: {error}"
            )

    def close(self) -> None:
        """Close the connection; the next post opens a new one."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _new_session(self) -> "requests.Session":
        import requests

        from voicegateway_shared import __version__

        session = requests.Session()
        session.headers.update(
            {
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "gzip",
                "User-Agent": f"voicegateway-outbox/{__version__}",
            }
        )
        session.auth = self._authorize
        return session

    def _authorize(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        # As a header, requests would replace it by what ~/.netrc says about the host.
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request
