"""The admin API seen from our own commands: one token, one bound, errors in one line."""

from typing import Any, Final

import requests

from voicegateway_shared.errors import VoiceGatewayError

TIMEOUT_S: Final = 10.0


class ApiClient:
    """Reads the admin API. Lives as long as its command."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON at a path.

        Raises:
            VoiceGatewayError: unreachable, refused or no JSON; the message says what to do.
        """
        try:
            response = self._http.get(f"{self._url}{path}", params=query, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise VoiceGatewayError(
                f"the controller at {self._url} does not answer ({type(error).__name__}); "
                "is `voicegw up` running, and VOICEGATEWAY_URL right?"
            ) from error
        if response.status_code in (401, 403):
            raise VoiceGatewayError(
                f"the controller at {self._url} refused the token ({response.status_code}); "
                "set VOICEGATEWAY_TOKEN to a viewer or admin token of it"
            )
        if not response.ok:
            raise VoiceGatewayError(f"{self._url}{path} answered {response.status_code}: {response.text[:300]}")
        return response.json()
