"""The settings of sign-in; a part of all settings."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from voicegateway_controller.access.people import read_people
from voicegateway_controller.access.rules import parse_token
from voicegateway_shared.errors import ConfigurationError


class AccessSettings(BaseSettings):
    """How people sign in, and for how long."""

    public_url: Annotated[
        str,
        Field(
            description="Where browsers reach this controller, `https://voice.example.com`: needed for single sign-on, "
            "and behind a proxy that ends TLS, so that cookies are for TLS alone."
        ),
    ] = ""
    bootstrap: Annotated[
        bool,
        Field(
            description="Where there never was a token, the controller makes an admin's at its start, and prints it "
            "once, to standard error."
        ),
    ] = True
    bootstrap_token: Annotated[
        SecretStr | None,
        Field(
            description="The first admin's token, `vgw_<16 hex digits>_<43 characters>`, taken instead of one that is "
            "made and printed. No use once there is any token."
        ),
    ] = None
    sign_in_idle_minutes: Annotated[
        int, Field(description="A dashboard that is not used for so long is signed out.", ge=5, le=7 * 24 * 60)
    ] = 120
    sign_in_hours_max: Annotated[
        int, Field(description="A sign-in ends after so long, however busy.", ge=1, le=30 * 24)
    ] = 12
    oidc_issuer: Annotated[
        str,
        Field(
            description="The OpenID provider people sign in at, `https://id.example.com`: its discovery document is "
            "read there. Without it people sign in with tokens only."
        ),
    ] = ""
    oidc_client_id: Annotated[str, Field(description="How the provider knows this controller.", max_length=500)] = ""
    oidc_client_secret: Annotated[
        SecretStr | None, Field(description="The client's secret; a public client has none, PKCE is always used.")
    ] = None
    oidc_name: Annotated[
        str, Field(description="What the button of the sign-in says.", min_length=1, max_length=60)
    ] = "Single sign-on"
    oidc_scopes: Annotated[
        str, Field(description="What the provider is asked for; `openid` is always among it.", max_length=500)
    ] = "openid email profile"
    oidc_person_claim: Annotated[
        str,
        Field(
            description="The claim by which people are named here and in the audit log; an `email` that the provider "
            "did not verify gives way to `sub`.",
            min_length=1,
            max_length=100,
        ),
    ] = "email"
    oidc_people: Annotated[
        str,
        Field(
            description="Who gets which role: YAML, or the name of a file with it; see the guide to access. Nobody is "
            "let in whom no rule names."
        ),
    ] = ""

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not url:
            return url
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ValueError("must look like https://host.example.com") from error
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        if not is_url or parts.query or parts.fragment or parts.username:
            raise ValueError("must look like https://host.example.com")
        return url

    @field_validator("public_url")
    @classmethod
    def _is_origin(cls, url: str) -> str:
        if url and urlsplit(url).path not in ("", "/"):
            raise ValueError("the controller answers at the root of a host: leave the path out")
        return url.rstrip("/")

    @field_validator("bootstrap_token")
    @classmethod
    def _is_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None:
            parts = parse_token(token.get_secret_value())
            if parts is None or len(parts.secret) < 32:
                raise ValueError("must be vgw_<id>_<secret> with a random secret of at least 32 characters")
        return token

    @field_validator("oidc_people")
    @classmethod
    def _are_people(cls, text: str) -> str:
        try:
            read_people(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return text
