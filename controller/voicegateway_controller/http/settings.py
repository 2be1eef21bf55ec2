"""The settings of the HTTP server; a part of all settings."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class HttpSettings(BaseSettings):
    """How the API is spoken to: TLS, origins, sizes, rates."""

    tls_certificate_file: Annotated[
        Path | None,
        Field(
            description="Certificate chain, PEM: the API speaks TLS, and takes a renewed file within seconds. Needs "
            "the key. Without it put TLS in front of the API, or let it listen on this machine only."
        ),
    ] = None
    tls_key_file: Annotated[Path | None, Field(description="The certificate's private key, PEM.")] = None
    tls_key_password: Annotated[SecretStr | None, Field(description="Password of that key, if it has one.")] = None
    tls_client_ca_file: Annotated[
        Path | None,
        Field(
            description="Authorities, PEM, one of which must have signed the certificate of whoever connects (mutual "
            "TLS). It is asked for beside the token, not instead of it, and of probes too."
        ),
    ] = None
    tls_minimum: Annotated[Literal["1.2", "1.3"], Field(description="The oldest version of TLS that is spoken.")] = (
        "1.2"
    )
    trusted_proxies: Annotated[
        str,
        Field(
            description="Addresses and networks, separated by commas, whose `X-Forwarded-For` and `X-Forwarded-Proto` "
            "are believed: your load balancers. Without them everybody behind one counts as one address."
        ),
    ] = ""
    allowed_hosts: Annotated[
        str,
        Field(
            description="Names under which the API may be asked, separated by commas, `*.example.com` for all below "
            "one. Others are answered 421. Empty: any. Does not hold for `/livez`, `/readyz` and `/metrics`."
        ),
    ] = ""
    cors_origins: Annotated[
        str,
        Field(
            description="Web pages of other origins that may use the API with a token, `https://ops.example.com`, "
            "separated by commas. Never with cookies. Empty: none."
        ),
    ] = ""
    http_body_bytes_max: Annotated[
        int,
        Field(
            description="Largest body of a request, where the route does not state its own limit.",
            ge=1024,
            le=64 * 2**20,
        ),
    ] = 2**20
    http_header_timeout_s: Annotated[
        float, Field(description="Longest time until a request's headers are complete.", ge=0.1, le=300)
    ] = 10.0
    http_body_timeout_s: Annotated[
        float, Field(description="Longest time until a request's body is complete.", ge=0.1, le=3600)
    ] = 30.0
    http_write_timeout_s: Annotated[
        float,
        Field(description="Longest time that an answer waits for a reader who takes none of it.", ge=0.1, le=3600),
    ] = 60.0
    http_connections_max: Annotated[
        int, Field(description="Connections of one API process; the next is answered 503.", ge=1, le=1_000_000)
    ] = 20_000
    http_connections_per_address_max: Annotated[
        int,
        Field(
            description="Connections of one address (IPv6: one /64), trusted proxies excepted; 0: no bound.",
            ge=0,
            le=1_000_000,
        ),
    ] = 12_000
    api_requests_per_s_per_token: Annotated[
        float,
        Field(
            description="Requests per second of one token or sign-in on one API process, worker routes excepted, with "
            "bursts of ten seconds' worth; 0: no limit.",
            ge=0,
            le=1_000_000,
        ),
    ] = 50.0
    api_requests_per_s_per_address: Annotated[
        float,
        Field(
            description="The same of one address (IPv6: one /64), with or without a token. 0: no limit.",
            ge=0,
            le=1_000_000,
        ),
    ] = 200.0
    worker_requests_per_s_per_address: Annotated[
        float,
        Field(
            description="The same for the worker routes under `/v1/`. 0, the default: no limit, for a fleet may share "
            "an address; these routes refuse by how much they have to do.",
            ge=0,
            le=1_000_000,
        ),
    ] = 0.0

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for part in _parts(text):
            try:
                ipaddress.ip_network(part)
            except ValueError as error:
                raise ValueError(f"{part!r} is no address and no network such as 10.0.0.0/8") from error
        return text

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        for part in _parts(text):
            scheme, separator, host = part.partition("://")
            if scheme not in ("https", "http") or not separator or not host or "/" in host or "*" in host:
                raise ValueError(f"{part!r} is no origin such as https://ops.example.com")
        return text

    @property
    def proxies(self) -> list[str]:
        """The trusted proxies, one by one."""
        return _parts(self.trusted_proxies)

    @property
    def origins(self) -> list[str]:
        """The origins that may use the API, one by one."""
        return _parts(self.cors_origins)

    @property
    def hosts(self) -> list[str]:
        """The names under which the API may be asked, one by one; none: any."""
        return [part.lower() for part in _parts(self.allowed_hosts)]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
