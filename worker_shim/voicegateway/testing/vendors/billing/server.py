"""What the billing APIs have in common: a loopback server, who may ask, answers that do not come at once or whole."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from aiohttp import web

from voicegateway.testing.vendors.billing.books import VendorBooks
from voicegateway.testing.vendors.credentials import presented_key
from voicegateway.testing.vendors.server import API_KEY, HOST

NORMAL_KEY: Final = API_KEY
"""A key that may use models, and may not read bills."""
ADMIN_KEYS: Final[Mapping[str, str]] = {
    "openai": "sk-admin-simulated",
    "anthropic": "sk-ant-admin-simulated",
    "deepgram": "deepgram-admin-simulated",
    "elevenlabs": "elevenlabs-admin-simulated",
    "cartesia": "sk_car_admin_simulated",
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadQuery(Exception):
    """A query that the vendor refuses; the message says why."""


@dataclass(slots=True)
class Mishaps:
    """What is still to go wrong, counted down; made anew when the switches are set."""

    rate_limited: int = 0
    server_errors: int = 0
    invalid_json: int = 0
    slow_s: float = 0.0


class BillingServer:
    """One vendor's billing API on a port of its own. Lives between `start` and `aclose`; the facade does both."""

    vendor: ClassVar[str]

    def __init__(self, books: VendorBooks, *, admin_key: str) -> None:
        self.books = books
        self.requests = 0
        """How many came, whatever became of them."""
        self._admin_key = admin_key
        self._mishaps = Mishaps()
        self._runner: web.AppRunner | None = None
        self._port = 0

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the vendor's endpoints."""
        raise NotImplementedError

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        """Return the vendor's own JSON for an error."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self._port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def restart_mishaps(self) -> None:
        """Count from the beginning what the traps say of the first requests."""
        traps = self.books.traps
        self._mishaps = Mishaps(traps.rate_limited, traps.server_errors, traps.invalid_json, traps.slow_s)

    def answer(self, body: Any) -> web.Response:
        """Return JSON, or its first half when that is the trap."""
        text = json.dumps(body)
        if self._mishaps.invalid_json:
            self._mishaps.invalid_json -= 1
            text = text[: len(text) // 2]
        return web.Response(text=text, content_type="application/json")

    def error(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> web.Response:
        """Return the vendor's way to say that something is wrong."""
        return web.json_response(self.error_body(status, message), status=status, headers=headers)

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self.requests += 1
        mishaps = self._mishaps
        if mishaps.slow_s:
            delay_s, mishaps.slow_s = mishaps.slow_s, 0.0
            await asyncio.sleep(delay_s)
        if mishaps.rate_limited:
            mishaps.rate_limited -= 1
            headers = {"Retry-After": str(self.books.traps.retry_after_s)}
            return self.error(429, "rate limited; slow down", headers=headers)
        if mishaps.server_errors:
            mishaps.server_errors -= 1
            return self.error(500, "internal error")
        key = presented_key(request.headers, {})
        if key != self._admin_key:
            if key == NORMAL_KEY or key in self.books.accounts:
                return self.error(403, "this key may not read billing; use an admin key")
            return self.error(401, "invalid API key")
        try:
            return await handler(request)
        except BadQuery as error:
            return self.error(400, str(error))


def many(query: Any, name: str) -> list[str]:
    """Return a parameter that may come several times, as `name` or as `name[]`."""
    return [*query.getall(name, []), *query.getall(f"{name}[]", [])]


def known(values: Sequence[str], allowed: Sequence[str], name: str) -> list[str]:
    """Return them; BadQuery names the first that is not allowed."""
    if unknown := [value for value in values if value not in allowed]:
        raise BadQuery(f"{name}: {unknown[0]!r} is not one of {', '.join(allowed)}")
    return list(dict.fromkeys(values))


def whole_number(text: str | None, name: str) -> int:
    """Return a parameter that must be a whole number."""
    if text is None or not text.lstrip("-").isdigit():
        raise BadQuery(f"{name} must be a whole number")
    return int(text)


def instant(text: str | None, name: str) -> datetime:
    """Return a parameter that must be an RFC 3339 instant."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise BadQuery(f"{name} must be an RFC 3339 instant") from error
    if at.tzinfo is None:
        raise BadQuery(f"{name} needs a zone")
    return at.astimezone(UTC)
