"""The settings of the vault; a part of all settings."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from voicegateway_controller.vault.vendors import read_urls
from voicegateway_shared.errors import ConfigurationError


class VaultSettings(BaseSettings):
    """How vendors' keys are sealed, and where else they come from."""

    vault_secrets: Annotated[
        SecretStr | None,
        Field(
            description="The secrets that seal vendors' keys, separated by commas, the primary first; "
            "`voicegw vault new-secret` makes one. Without any, the vault is locked: keys come from the environment."
        ),
    ] = None
    vault_secrets_file: Annotated[
        Path | None,
        Field(
            description="A file with more of them, one a line, before those of `VOICEGATEWAY_VAULT_SECRETS`; "
            "read again when it changes."
        ),
    ] = None
    vault_insecure: Annotated[
        bool,
        Field(description="Lease keys over plain HTTP from other machines, too: only where the network itself seals."),
    ] = False
    vault_lease_s: Annotated[
        int,
        Field(description="How long a worker keeps a key that no answer renews.", ge=60, le=86_400),
    ] = 900
    vault_variables: Annotated[
        str,
        Field(description="Which variables of the controller `from_env` of a declared key may name, as patterns."),
    ] = "*_API_KEY,*_API_TOKEN,*_SPEECH_KEY"
    vault_folders: Annotated[
        str,
        Field(
            description="Below which folders `from_file` may name files, separated by commas; "
            "`keys` in `VOICEGATEWAY_HOME` always."
        ),
    ] = "/var/run/secrets/voicegateway,/run/secrets/voicegateway,/etc/voicegateway/keys"
    vault_test_urls: Annotated[
        str,
        Field(
            description="Where keys are tried instead of at the vendors: `openai=http://localhost:9000`, "
            "separated by commas."
        ),
    ] = ""

    @field_validator("vault_test_urls")
    @classmethod
    def _are_urls(cls, text: str) -> str:
        try:
            read_urls(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return text
