"""The admin API as tools ask it: as one caller, with a bound on every answer, and one sentence for what was refused."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from mcp.server.mcpserver.exceptions import ToolError

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""The largest answer of the API, a session of 5,000 requests, is a third of it."""
TIMEOUT_S: Final = 30.0
OWN_NAME: Final = "voicegateway-mcp"
"""What the API's log calls us."""

OpenHttp = Callable[[], AbstractAsyncContextManager[httpx.AsyncClient]]


class Refused(ToolError):
    """The API said no, in words that an assistant can read out and act on."""

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API answered."""

    document: Any
    etag: str | None
    """What `If-Match` takes; None where the resource has no revision."""


class AdminApi:
    """Asks the admin API as one caller, whose token decides what is answered. Lives as long as one tool call."""

    def __init__(self, open_http: OpenHttp, *, url: str, headers: Mapping[str, str]) -> None:
        self._open_http = open_http
        self._url = url.rstrip("/")
        self._headers = {"Accept": "application/json", "User-Agent": OWN_NAME, **headers}

    async def get(self, path: str, **query: Any) -> Any:
        """Return the JSON at a path; what is None in the query is left out.

        Raises:
            Refused: the API refused, or does not answer; the sentence says what to do.
        """
        return (await self.ask("GET", path, query=query)).document

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        document: Any = None,
        if_match: str | None = None,
    ) -> Answer:
        """Ask anything of the API, changes too. Raises Refused as `get` does."""
        headers = dict(self._headers)
        if if_match is not None:
            headers["If-Match"] = if_match
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        url = f"{self._url}{path}"
        body = None if document is None else json.dumps(document).encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with (
                self._open_http() as http,
                http.stream(method, url, params=asked, content=body, headers=headers, timeout=TIMEOUT_S) as response,
            ):
                content = await _read(response)
        except httpx.TimeoutException as error:
            raise Refused(
                f"the controller did not answer within {TIMEOUT_S:.0f} s: ask for less, or try again",
                status=0,
                code="timeout",
            ) from error
        except httpx.HTTPError as error:
            raise Refused(
                f"the controller does not answer ({type(error).__name__}): is it running, and is its address right?",
                status=0,
                code="unreachable",
            ) from error
        found = _decoded(content)
        if not response.is_success:
            raise refusal(response.status_code, found, retry_after=response.headers.get("Retry-After"))
        return Answer(document=found, etag=response.headers.get("ETag"))


def refusal(status: int, document: Any, *, retry_after: str | None = None) -> Refused:
    """Return what an answer that is not what was asked for says: what happened, and what to do next."""
    problem = document if isinstance(document, dict) else {}
    code = str(problem.get("code") or f"http_{status}")
    detail = " ".join(str(problem.get("detail") or f"the controller answered {status}").split())
    after = f"; try again in {retry_after} s" if retry_after else ""
    if status == 401:
        said = f"the token is not accepted: {detail}"
    elif status == 403:
        said = f"refused: {detail}. Nothing was changed; somebody with such a token can do it"
    elif status in (409, 412):
        said = f"not as it was: {detail}. Nothing was changed; look again and decide anew"
    elif status >= 500 or status == 429:
        said = f"not now: {detail}{after}"
    else:
        said = detail
    return Refused(f"{said} [{code}]", status=status, code=code)


async def _read(response: httpx.Response) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > ANSWER_BYTES_MAX:
            raise Refused(
                f"the answer is larger than {ANSWER_BYTES_MAX} bytes: ask for a shorter time, or for one project",
                status=0,
                code="answer_too_large",
            )
        pieces.append(piece)
    return b"".join(pieces)


def _decoded(content: bytes) -> Any:
    if not content:
        return {}
    try:
        return json.loads(content)
    except ValueError:
        # A proxy's page, say; the status tells what there is to tell.
        return None
