"""Authlib's part in OAuth's requests, with types: the authorization address, and what is sent to redeem a code."""

from collections.abc import Mapping

# Authlib carries no types.
from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


def authorization_address(
    endpoint: str, *, client_id: str, redirect_uri: str, scope: str, state: str, nonce: str, verifier: str
) -> str:
    """Return where a browser is sent to sign in; of the verifier only its SHA-256 goes along."""
    return str(
        prepare_grant_uri(
            endpoint,
            client_id=client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=scope,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
    )


def code_request(
    endpoint: str,
    *,
    client_id: str,
    client_secret: str | None,
    method: str,
    code: str,
    redirect_uri: str,
    verifier: str,
) -> tuple[str, Mapping[str, str], str]:
    """Return address, headers and body that redeem a code, authenticated by `method` as OpenID Connect names it."""
    form = prepare_token_request("authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier)
    authentication = ClientAuth(client_id=client_id, client_secret=client_secret, auth_method=method)
    url, headers, body = authentication.prepare("POST", endpoint, dict(_FORM), form)
    return url, headers, body
