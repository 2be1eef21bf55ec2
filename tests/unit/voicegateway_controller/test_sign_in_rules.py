"""Where a browser may be sent, who gets which role, and settings of single sign-on that would not be safe."""

from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.access.cookies import csrf_token
from voicegateway_controller.access.oidc import Flow, open_oidc
from voicegateway_controller.access.oidc_provider import is_error_code, is_safe
from voicegateway_controller.access.paths import own_path
from voicegateway_controller.access.people import actor_of, granted_to, name_of, read_people
from voicegateway_controller.access.rules import Role, new_sign_in, new_token, parse_sign_in, parse_token
from voicegateway_controller.access.settings import AccessSettings
from voicegateway_controller.settings import load_settings
from voicegateway_shared.errors import ConfigurationError

ODD = st.text(alphabet=st.sampled_from("/\\:@.?#%evilhtps \t\r\n\x00ü"), max_size=30)


@given(ODD | ODD.map(lambda text: "/" + text) | st.text(max_size=50))
def test_whatever_is_asked_for_the_browser_stays_here(wanted: str) -> None:
    path = own_path(wanted)

    there = urlsplit(urljoin("https://voice.example.com/", path))
    assert (there.scheme, there.netloc) == ("https", "voice.example.com")
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\", "/api/"))
    assert not set(path) & set("\\\r\n\t\x00 ")


@pytest.mark.parametrize("path", ["/", "/#page=limits&project=acme", "/docs?x=1", "/a/b"])
def test_pages_of_ours_are_left_as_they_are(path: str) -> None:
    assert own_path(path) == path


def test_a_token_is_no_cookie_and_a_cookie_no_token() -> None:
    token, cookie = new_token()[0], new_sign_in()[0]

    assert parse_token(token) is not None
    assert parse_sign_in(cookie) is not None
    assert parse_token(cookie) is None
    assert parse_sign_in(token) is None
    assert new_token()[1].secret not in repr(new_token()[1])


def test_the_proof_is_the_sessions_own_and_tells_nothing_of_its_secret() -> None:
    [first, second] = (new_sign_in()[1].secret for _ in range(2))

    assert csrf_token(first) == csrf_token(first)
    assert csrf_token(first) != csrf_token(second)
    assert first not in csrf_token(first)


RULES = read_people("""
- {claim: realm_access.roles, has: ops, role: operator, projects: [a]}
- {claim: realm_access.roles, has: more, role: operator, projects: [b]}
- {claim: "https://acme.example/staff", has: true, role: viewer}
- {claim: department, has: "*", role: viewer, projects: [c]}
""")


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"realm_access": {"roles": ["ops"]}}, (Role.OPERATOR, frozenset("a"))),
        ({"realm_access": {"roles": ["more", "ops"]}}, (Role.OPERATOR, frozenset("ab"))),
        ({"realm_access": {"roles": ["more"]}, "department": "x"}, (Role.OPERATOR, frozenset("b"))),
        ({"https://acme.example/staff": True, "department": "x"}, (Role.VIEWER, None)),
        ({"https://acme.example/staff": 1}, None),
        ({"https://acme.example/staff": "true"}, None),
        ({"department": "x"}, (Role.VIEWER, frozenset("c"))),
        ({"department": ""}, None),
        ({"department": [None, False]}, None),
        ({"realm_access": "ops"}, None),
        ({}, None),
    ],
)
def test_rules_give_the_first_role_and_its_projects(claims: dict[str, Any], expected: Any) -> None:
    assert granted_to(RULES, claims) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["roles", "x"]), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["realm_access", "department", "groups", "email", "name"]), JSON, max_size=4))
def test_odd_claims_are_no_claims_and_break_nothing(claims: dict[str, Any]) -> None:
    granted_to(RULES, claims)
    assert actor_of({"sub": "7f3a", **claims}, "email") == "oidc:7f3a"
    name_of({"sub": "7f3a", **claims})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "are a list"),
        ("- {claim: groups", "no YAML"),
        ("- {claim: groups, has: x, role: root}", "rule 1, role"),
        ("- {claim: groups, has: x, role: viewer}\n- {claim: groups, role: viewer}", "rule 2, has"),
        ("- {claim: groups, has: x, role: worker}", "workers have tokens"),
        ("- {claim: groups, has: x, role: viewer, projects: []}", "rule 1, projects"),
        ("- {claim: groups, has: x, role: viewer, project: a}", "rule 1, project"),
        ("/nowhere/people.yaml", "cannot be read"),
    ],
)
def test_rules_that_are_wrong_are_said(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_people(text)


def test_rules_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "people"
    file.write_text("- {claim: groups, has: x, role: viewer}")

    assert len(read_people(str(file))) == 1


GOOD = {
    "oidc_issuer": "https://id.example.com",
    "oidc_client_id": "c",
    "public_url": "https://voice.example.com/",
    "oidc_people": "- {claim: groups, has: x, role: viewer}",
}


def settings(**changes: Any) -> AccessSettings:
    stores = {"database_url": "postgresql://localhost/x", "redis_url": "redis://localhost"}
    return load_settings(**stores, **{**GOOD, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"oidc_issuer": ""}, "OIDC_ISSUER is not set"),
        ({"oidc_client_id": ""}, "OIDC_CLIENT_ID is not set"),
        ({"public_url": ""}, "PUBLIC_URL is not set"),
        ({"oidc_people": ""}, "OIDC_PEOPLE is not set"),
        ({"oidc_issuer": "http://id.example.com"}, "OIDC_ISSUER is wrong: single sign-on needs https"),
        ({"public_url": "http://voice.example.com"}, "PUBLIC_URL is wrong: single sign-on needs https"),
        ({"public_url": "https://voice.example.com/path"}, "PUBLIC_URL is wrong: the controller answers at the root"),
        ({"public_url": "voice.example.com"}, "PUBLIC_URL is wrong: must look like"),
        ({"oidc_issuer": "https://["}, "OIDC_ISSUER is wrong"),
        ({"oidc_people": "- {}"}, "OIDC_PEOPLE is wrong: rule 1"),
        ({"bootstrap_token": "vgw_a_short"}, "BOOTSTRAP_TOKEN is wrong"),
    ],
)
def test_settings_that_are_missing_or_unsafe_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        open_oidc(settings(**changes))


async def test_good_settings_open_a_provider_without_asking_it() -> None:
    oidc = open_oidc(settings(oidc_client_secret="provider-secret-0123456789"))

    assert oidc is not None
    assert "0123456789" not in repr(vars(oidc))
    await oidc.close()


@pytest.mark.parametrize("text", ["", "x", "e30", "%%%", "ü", "x" * 5_000, "eyJzdGF0ZSI6IiJ9"])
def test_a_flow_that_nobody_began_is_none(text: str) -> None:
    assert Flow.unpacked(text) is None


def test_a_flow_with_an_empty_state_is_none() -> None:
    empty = Flow(state="", nonce="", verifier="", to="/", began_s=0)

    assert Flow.unpacked(empty.packed()) is None


def test_what_a_provider_says_is_repeated_only_when_it_is_a_code() -> None:
    assert is_error_code("access_denied")
    assert not any(map(is_error_code, ("", "call 555-0100", "<b>", "x" * 41, "ümlaut")))
    assert is_safe("http://localhost:1/x", beside="http://127.0.0.1:2")
    assert not is_safe("http://localhost:1/x", beside="https://id.example.com")
