"""What is asked of an OpenID provider: its discovery document, its keys, tokens for a code, who somebody is."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from voicegateway_controller.access.errors import ProviderUnavailable, SignInFailed
from voicegateway_controller.access.id_token import Key, read_keys
from voicegateway_controller.access.oauth import code_request

TIMEOUT_S: Final = 5.0
"""For each question: a person waits in front of a blank page."""
CONNECTIONS_MAX: Final = 8
"""Sign-ins at the same time that ask the provider something; others wait, for at most TIMEOUT_S."""
ANSWER_BYTES_MAX: Final = 512 * 1024
DISCOVERED_S: Final = 600.0
"""How long endpoints are believed."""
AWAY_S: Final = 2.0
"""A provider that did not answer is not asked again for so long."""
KEYS_S: Final = 600.0
KEYS_AGAIN_S: Final = 10.0
"""Unknown keys are looked for at most this often, whoever sends what."""
RETRY_AFTER_S: Final = 5
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """What is used of the discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a code was exchanged for. Never logged, never kept."""

    id_token: str
    access_token: str | None = None

    def __repr__(self) -> str:
        return "Tokens(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How the provider knows us. Immutable."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_uri: str
    name: str


class OidcProvider:
    """Asks one provider. Lives from its making to `close`, which its owner calls."""

    def __init__(self, client: Client, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            headers={"Accept": "application/json"},
        )
        self._discovering = asyncio.Lock()
        self._endpoints: tuple[float, Endpoints] | None = None
        self._away: tuple[float, str] | None = None
        self._keys: tuple[float, list[Key]] | None = None

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def endpoints(self) -> Endpoints:
        """Return where to ask what. Raises ProviderUnavailable, or SignInFailed for a document that is not its own."""
        # One asks for all who wait: whoever opens the sign-in again and again must not hold all connections.
        async with self._discovering:
            now_s = self._monotonic()
            if self._endpoints is not None and now_s - self._endpoints[0] < DISCOVERED_S:
                return self._endpoints[1]
            if self._away is not None and now_s - self._away[0] < AWAY_S:
                raise ProviderUnavailable(self._away[1], retry_after_s=RETRY_AFTER_S)
            try:
                found = await self._discover()
            except ProviderUnavailable as error:
                self._away = (self._monotonic(), str(error))
                raise
            self._endpoints = (self._monotonic(), found)
            return found

    async def keys(self, *, are_unknown: bool = False) -> list[Key] | None:
        """Return the provider's keys; anew when a token was signed by another, None when that was done just now."""
        now_s = self._monotonic()
        if self._keys is not None:
            age_s = now_s - self._keys[0]
            if are_unknown and age_s < KEYS_AGAIN_S:
                return None
            if not are_unknown and age_s < KEYS_S:
                return self._keys[1]
        keys = read_keys(await self._ask("GET", (await self.endpoints()).jwks_uri))
        self._keys = (now_s, keys)
        return keys

    async def exchange(self, code: str, *, verifier: str) -> Tokens:
        """Return what the provider gives for a code, to who has the verifier of its challenge."""
        endpoints = await self.endpoints()
        url, headers, body = code_request(
            endpoints.token_endpoint,
            client_id=self._client.client_id,
            client_secret=self._client.client_secret,
            method=_method(endpoints, has_secret=self._client.client_secret is not None),
            code=code,
            redirect_uri=self._client.redirect_uri,
            verifier=verifier,
        )
        answered = await self._ask("POST", url, headers=headers, content=body)
        try:
            return msgspec.json.decode(answered, type=Tokens)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SignInFailed(f"{self._client.name} answered the code without an ID token") from error

    async def user_info(self, access_token: str) -> Mapping[str, Any]:
        """Return what the provider says of a person beside their ID token; nothing where it says nothing there."""
        endpoints = await self.endpoints()
        if endpoints.userinfo_endpoint is None:
            return {}
        body = await self._ask("GET", endpoints.userinfo_endpoint, headers={"Authorization": f"Bearer {access_token}"})
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            # A signed one, say, which we did not ask for.
            return {}

    async def _discover(self) -> Endpoints:
        body = await self._ask("GET", f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            found = msgspec.json.decode(body, type=Endpoints)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SignInFailed(f"the discovery document of {self._client.name} cannot be read: {error}") from error
        if found.issuer != self._client.issuer:
            raise SignInFailed(
                f"{self._client.name} says that it is {found.issuer[:200]}: VOICEGATEWAY_OIDC_ISSUER must say the same"
            )
        for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint):
            if url is not None and not is_safe(url, beside=self._client.issuer):
                raise SignInFailed(f"{self._client.name} names an endpoint without TLS: {url[:200]}")
        return found

    async def _ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: str | bytes | None = None
    ) -> bytes:
        name = self._client.name
        chunks: list[bytes] = []
        size = 0
        try:
            async with self._http.stream(method, url, headers=headers, content=content) as response:
                async for chunk in response.aiter_bytes():
                    size += len(chunk)
                    if size > ANSWER_BYTES_MAX:
                        raise SignInFailed(f"{name} answered more than {ANSWER_BYTES_MAX} bytes")
                    chunks.append(chunk)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderUnavailable(
                f"{name} does not answer ({type(error).__name__}): try again in a moment, or sign in with a token",
                retry_after_s=RETRY_AFTER_S,
            ) from error
        if response.status_code >= 500 or response.status_code == 429:
            raise ProviderUnavailable(
                f"{name} is in trouble ({response.status_code}): try again in a moment, or sign in with a token",
                retry_after_s=RETRY_AFTER_S,
            )
        if response.status_code != 200:
            raise SignInFailed(f"{name} refused ({response.status_code}{_code_of(b''.join(chunks))}): sign in again")
        return b"".join(chunks)


def is_safe(url: str, *, beside: str = "") -> bool:
    """Say whether a URL is https; or http on this machine, where what it stands `beside` is there too."""
    try:
        parts = urlsplit(url)
        other = urlsplit(beside or url)
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in LOOPBACK and other.hostname in LOOPBACK


def _method(endpoints: Endpoints, *, has_secret: bool) -> str:
    """How we say who we are at the token endpoint; a provider that says nothing takes HTTP Basic."""
    if not has_secret:
        return "none"
    offered = endpoints.token_endpoint_auth_methods_supported or ["client_secret_basic"]
    return "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"


def _code_of(body: bytes) -> str:
    """The error's code, such as `invalid_grant`; nothing else of what the provider wrote is repeated."""
    try:
        code = msgspec.json.decode(body, type=dict[str, Any]).get("error")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return f", {code}" if isinstance(code, str) and is_error_code(code) else ""


def is_error_code(code: str) -> bool:
    """Say whether a text is an error code of OAuth, and no message that somebody would have us show."""
    return 0 < len(code) <= 40 and code.isascii() and code.replace("_", "").isalpha()
