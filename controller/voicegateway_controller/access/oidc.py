"""Sign-in at an OpenID provider: the authorization code flow with PKCE, state and nonce, from its begin to a person."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from voicegateway_controller.access.errors import SignInFailed, UnknownPerson
from voicegateway_controller.access.id_token import UnknownKey, verified
from voicegateway_controller.access.oauth import authorization_address
from voicegateway_controller.access.oidc_provider import Client, OidcProvider, Tokens, is_error_code, is_safe
from voicegateway_controller.access.people import Person, PersonRule, actor_of, granted_to, name_of, read_people
from voicegateway_controller.access.settings import AccessSettings
from voicegateway_controller.logs import get_logger
from voicegateway_shared.errors import ConfigurationError

CALLBACK_PATH: Final = "/api/v1/sign-in/oidc/callback"
FLOW_S_MAX: Final = 600
"""How long a person may take at the provider."""
_RANDOM_BYTES: Final = 32
_FLOW_CHARS_MAX: Final = 4_000

_log = get_logger(__name__)


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that was begun, kept in a cookie of the browser that began it.

    It is not sealed: all it does is to tie the provider's answer to this browser. Whoever could put another one there
    could as well put one there that we made for them.
    """

    state: str
    nonce: str
    verifier: str
    to: str
    began_s: int

    def packed(self) -> str:
        """Return it as a cookie's text."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def unpacked(cls, text: str) -> "Flow | None":
        """Return the flow of a cookie; None for what is none."""
        if not text or len(text) > _FLOW_CHARS_MAX or not text.isascii():
            return None
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            flow = msgspec.json.decode(raw, type=cls)
        except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
            return None
        # Short ones nobody made here: an empty state would fit an answer that has none.
        return flow if min(map(len, (flow.state, flow.nonce, flow.verifier))) >= _RANDOM_BYTES else None

    def is_same_state(self, state: str) -> bool:
        """Say whether an answer is to this sign-in."""
        return hmac.compare_digest(self.state.encode(), state.encode(errors="replace"))

    def __repr__(self) -> str:
        return f"Flow(to={self.to!r}, …)"


class Oidc:
    """Signs people in at one provider; lives as long as its process. `close` is its owner's."""

    def __init__(
        self,
        client: Client,
        *,
        scopes: str,
        people: Sequence[PersonRule],
        person_claim: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name: Final = client.name
        """What the provider is called on the page."""
        self.flow_s_max: Final = FLOW_S_MAX
        self._client = client
        self._provider = OidcProvider(client)
        self._scopes = " ".join(dict.fromkeys(["openid", *scopes.split()]))
        self._people = people
        self._person_claim = person_claim
        self._clock = clock

    async def close(self) -> None:
        """Hang up."""
        await self._provider.close()

    async def begin(self, *, to: str) -> tuple[str, Flow]:
        """Return where to send the browser, and what it must bring back. Raises ProviderUnavailable."""
        endpoints = await self._provider.endpoints()
        flow = Flow(
            state=secrets.token_urlsafe(_RANDOM_BYTES),
            nonce=secrets.token_urlsafe(_RANDOM_BYTES),
            verifier=secrets.token_urlsafe(_RANDOM_BYTES),
            to=to,
            began_s=int(self._clock().timestamp()),
        )
        address = authorization_address(
            endpoints.authorization_endpoint,
            client_id=self._client.client_id,
            redirect_uri=self._client.redirect_uri,
            scope=self._scopes,
            state=flow.state,
            nonce=flow.nonce,
            verifier=flow.verifier,
        )
        return address, flow

    async def finish(self, flow: Flow, *, code: str, error: str, issuer: str) -> Person:
        """Return who signed in, of the provider's answer to a flow whose state was checked.

        Raises SignInFailed for an answer that proves nothing, UnknownPerson for somebody without a role here,
        ProviderUnavailable.
        """
        if int(self._clock().timestamp()) - flow.began_s > FLOW_S_MAX:
            raise SignInFailed("this sign-in was begun too long ago: sign in again")
        endpoints = await self._provider.endpoints()
        # Another provider's answer must not be redeemed at this one.
        if issuer != endpoints.issuer and (issuer or endpoints.authorization_response_iss_parameter_supported):
            raise SignInFailed(f"the answer is not of {self.name}: sign in again")
        if error or not code:
            said = error if is_error_code(error) else "no code"
            raise SignInFailed(f"{self.name} did not sign you in ({said}): sign in again")
        tokens = await self._provider.exchange(code, verifier=flow.verifier)
        claims = await self._verified(tokens, nonce=flow.nonce)
        return await self._person(claims, tokens)

    async def _verified(self, tokens: Tokens, *, nonce: str) -> Mapping[str, Any]:
        wanted: dict[str, Any] = {
            "issuer": self._client.issuer,
            "client_id": self._client.client_id,
            "nonce": nonce,
            "access_token": tokens.access_token,
            "now": self._clock(),
        }
        try:
            return verified(tokens.id_token, await self._provider.keys() or [], **wanted)
        except UnknownKey:
            keys = await self._provider.keys(are_unknown=True)
            if keys is None:
                raise
            return verified(tokens.id_token, keys, **wanted)

    async def _person(self, claims: Mapping[str, Any], tokens: Tokens) -> Person:
        granted = granted_to(self._people, claims)
        if granted is None and tokens.access_token is not None:
            # Some providers tell groups only there.
            more = await self._provider.user_info(tokens.access_token)
            if more.get("sub") == claims["sub"]:
                claims = {**more, **claims}
                granted = granted_to(self._people, claims)
        actor, name = actor_of(claims, self._person_claim), name_of(claims)
        if granted is None:
            _log.warning("sign_in.unknown_person", actor=actor, claims=sorted(claims)[:50])
            raise UnknownPerson(
                f"{self.name} knows you as {name}, but nobody gave you a role here: ask who runs this controller "
                "(VOICEGATEWAY_OIDC_PEOPLE)"
            )
        role, projects = granted
        return Person(
            issuer=self._client.issuer,
            subject=str(claims["sub"]),
            actor=actor,
            name=name,
            role=role,
            projects=projects,
        )


def open_oidc(settings: AccessSettings) -> Oidc | None:
    """Return the provider that is set up, None where none is. Asks nobody: it may be away when we start.

    Raises:
        ConfigurationError: something is missing, or would not be safe.
    """
    if not settings.oidc_issuer:
        if settings.oidc_client_id or settings.oidc_people:
            raise ConfigurationError("VOICEGATEWAY_OIDC_ISSUER is not set, and other settings of single sign-on are")
        return None
    people = read_people(settings.oidc_people)
    for name, value, why in (
        ("OIDC_CLIENT_ID", settings.oidc_client_id, "the provider knows this controller by it"),
        ("PUBLIC_URL", settings.public_url, "the provider sends people back there"),
        ("OIDC_PEOPLE", people, "nobody would be let in"),
    ):
        if not value:
            raise ConfigurationError(f"VOICEGATEWAY_{name} is not set, and single sign-on needs it: {why}")
    for name, url in (("OIDC_ISSUER", settings.oidc_issuer), ("PUBLIC_URL", settings.public_url)):
        if not is_safe(url):
            raise ConfigurationError(f"VOICEGATEWAY_{name} is wrong: single sign-on needs https, but on this machine")
    secret = settings.oidc_client_secret
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=None if secret is None else secret.get_secret_value(),
        redirect_uri=f"{settings.public_url}{CALLBACK_PATH}",
        name=settings.oidc_name,
    )
    return Oidc(client, scopes=settings.oidc_scopes, people=people, person_claim=settings.oidc_person_claim)
