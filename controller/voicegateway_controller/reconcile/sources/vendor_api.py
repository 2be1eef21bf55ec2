"""Ask a vendor's billing API: bounded, patient, and silent about the key. The only file here that knows aiohttp."""

import asyncio
import hashlib
import json
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from voicegateway_controller.alerts.alert import one_line
from voicegateway_controller.alerts.outcome import retry_after_s
from voicegateway_controller.reconcile.errors import VendorRefused, VendorUnavailable
from voicegateway_controller.reconcile.statement import VendorDocument

ANSWER_BYTES_MAX: Final = 16 * 2**20
"""One answer; a month of daily buckets by key and model is a few hundred kilobytes."""
FETCH_BYTES_MAX: Final = 128 * 2**20
"""All answers of one fetch: they are kept as evidence, in memory and then in Postgres."""
TRIES_MAX: Final = 5
ATTEMPT_S: Final = 60.0
"""From the name's look-up to an answer's last byte; reports over a month are slow."""
FETCH_S: Final = 600.0
"""One fetch with all its pages, tries and waits."""
PAGES_MAX: Final = 500
WAIT_S_FIRST: Final = 0.5
WAIT_S_MAX: Final = 30.0
RETRY_AFTER_S_MAX: Final = 120.0
"""Who asks us to stay away for longer is told as unavailable until then."""
EXCERPT_CHARS: Final = 200
RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_KEYLIKE: Final = re.compile(r"\b(?:sk|key|tok|pk)[-_][A-Za-z0-9_*.\-]{4,}")

Params = Sequence[tuple[str, str]]
Answer = dict[str, Any]
Sleep = Callable[[float], Awaitable[None]]


class VendorApi:
    """One vendor's billing API for one fetch; leaving its context closes its connections.

    Follows no redirect, since a key must not travel to another host; sends no cookie; verifies certificates.
    """

    def __init__(
        self,
        provider: str,
        *,
        url: str,
        headers: Mapping[str, str],
        secret: str,
        refusal: str,
        now: datetime,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`refusal` says which key is needed and where it is made; it follows a 401 or 403."""
        self.provider = provider
        self._now = now
        self.documents: list[VendorDocument] = []
        self._url = url.rstrip("/")
        self._headers = headers
        self._secret = secret
        self._refusal = refusal
        self._sleep = sleep
        self._bytes = 0
        self._pages = 0
        self._ends_at = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._ends_at = asyncio.get_running_loop().time() + FETCH_S
        timeout = aiohttp.ClientTimeout(total=ATTEMPT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, params: Params = ()) -> Answer:
        """Return a JSON object. Raises VendorRefused, VendorUnavailable."""
        return await self._ask("GET", path, params, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Return the JSON object a report is answered with. Raises VendorRefused, VendorUnavailable."""
        return await self._ask("POST", path, (), body)

    async def get_all(self, path: str, params: Params) -> list[tuple[int, Answer]]:
        """Return all pages that `next_page` leads to, each with the index of its document."""
        pages: list[tuple[int, Answer]] = []
        seen: set[str] = set()
        page = ""
        while True:
            answer = await self.get(path, [*params, ("page", page)] if page else params)
            pages.append((len(self.documents) - 1, answer))
            if not answer.get("has_more"):
                return pages
            page = str(answer.get("next_page") or "")
            if not page or page in seen:
                raise self.unreadable(f"{path} says that there is more, and not where")
            seen.add(page)

    def unreadable(self, what: str) -> VendorUnavailable:
        """Make the error for an answer of a shape we do not know."""
        return VendorUnavailable(f"{self.provider} answered, and it cannot be read: {what}", provider=self.provider)

    async def _ask(self, method: str, path: str, params: Params, body: Mapping[str, Any] | None) -> Answer:
        self._pages += 1
        if self._pages > PAGES_MAX:
            raise self.unreadable(f"more than {PAGES_MAX} pages")
        tried = 0
        while True:
            tried += 1
            try:
                return await self._attempt(method, path, params, body)
            except _Again as again:
                await self._wait(again, tried)

    async def _wait(self, again: "_Again", tried: int) -> None:
        # Jitter, since many controllers that were refused together would come back together.
        wait_s = min(WAIT_S_MAX, WAIT_S_FIRST * 2**tried) * random.uniform(0.5, 1.0)
        wait_s = max(again.after_s, wait_s)
        is_late = asyncio.get_running_loop().time() + wait_s > self._ends_at
        if tried >= TRIES_MAX or wait_s > RETRY_AFTER_S_MAX or is_late:
            hint = f"; it asks for {again.after_s:.0f} s of patience" if again.after_s else ""
            raise VendorUnavailable(
                f"{self.provider} {again.reason}, {tried} times{hint}: try again later", provider=self.provider
            ) from again
        await self._sleep(wait_s)

    async def _attempt(self, method: str, path: str, params: Params, body: Mapping[str, Any] | None) -> Answer:
        if self._session is None:
            raise RuntimeError("a VendorApi asks only within its context")
        left_s = self._ends_at - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise VendorUnavailable(f"{self.provider} took more than {FETCH_S:.0f} s", provider=self.provider)
        try:
            async with self._session.request(
                method,
                self._url + path,
                params=list(params),
                json=body,
                headers=self._headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=min(ATTEMPT_S, left_s)),
            ) as response:
                found = await self._body(response)
                self._judge(response, found)
                answer = self._parsed(found)
                self._keep(response, found)
                return answer
        except TimeoutError as error:
            raise _Again("did not answer in time") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise VendorUnavailable(
                f"{self.provider} shows a certificate that is not trusted: {type(error.certificate_error).__name__}",
                provider=self.provider,
            ) from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise VendorRefused(
                f"the address of {self.provider}'s billing is no URL that can be used", provider=self.provider, status=0
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise _Again(f"cannot be reached ({reason})") from error

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        found = bytearray()
        async for chunk in response.content.iter_chunked(65_536):
            found += chunk
            if len(found) > ANSWER_BYTES_MAX or self._bytes + len(found) > FETCH_BYTES_MAX:
                raise self.unreadable(f"more than {ANSWER_BYTES_MAX >> 20} MiB, or {FETCH_BYTES_MAX >> 20} MiB in all")
        self._bytes += len(found)
        return bytes(found)

    def _judge(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        status = response.status
        if 200 <= status < 300:
            return
        if status in RETRIED:
            raise _Again(
                f"answered {status}", after_s=retry_after_s(response.headers.get("Retry-After"), now=self._now)
            )
        if status in (401, 403):
            # What it said is left out: some vendors repeat a part of the key.
            raise VendorRefused(
                f"{self.provider} answered {status}: {self._refusal}", provider=self.provider, status=status
            )
        said = self._scrubbed(one_line(body.decode(errors="replace"), chars_max=EXCERPT_CHARS))
        hint = ": redirects are not followed, set the final address" if 300 <= status < 400 else f": {said}"
        message = f"{self.provider} answered {status} to {response.url.path}{hint}"
        raise VendorRefused(message, provider=self.provider, status=status)

    def _parsed(self, body: bytes) -> Answer:
        try:
            answer = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise _Again("answered what is no JSON") from error
        if not isinstance(answer, dict):
            raise self.unreadable("no JSON object")
        return answer

    def _keep(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.documents.append(
            VendorDocument(
                name=str(response.url.with_user(None)),
                sha256=hashlib.sha256(body).hexdigest(),
                body=body,
                fetched_at=self._now,
            )
        )

    def _scrubbed(self, text: str) -> str:
        return _KEYLIKE.sub("…", text.replace(self._secret, "…") if self._secret else text)


class _Again(Exception):
    """Asking once more may help."""

    def __init__(self, reason: str, *, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
