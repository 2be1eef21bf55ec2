"""Reading declared keys: from variables and from files, which may change while we run. Nothing is kept on disk."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from voicegateway_controller.errors import BadRequest
from voicegateway_controller.logs import get_logger
from voicegateway_controller.vault.declared import KeyReference
from voicegateway_controller.vault.rules import KEY_CHARS_MAX, checked_text
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.fingerprints import fingerprint
from voicegateway_shared.masking import mask

GONE_S: Final = 10.0
"""A file that is away for less is being replaced; after that its key is taken back from the fleet."""
OWN_PREFIXES: Final = ("VOICEGATEWAY_", "LIVEKIT_", "DATABASE_", "REDIS_", "PG")
"""Variables that are the controller's own secrets, whatever the patterns say."""
_VERSION_HEX_CHARS: Final = 12

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKey:
    """What a reference led to; immutable. Its repr shows no secret."""

    reference: KeyReference
    text: str = field(default="", repr=False)
    problem: str = ""
    """Why there is no text; empty when there is."""

    @property
    def fingerprint(self) -> str:
        """The key's short one-way name."""
        return fingerprint(self.text)

    @property
    def masked(self) -> str:
        """What is shown of it."""
        return mask(self.text)

    @property
    def version(self) -> int:
        """A number made of the text, the same at every replica: another text has another number."""
        return int(self.fingerprint[:_VERSION_HEX_CHARS], 16) if self.text else 0


class References:
    """The texts of declared keys, in memory. Lives as long as the process."""

    def __init__(
        self,
        *,
        variables: str,
        folders: Iterable[Path],
        environment: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take which variables, as patterns, and which folders may be read at all."""
        self._patterns = tuple(each.strip() for each in variables.split(",") if each.strip())
        self._folders = tuple(folders)
        self._environment = environment
        self._monotonic = monotonic
        self._held: dict[KeyReference, tuple[float, str]] = {}
        self._told: dict[str, str] = {}

    def read(self, references: Iterable[KeyReference]) -> tuple[ReadKey, ...]:
        """Read each; one that cannot be read says why, once in the log."""
        asked = tuple(references)
        found = tuple(self._read(each) for each in asked)
        self._held = {each: held for each, held in self._held.items() if each in asked}
        told = {each.reference.id: each.problem for each in found if each.problem}
        for key_id, problem in told.items():
            if self._told.get(key_id) != problem:
                _log.warning("vault.reference_unreadable", key=key_id, problem=problem)
        self._told = told
        return found

    def _read(self, reference: KeyReference) -> ReadKey:
        now = self._monotonic()
        try:
            text = checked_text(self._from_env(reference) if reference.from_env else self._from_file(reference))
        except (ConfigurationError, BadRequest) as error:
            at, held = self._held.get(reference, (0.0, ""))
            if held and now - at < GONE_S:
                return ReadKey(reference=reference, text=held)
            return ReadKey(reference=reference, problem=str(error))
        self._held[reference] = (now, text)
        return ReadKey(reference=reference, text=text)

    def _from_env(self, reference: KeyReference) -> str:
        name = reference.from_env
        if name.startswith(OWN_PREFIXES) or not any(fnmatchcase(name, each) for each in self._patterns):
            raise ConfigurationError(
                f"variable {name} is not one that keys are read from: see VOICEGATEWAY_VAULT_VARIABLES"
            )
        text = self._environment.get(name, "")
        if not text:
            raise ConfigurationError(f"variable {name} is not set where the controller runs")
        return text

    def _from_file(self, reference: KeyReference) -> str:
        path = Path(reference.from_file)
        try:
            # Links are followed first: a mounted Secret is made of them, and one must not lead elsewhere.
            real = path.resolve(strict=True)
            if not any(real.is_relative_to(folder.resolve()) for folder in self._folders):
                raise ConfigurationError(
                    f"file {path} is not below a folder that keys are read from: see VOICEGATEWAY_VAULT_FOLDERS"
                )
            if not real.is_file():
                raise ConfigurationError(f"{path} is no file")
            with open(real, encoding="utf-8") as file:
                return file.read(KEY_CHARS_MAX + 1)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigurationError(f"file {path} cannot be read: {reason}") from error
