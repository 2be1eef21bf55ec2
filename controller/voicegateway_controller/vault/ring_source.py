"""Where the vault's secrets come from: a setting, and a file that may change while we run."""

from pathlib import Path
from typing import Final

from voicegateway_controller.logs import get_logger
from voicegateway_controller.vault.ring import SecretRing, read_secrets
from voicegateway_controller.vault.settings import VaultSettings
from voicegateway_shared.errors import ConfigurationError

FILE_BYTES_MAX: Final = 64 * 1024
"""Sixteen secrets and their remarks are a thousandth of it."""
SETTING: Final = "VOICEGATEWAY_VAULT_SECRETS"

_log = get_logger(__name__)


class RingSource:
    """The ring as it is now; lives as long as the process. Secrets that cannot be read lock the vault, nothing else."""

    def __init__(self, settings: VaultSettings) -> None:
        given = settings.vault_secrets
        self._text = "" if given is None else given.get_secret_value()
        self._file: Path | None = settings.vault_secrets_file
        self._read: tuple[str, str] | None = None
        self.ring = SecretRing()
        self.problem = ""
        """Why there is no ring, or not the one that was meant; empty when all is well."""
        self.refresh()

    def refresh(self) -> bool:
        """Read the file again; say whether the ring is another one now. A ring that was good stays until a good one."""
        try:
            found = "" if self._file is None else _content(self._file)
            if self._read == (found, self._text):
                self.problem = ""
                return False
            in_file = read_secrets(found, where=str(self._file))
            in_setting = read_secrets(self._text, where=SETTING)
        except ConfigurationError as error:
            if self.problem != str(error):
                _log.error("vault.secrets_unreadable", error=str(error), kept=self.ring.ids)
            self.problem = str(error)
            return False
        self._read, self.problem = (found, self._text), ""
        ring = SecretRing((*in_file, *in_setting))
        is_changed, self.ring = ring.ids != self.ring.ids, ring
        return is_changed


def _content(path: Path) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(
            f"the vault's secrets cannot be read: VOICEGATEWAY_VAULT_SECRETS_FILE {path}: {reason}"
        ) from error
    if len(text) > FILE_BYTES_MAX:
        raise ConfigurationError(f"VOICEGATEWAY_VAULT_SECRETS_FILE {path} is longer than {FILE_BYTES_MAX} characters")
    return text
