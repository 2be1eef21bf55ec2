"""The admin API seen from our own commands: one token, one bound, errors in one line."""

from typing import Any, Final

import requests

from voicegateway_shared.errors import VoiceGatewayError

TIMEOUT_S: Final = 10.0
SIMULATE_TIMEOUT_S: Final = 90.0
"""A simulation reads for up to 20 s and replays for some ten more."""


class ApiClient:
    """Asks the admin API. Lives as long as its command."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {token}"

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

    def post(self, path: str, document: Any, *, timeout_s: float = TIMEOUT_S) -> Any:
        """Send a document; return the answer's JSON. Raises VoiceGatewayError as `get` does."""
        return self._ask("POST", path, json=document, timeout_s=timeout_s)

    def delete(self, path: str, **query: str) -> Any:
        """Take away what is at a path; return the answer's JSON. Raises VoiceGatewayError as `get` does."""
        return self._ask("DELETE", path, params=query)

    def _ask(self, method: str, path: str, *, timeout_s: float = TIMEOUT_S, **arguments: Any) -> Any:
        try:
            response = self._http.request(method, f"{self._url}{path}", timeout=timeout_s, **arguments)
        except requests.RequestException as error:
            raise VoiceGatewayError(
                f"the controller at {self._url} does not answer ({type(error).__name__}); "
                "is `voicegw up` running, and VOICEGATEWAY_URL right?"
            ) from error
        if response.ok:
            return response.json()
        detail = _detail(response)
        if response.status_code in (401, 403):
            reason = f": {detail}" if detail else ""
            raise VoiceGatewayError(
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
