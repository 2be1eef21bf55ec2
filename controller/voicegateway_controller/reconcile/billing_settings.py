"""The settings by which vendors are asked for their own account of a month; a part of all settings."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class BillingSettings(BaseSettings):
    """Keys that may read vendors' billing, and where it is asked."""

    billing_openai_key: Annotated[
        SecretStr | None,
        Field(description="Reads OpenAI's costs and usage: an admin key, `sk-admin-…`; see the guide on billing keys."),
    ] = None
    billing_openai_url: Annotated[str, Field(description="Where OpenAI's billing is asked.")] = "https://api.openai.com"
    billing_anthropic_key: Annotated[
        SecretStr | None,
        Field(description="Reads Anthropic's costs and usage: an admin key, `sk-ant-admin…`."),
    ] = None
    billing_anthropic_url: Annotated[str, Field(description="Where Anthropic's billing is asked.")] = (
        "https://api.anthropic.com"
    )
    billing_deepgram_key: Annotated[
        SecretStr | None, Field(description="Reads Deepgram's billing: the key of a project's admin or owner.")
    ] = None
    billing_deepgram_projects: Annotated[
        str, Field(description="Ids of Deepgram's projects, separated by commas; empty means all that the key sees.")
    ] = ""
    billing_deepgram_url: Annotated[str, Field(description="Where Deepgram's billing is asked.")] = (
        "https://api.deepgram.com"
    )
    billing_elevenlabs_key: Annotated[
        SecretStr | None,
        Field(description="Reads ElevenLabs' analytics: a key of a workspace admin, with the right to read them."),
    ] = None
    billing_elevenlabs_url: Annotated[str, Field(description="Where ElevenLabs' billing is asked.")] = (
        "https://api.elevenlabs.io"
    )
    billing_cartesia_key: Annotated[
        SecretStr | None, Field(description="Reads Cartesia's credits: an admin key, `sk_car_admin_…`.")
    ] = None
    billing_cartesia_url: Annotated[str, Field(description="Where Cartesia's billing is asked.")] = (
        "https://api.cartesia.ai"
    )

    @field_validator(
        "billing_openai_key",
        "billing_anthropic_key",
        "billing_deepgram_key",
        "billing_elevenlabs_key",
        "billing_cartesia_key",
    )
    @classmethod
    def _is_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        text = key.get_secret_value().strip()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("must be a key, without blanks and line breaks")
        return SecretStr(text) if text else None

    @field_validator(
        "billing_openai_url",
        "billing_anthropic_url",
        "billing_deepgram_url",
        "billing_elevenlabs_url",
        "billing_cartesia_url",
    )
    @classmethod
    def _keeps_a_key(cls, url: str) -> str:
        parts = urlsplit(url)
        is_loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
            raise ValueError("must start with https://, since a key goes there; http:// only to this machine")
        if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
            raise ValueError("must be a plain address such as https://api.example.com")
        return url.rstrip("/")
