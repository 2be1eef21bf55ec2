"""Sign-in at an OpenID provider over real sockets, and everything that somebody who lies could bring back."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
import pytest_asyncio
from joserfc import jwk, jwt
from tests.fixtures.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, oidc_provider
from tests.integration.controller.conftest import MakeToken, StartApi

from voicegateway_controller.access import Role
from voicegateway_controller.access.guesses import GUESSES_MAX
from voicegateway_controller.access.oidc import CALLBACK_PATH

PEOPLE = """
- {claim: groups, has: voice, role: operator}
- {claim: groups, has: acme, role: viewer, projects: [acme]}
- {claim: groups, has: beta, role: viewer, projects: [beta]}
- {claim: email, has: ann@example.com, role: admin}
"""
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
START = "/api/v1/sign-in/oidc"


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    async with oidc_provider() as served:
        yield served


@pytest.fixture
def settings_of(provider: OidcProvider) -> dict[str, Any]:
    return {
        "public_url": "http://localhost",
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_name": "Acme SSO",
        "oidc_people": PEOPLE,
    }


@pytest_asyncio.fixture
async def browser(start_api: StartApi, settings_of: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in front of a controller with single sign-on."""
    async with start_api(**settings_of) as client:
        client.base_url = httpx.URL("http://localhost")
        yield client


async def begun(browser: httpx.AsyncClient, to: str = "/") -> str:
    """Begin, sign in at the provider, and return the address it sends the browser back to."""
    started = await browser.get(START, params={"to": to}, headers=BROWSER)
    assert started.status_code == 303, started.text
    async with httpx.AsyncClient() as outside:
        answered = await outside.get(started.headers["location"])
    return answered.headers["location"]


async def back(browser: httpx.AsyncClient, address: str) -> httpx.Response:
    return await browser.get(address, headers=BROWSER)


async def signed_in(browser: httpx.AsyncClient, to: str = "/") -> httpx.Response:
    return await back(browser, await begun(browser, to))


def problem_of(response: httpx.Response) -> str:
    """The sentence that the sign-in page is given."""
    assert response.status_code == 303
    location = response.headers["location"]
    assert location.startswith("/#problem="), location
    return unquote(location.removeprefix("/#problem="))


async def test_a_person_signs_in_and_is_sent_to_the_page_they_wanted(
    browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    provider.claims |= {"email": "bob@example.com", "email_verified": True, "name": "Bob"}

    came = await signed_in(browser, "/#page=limits")
    who = (await browser.get("/api/v1/whoami")).json()

    assert came.headers["location"] == "/#page=limits"
    assert {key: who[key] for key in ("actor", "name", "kind", "role", "projects")} == {
        "actor": "oidc:bob@example.com", "name": "Bob", "kind": "session", "role": "operator", "projects": None,
    }  # fmt: skip
    [asked] = provider.authorizations
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid email profile"
    assert asked["redirect_uri"] == "http://localhost/api/v1/sign-in/oidc/callback"
    assert len(asked["state"]) >= 43
    assert len(asked["nonce"]) >= 43
    [exchanged] = provider.exchanges
    assert len(exchanged["code_verifier"]) >= 43


async def test_the_cookie_is_out_of_reach_and_the_flow_is_forgotten(browser: httpx.AsyncClient) -> None:
    came = await signed_in(browser)

    set_cookies = came.headers.get_list("set-cookie")
    assert any(
        each.startswith("voicegateway=vgs_") and "HttpOnly" in each and "SameSite=lax" in each and "Path=/" in each
        for each in set_cookies
    )
    assert any(each.startswith('voicegateway-sign-in=""') and "Max-Age=0" in each for each in set_cookies)
    assert not any("Domain" in each for each in set_cookies)
    assert came.headers["cache-control"] == "no-store"


async def test_nobody_is_sent_to_another_site(browser: httpx.AsyncClient) -> None:
    for to in ("https://evil.example", "//evil.example", "/\\evil.example", "/ok\r\nX: y", "/api/v1/sign-out", "evil"):
        came = await signed_in(browser, to)

        assert came.headers["location"] == "/", to


async def test_claims_become_role_and_projects(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    for claims, role, projects in (
        ({"groups": ["acme"]}, "viewer", ["acme"]),
        ({"groups": ["beta", "acme", "else"]}, "viewer", ["acme", "beta"]),
        ({"groups": ["acme", "voice"]}, "operator", None),
        ({"groups": "voice"}, "operator", None),
        ({"groups": [], "email": "ann@example.com", "email_verified": True}, "admin", None),
    ):
        provider.claims = {"sub": "7f3a", **claims}

        await signed_in(browser)

        who = (await browser.get("/api/v1/whoami")).json()
        assert (who["role"], who["projects"]) == (role, projects), claims


async def test_groups_may_stand_in_the_user_info(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    provider.claims = {"sub": "7f3a"}
    provider.user_info = {"sub": "7f3a", "groups": ["acme"]}

    await signed_in(browser)

    assert (await browser.get("/api/v1/whoami")).json()["projects"] == ["acme"]


async def test_who_is_not_named_is_not_let_in(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    strangers: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
        ({"groups": []}, {}),
        ({"groups": ["Voice", "voices", True, 1, None, {"voice": 1}]}, {}),
        ({"email": "ann@example.com"}, {}),
        ({"email": "ann@example.com", "email_verified": "true"}, {}),
        ({}, {"sub": "2", "groups": ["voice"]}),
    )
    for claims, user_info in strangers:
        provider.claims, provider.user_info = {"sub": "1", "name": "Mallory", **claims}, user_info

        said = problem_of(await signed_in(browser))

        assert "Acme SSO knows you as Mallory, but nobody gave you a role here" in said, claims
    assert (await browser.get("/api/v1/whoami")).status_code == 401


async def test_who_makes_up_codes_waits_and_the_provider_is_asked_no_more(
    browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    answers = []
    for number in range(GUESSES_MAX + 2):
        started = await browser.get(START, headers=BROWSER)
        state = parse_qs(urlsplit(started.headers["location"]).query)["state"][0]
        asked = {"code": f"made-up-{number}", "state": state, "iss": provider.issuer}
        refused = await browser.get(CALLBACK_PATH, params=asked, headers={"Accept": "application/json"})
        answers.append((refused.status_code, refused.json()["code"]))

    assert answers == [(401, "sign_in_failed")] * GUESSES_MAX + [(429, "too_many_guesses")] * 2


def encoded(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token as somebody makes it by hand, whom no library keeps from it."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (signed + b"." + base64.urlsafe_b64encode(sign(signed)).rstrip(b"=")).decode()


def unsigned(_: OidcProvider, claims: dict[str, Any]) -> str:
    return encoded({"alg": "none"}, claims, lambda _: b"")


def with_own_key(provider: OidcProvider, claims: dict[str, Any]) -> str:
    header = {"alg": "ES256", "jwk": STRANGER.as_dict(private=False), "jku": f"{provider.issuer}/keys"}
    return jwt.encode(header, claims, STRANGER)


def by_a_stranger(provider: OidcProvider, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": provider.keys[-1].kid}, claims, STRANGER)


def by_an_unknown_key(_: OidcProvider, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": "unknown"}, claims, STRANGER)


def with_the_public_key(provider: OidcProvider, claims: dict[str, Any]) -> str:
    key = provider.keys[-1]
    shared = key.as_pem(private=False)
    return encoded({"alg": "HS256", "kid": key.kid}, claims, lambda signed: hmac.digest(shared, signed, hashlib.sha256))


STRANGER = jwk.ECKey.generate_key("P-256")
LIES: tuple[dict[str, Any], ...] = (
    {"aud": "another-client"},
    {"aud": [CLIENT_ID, "other"]},
    {"aud": [CLIENT_ID, "other"], "azp": "other"},
    {"iss": "https://evil.example"},
    {"exp": 1_000_000_000},
    {"exp": None},
    {"exp": "soon"},
    {"iat": 9_000_000_000, "exp": 9_000_000_300},
    {"nonce": "replayed"},
    {"nonce": None},
    {"sub": None},
    {"sub": ""},
    {"sub": ["7f3a"]},
    {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
)
SIGNATURES = (unsigned, with_own_key, by_a_stranger, by_an_unknown_key, with_the_public_key)


async def test_an_id_token_that_proves_nothing_is_refused(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    truth = dict(provider.claims)
    for lie in LIES:
        provider.claims = {**truth, **lie}
        assert "ID token" in problem_of(await signed_in(browser)), lie
    provider.claims = truth
    for sign in SIGNATURES:
        provider.sign = partial(sign, provider)
        assert "ID token" in problem_of(await signed_in(browser)), sign
    assert (await browser.get("/api/v1/whoami")).status_code == 401

    # And the truth passes: none of the above was refused for another reason.
    provider.sign = None
    assert (await signed_in(browser)).headers["location"] == "/"


async def test_keys_are_rotated_without_anybody_noticing(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    oidc = browser._transport.app.state.resources.oidc  # type: ignore[attr-defined]
    await signed_in(browser)
    provider.rotate()
    # As if the keys had been fetched a while ago: a stranger's key is not looked for at every sign-in.
    fetched_s, keys = oidc._provider._keys
    oidc._provider._keys = (fetched_s - 11, keys)

    await signed_in(browser)

    assert (await browser.get("/api/v1/whoami")).json()["role"] == "operator"
    assert provider.asked.count("/keys") == 2


async def test_unknown_keys_are_not_fetched_again_and_again(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    provider.sign = partial(by_an_unknown_key, provider)

    for _ in range(3):
        problem_of(await signed_in(browser))

    assert provider.asked.count("/keys") == 1


async def test_an_answer_to_another_browser_is_refused(
    start_api: StartApi, browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    address = await begun(browser)
    victim = httpx.AsyncClient(transport=browser._transport, base_url="http://localhost")

    said = problem_of(await back(victim, address))

    assert "not begun in this browser" in said
    assert provider.exchanges == []


async def test_a_meddled_answer_is_refused(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    for meddle in ({"state": "x" * 43}, {"state": ""}, {"iss": "https://evil.example"}, {"code": ""}):
        address = httpx.URL(await begun(browser)).copy_merge_params(meddle)

        problem_of(await back(browser, str(address)))

    assert provider.exchanges == []
    assert (await browser.get("/api/v1/whoami")).status_code == 401


async def test_an_answer_is_good_once(browser: httpx.AsyncClient) -> None:
    address = await begun(browser)
    await back(browser, address)

    said = problem_of(await back(browser, address))

    assert "not begun in this browser" in said


async def test_a_provider_that_says_it_names_itself_must(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    provider.discovery = {"authorization_response_iss_parameter_supported": True}

    assert "not of Acme SSO" in problem_of(await signed_in(browser))


async def test_a_refusal_at_the_provider_is_told_and_nothing_of_theirs_repeated(
    browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    provider.refuses_with = "access_denied"
    assert "(access_denied)" in problem_of(await signed_in(browser))

    provider.refuses_with = "<script>call 555-0100</script>"
    assert problem_of(await signed_in(browser)) == "Acme SSO did not sign you in (no code): sign in again"


async def test_a_discovery_document_that_is_not_its_own_is_refused(
    browser: httpx.AsyncClient, provider: OidcProvider
) -> None:
    documents: tuple[tuple[dict[str, Any], str], ...] = (
        ({"issuer": "https://evil.example"}, "says that it is https://evil.example"),
        ({"token_endpoint": "http://198.51.100.1/token"}, "endpoint without TLS"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "endpoint without TLS"),
        ({"jwks_uri": 5}, "cannot be read"),
    )
    for discovery, words in documents:
        provider.discovery = discovery

        assert words in problem_of(await browser.get(START, headers=BROWSER)), discovery


async def test_a_provider_in_trouble_is_said_to_people_and_programs(
    browser: httpx.AsyncClient, provider: OidcProvider, make_token: MakeToken
) -> None:
    provider.status = 503

    page = await browser.get(START, headers=BROWSER)
    program = await browser.get(START, headers={"Accept": "application/json"})
    with_token = await browser.get("/api/v1/whoami", headers=await make_token(Role.VIEWER))

    # Whoever asks again at once is not handed on to it.
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    assert "Acme SSO is in trouble (503)" in problem_of(page)
    assert (program.status_code, program.json()["code"]) == (503, "sign_in_provider_unavailable")
    assert program.headers["retry-after"] == "5"
    assert with_token.status_code == 200


async def test_a_provider_that_goes_away_in_between_is_said(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    address = await begun(browser)
    provider.status = 502

    assert "Acme SSO is in trouble (502)" in problem_of(await back(browser, address))


@asynccontextmanager
async def nobody_there() -> AsyncIterator[str]:
    """An address at which nobody listens any more."""
    async with oidc_provider() as gone:
        issuer = gone.issuer
    yield issuer


async def test_a_provider_that_does_not_answer_is_said_and_the_start_does_not_need_it(
    start_api: StartApi, settings_of: dict[str, Any]
) -> None:
    async with (
        nobody_there() as issuer,
        start_api(**{**settings_of, "oidc_issuer": issuer}) as client,
    ):
        page = await client.get(START, headers=BROWSER)
        options = (await client.get("/api/v1/sign-in/options")).json()

    assert "Acme SSO does not answer (ConnectError)" in problem_of(page)
    assert options["oidc"] == {"name": "Acme SSO"}


async def test_without_a_provider_there_is_no_such_sign_in(api: httpx.AsyncClient) -> None:
    answered = await api.get(START, headers={"Accept": "application/json"})
    options = (await api.get("/api/v1/sign-in/options")).json()

    assert answered.status_code == 404
    assert options == {"token": True, "oidc": None, "is_secure": False, "signed_in": None}


async def test_people_of_a_provider_that_is_gone_are_signed_out(
    browser: httpx.AsyncClient, start_api: StartApi
) -> None:
    await signed_in(browser)
    cookies = dict(browser.cookies)

    async with start_api() as later:
        later.cookies.update(cookies)

        assert (await later.get("/api/v1/whoami")).status_code == 401


async def test_nothing_secret_is_in_addresses_or_answers(browser: httpx.AsyncClient, provider: OidcProvider) -> None:
    started = await browser.get(START, headers=BROWSER)
    asked = parse_qs(urlsplit(started.headers["location"]).query)

    assert CLIENT_SECRET not in started.headers["location"]
    assert set(asked) == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method",
    }  # fmt: skip
