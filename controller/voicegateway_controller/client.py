"""The admin API seen from our own commands: one token, one bound, errors in one line."""

from collections.abc import Iterator
from typing import Any, Final

import requests

from voicegateway_shared.errors import VoiceGatewayError

TIMEOUT_S: Final = 10.0
STREAM_TIMEOUT_S: Final = 330.0
"""Between two pieces of a long answer: adding up one day of a large ledger may take minutes."""
LINES_TIMEOUT_S: Final = 45.0
"""Between two lines of live events; there is a sign of life every ten seconds."""
STREAM_PIECE_BYTES: Final = 64 * 1024
SIMULATE_TIMEOUT_S: Final = 90.0
"""A simulation reads for up to 20 s and replays for some ten more."""


class ControllerUnreachable(VoiceGatewayError):
    """No controller answers at the address."""

    code = "controller_unreachable"
    retryable = True


class TokenRefused(VoiceGatewayError):
    """The controller does not take the token, or not for this."""

    code = "token_refused"


class ApiClient:
    """Asks the admin API. Lives as long as its command."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {token}"

    @property
    def reached(self) -> tuple[str, str]:
        """The controller's address, and the token that opens it."""
        return self._url, str(self._http.headers["Authorization"]).removeprefix("Bearer ")

    def get(self, path: str, **query: str | list[str]) -> Any:
        """Return the JSON at a path.

        Raises:
            VoiceGatewayError: unreachable, refused or no JSON; the message says what to do.
        """
        return self._ask("GET", path, params=query)

    def put(self, path: str, document: Any, *, if_match: str | None = None) -> Any:
        """Replace what is at a path; return the answer's JSON. Raises VoiceGatewayError as `get` does."""
        headers = {} if if_match is None else {"If-Match": if_match}
        return self._ask("PUT", path, json=document, headers=headers)

    def post(self, path: str, document: Any, *, timeout_s: float = TIMEOUT_S, if_match: str | None = None) -> Any:
        """Send a document; return the answer's JSON. Raises VoiceGatewayError as `get` does."""
        headers = {} if if_match is None else {"If-Match": if_match}
        return self._ask("POST", path, json=document, headers=headers, timeout_s=timeout_s)

    def patch(self, path: str, document: Any, *, if_match: str | None = None) -> Any:
        """Change a part of what is at a path; return the answer's JSON. Raises VoiceGatewayError as `get` does."""
        headers = {} if if_match is None else {"If-Match": if_match}
        return self._ask("PATCH", path, json=document, headers=headers)

    def post_bytes(self, path: str, body: bytes, *, timeout_s: float, **query: str) -> Any:
        """Send a file as it is; return the answer's JSON. Raises VoiceGatewayError as `get` does."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._ask("POST", path, data=body, headers=headers, params=query, timeout_s=timeout_s)

    def delete(self, path: str, **query: str) -> Any:
        """Take away what is at a path; return the answer's JSON. Raises VoiceGatewayError as `get` does."""
        return self._ask("DELETE", path, params=query)

    def stream(self, path: str, **query: str) -> Iterator[bytes]:
        """Yield the bytes at a path as they come. Raises VoiceGatewayError as `get` does, also when they break off."""
        try:
            with self._http.get(
                f"{self._url}{path}", params=query, timeout=(TIMEOUT_S, STREAM_TIMEOUT_S), stream=True
            ) as response:
                self._refuse(response, path)
                # A gzipped file stays one: what the route made gzip is no encoding of the answer.
                yield from response.iter_content(STREAM_PIECE_BYTES)
        except requests.ConnectionError as error:
            raise self._unanswered(error) from error
        except requests.RequestException as error:
            raise VoiceGatewayError(
                f"the answer of the controller at {self._url} broke off ({type(error).__name__}): nothing was kept; "
                "look at the controller's log, and try again"
            ) from error

    def lines(self, path: str, **query: str | list[str]) -> Iterator[str]:
        """Yield the lines of an answer that does not end by itself, as they come; return when it does.

        Raises VoiceGatewayError as `get` does; ControllerUnreachable when it breaks off, or is silent for too long.
        """
        try:
            with self._http.get(
                f"{self._url}{path}", params=query, timeout=(TIMEOUT_S, LINES_TIMEOUT_S), stream=True
            ) as response:
                self._refuse(response, path)
                yield from response.iter_lines(chunk_size=1, decode_unicode=True)
        except requests.RequestException as error:
            raise self._unanswered(error) from error

    def _ask(self, method: str, path: str, *, timeout_s: float = TIMEOUT_S, **arguments: Any) -> Any:
        try:
            response = self._http.request(method, f"{self._url}{path}", timeout=timeout_s, **arguments)
        except requests.RequestException as error:
            raise self._unanswered(error) from error
        self._refuse(response, path)
        try:
            return response.json()
        except requests.JSONDecodeError as error:
            raise VoiceGatewayError(
                f"{self._url}{path} answered {response.status_code}, but no JSON: is this a VoiceGateway controller?"
            ) from error

    def _unanswered(self, error: requests.RequestException) -> VoiceGatewayError:
        return ControllerUnreachable(
            f"the controller at {self._url} does not answer ({type(error).__name__}); "
            "is `voicegw up` running, and VOICEGATEWAY_URL right?"
        )

    def _refuse(self, response: requests.Response, path: str) -> None:
        """Raise what an answer that is not what was asked for says."""
        if response.ok:
            return
        detail = _detail(response)
        if response.status_code in (401, 403):
            reason = f": {detail}" if detail else ""
            raise TokenRefused(
                f"the controller at {self._url} refused the token ({response.status_code}){reason}; "
                "set VOICEGATEWAY_TOKEN to a viewer or admin token of it"
            )
        raise VoiceGatewayError(detail or f"{self._url}{path} answered {response.status_code}: {response.text[:300]}")


def _detail(response: requests.Response) -> str:
    """The sentence of a problem; empty for an answer that is none."""
    try:
        document = response.json()
    except requests.JSONDecodeError:
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return " ".join(detail.split()) if isinstance(detail, str) else ""
