"""An ID token checked: signed by the provider, for us, now, and for the sign-in that this browser began. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]  # Authlib carries no types
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from voicegateway_controller.access.errors import SignInFailed

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that only the provider can make: no `none`, and no HS256, whose key everybody has who verifies."""
KEYS_MAX: Final = 50
"""Of one provider: a few, two of them while they are rotated."""
LEEWAY_S: Final = 60
"""How far the provider's clock may be from ours."""
TOKEN_CHARS_MAX: Final = 64 * 1024
"""Hundreds of groups."""
SUBJECT_CHARS_MAX: Final = 255
"""As OpenID Connect says."""

Key = jwk.RSAKey | jwk.ECKey | jwk.OKPKey


class UnknownKey(SignInFailed):
    """None of the keys that are known signed it: the provider may have new ones."""


def read_keys(document: bytes) -> list[Key]:
    """Return the provider's public keys; those that sign nothing we take are left out. Raises SignInFailed."""
    try:
        found = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SignInFailed("the provider's keys are no JSON") from error
    if not isinstance(found, list):
        raise SignInFailed("the provider's keys are no JWK set")
    keys = (_key(each) for each in found[:KEYS_MAX])
    return [key for key in keys if key is not None]


def verified(
    text: str,
    keys: Sequence[Key],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    now: datetime,
) -> Mapping[str, Any]:
    """Return the claims of an ID token, or raise SignInFailed; UnknownKey when other keys may help."""
    header, claims = _signed_by_one_of(keys, text)
    checked = CodeIDToken(
        claims,
        header,
        options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
        params={"nonce": nonce, "client_id": client_id, "access_token": access_token},
    )
    try:
        checked.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
    except (JoseError, ValueError, TypeError) as error:
        raise SignInFailed(f"the provider's ID token is not good: {_said(error)}") from error
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.isprintable() or not 0 < len(subject) <= SUBJECT_CHARS_MAX:
        raise SignInFailed("the provider's ID token names nobody: `sub` is empty or odd")
    return claims


def _signed_by_one_of(keys: Sequence[Key], text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(text) > TOKEN_CHARS_MAX:
        raise SignInFailed("the provider's ID token is too large")
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError) as error:
        raise SignInFailed("the provider's ID token cannot be read") from error
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise SignInFailed(f"the provider's ID token is signed by {str(algorithm)[:20]!r}, which is not taken")
    # Which key is ours to choose, of those we fetched: what the token says of `jwk` or `jku` is not looked at.
    for key in keys:
        if key_id is not None and key.kid != key_id:
            continue
        try:
            token = jwt.decode(text, key, algorithms=[str(algorithm)])
        except (JoseError, ValueError, TypeError, AttributeError):
            continue
        if isinstance(token.claims, dict):
            return dict(token.header), dict(token.claims)
    raise UnknownKey("the provider's ID token is not signed by a key of the provider's")


def _key(document: Any) -> Key | None:
    if not isinstance(document, dict) or document.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    if document.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in document.items() if name not in ("d", "p", "q", "dp", "dq", "qi")}
    try:
        key = jwk.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        # A key of a kind that we do not know signs nothing that we take.
        return None
    return key if isinstance(key, Key) else None


def _said(error: Exception) -> str:
    """What is wrong, without what the token says."""
    claim = getattr(error, "claim", None)
    reason = str(getattr(error, "error", "") or type(error).__name__).replace("_", " ")
    return f"{reason}, {claim}" if claim else reason
