"""How the client asks: one token, bounded waits, problems as exceptions, events that go on where they broke off."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Self, cast
from urllib.parse import quote

import httpx

from voicegateway_client import models as m

TIMEOUT_S: Final = 30.0
EVENT_TIMEOUT_S: Final = 45.0
"""Between two signs of life of an event stream; there is one every ten seconds."""
TRIES: Final = 3
"""Of what may be asked again: reading, after 429 and 503."""
RETRY_AFTER_MAX_S: Final = 10.0
PAUSE_S: Final = 2.0
"""Before coming back to a stream that broke off."""
_AGAIN: Final = (429, 503)


class ApiError(Exception):
    """The controller refused; `code` is stable, `detail` is for people."""

    def __init__(self, *, status: int, code: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


class Unreachable(Exception):
    """The controller does not answer."""


def path_of(template: str, **names: object) -> str:
    """Return a route's path with names put into it."""
    return template.format(**{name: quote(str(value), safe="") for name, value in names.items()})


class Transport:
    """Asks a controller; lives until `close`."""

    def __init__(self, url: str, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=_headers(token), timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def ask(self, verb: str, path: str, **asked: Any) -> Any:
        """Return an answer's JSON. Raises ApiError, Unreachable."""
        return json.loads(self.fetch(verb, path, **asked))

    def fetch(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> bytes:
        """Return an answer as it is. Raises ApiError, Unreachable."""
        request = self._http.build_request(verb, path, params=_query(query), headers=_said(header), **_content(body))
        for left in reversed(range(TRIES)):
            try:
                response = self._http.send(request)
            except httpx.HTTPError as error:
                raise Unreachable(f"{request.url} does not answer: {type(error).__name__}") from error
            if response.is_success:
                return response.content
            problem = _problem(response)
            if verb != "GET" or response.status_code not in _AGAIN or not left:
                raise problem
            time.sleep(min(problem.retry_after_s or 1.0, RETRY_AFTER_MAX_S))
        raise AssertionError("the last try raises")

    def listen(
        self, path: str, *, query: Mapping[str, Any] | None = None, header: Mapping[str, Any] | None = None
    ) -> Iterator[m.EventRow]:
        """Yield live events for ever; a stream that breaks off goes on where it was. Raises ApiError."""
        last = dict(_said(header))
        while True:
            try:
                with self._http.stream(
                    "GET", path, params=_query(query), headers=last, timeout=EVENT_TIMEOUT_S
                ) as response:
                    if not response.is_success:
                        response.read()
                        raise _problem(response)
                    reader = _Reader()
                    for line in response.iter_lines():
                        for event in reader.take(line):
                            last["Last-Event-ID"] = event["id"]
                            yield event
            except httpx.HTTPError:
                # Its end, or its being away for a moment: come back.
                pass
            time.sleep(PAUSE_S)


class AsyncTransport:
    """Asks a controller, for asyncio; lives until `aclose`."""

    def __init__(self, url: str, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._http = httpx.AsyncClient(base_url=url.rstrip("/"), headers=_headers(token), timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def ask(self, verb: str, path: str, **asked: Any) -> Any:
        """Return an answer's JSON. Raises ApiError, Unreachable."""
        return json.loads(await self.fetch(verb, path, **asked))

    async def fetch(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> bytes:
        """Return an answer as it is. Raises ApiError, Unreachable."""
        request = self._http.build_request(verb, path, params=_query(query), headers=_said(header), **_content(body))
        for left in reversed(range(TRIES)):
            try:
                response = await self._http.send(request)
            except httpx.HTTPError as error:
                raise Unreachable(f"{request.url} does not answer: {type(error).__name__}") from error
            if response.is_success:
                return response.content
            problem = _problem(response)
            if verb != "GET" or response.status_code not in _AGAIN or not left:
                raise problem
            await asyncio.sleep(min(problem.retry_after_s or 1.0, RETRY_AFTER_MAX_S))
        raise AssertionError("the last try raises")

    async def listen(
        self, path: str, *, query: Mapping[str, Any] | None = None, header: Mapping[str, Any] | None = None
    ) -> AsyncIterator[m.EventRow]:
        """Yield live events for ever; a stream that breaks off goes on where it was. Raises ApiError."""
        last = dict(_said(header))
        while True:
            try:
                async with self._http.stream(
                    "GET", path, params=_query(query), headers=last, timeout=EVENT_TIMEOUT_S
                ) as response:
                    if not response.is_success:
                        await response.aread()
                        raise _problem(response)
                    reader = _Reader()
                    async for line in response.aiter_lines():
                        for event in reader.take(line):
                            last["Last-Event-ID"] = event["id"]
                            yield event
            except httpx.HTTPError:
                # Its end, or its being away for a moment: come back.
                pass
            await asyncio.sleep(PAUSE_S)


class _Reader:
    """Puts events together from the lines of one answer."""

    def __init__(self) -> None:
        self._kind, self._data = "", ""

    def take(self, line: str) -> Iterator[m.EventRow]:
        """Yield the event that a line completes. Raises ApiError: the controller said that it is over."""
        if line.startswith("event: "):
            self._kind = line[7:]
        elif line.startswith("data: "):
            self._data += line[6:]
        elif not line:
            kind, data = self._kind, self._data
            self._kind, self._data = "", ""
            if not data or kind == "gap":
                return
            document = json.loads(data)
            if kind != "end":
                yield cast("m.EventRow", document)
            elif document.get("code") != "closing":
                raise ApiError(status=401, code=document.get("code", ""), detail=document.get("detail", ""))


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _query(query: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (query or {}).items() if value is not None}


def _said(header: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (header or {}).items() if value is not None}


def _content(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    return {"content": body} if isinstance(body, bytes) else {"json": body}


def _problem(response: httpx.Response) -> ApiError:
    try:
        document = response.json()
    except ValueError:
        document = {}
    told = document if isinstance(document, dict) else {}
    after = response.headers.get("retry-after", "")
    return ApiError(
        status=response.status_code,
        code=str(told.get("code", "http_error")),
        detail=str(told.get("detail", response.text[:300])),
        retry_after_s=float(after) if after.isdecimal() else None,
    )
