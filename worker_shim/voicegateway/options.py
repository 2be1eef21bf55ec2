"""Options: what a worker process is told by its environment and its `voicegw.yaml`."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from voicegateway_shared.errors import ConfigurationError

logger = logging.getLogger("voicegateway")

OUTBOX_BYTES_MAX_DEFAULT: Final = 512 * 1024 * 1024
"""Half a gigabyte holds about a million requests: days of detached work on a busy host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Read once per process; environment (`VOICEGATEWAY_*`) wins over the file's `worker:` section."""

    url: str | None = None
    """The controller, `https://…`; none means detached: requests are metered into the outbox and wait there."""
    token: str | None = None
    """The worker token, `vgw_…`."""
    project: str = "default"
    """Who pays when neither the call nor the job says."""
    outbox_dir: Path = Path("~/.voicegateway/outbox")
    """Shared by every worker process of a host; must be on a local disk."""
    outbox_bytes_max: int = OUTBOX_BYTES_MAX_DEFAULT

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> "Options":
        """Read the environment and the file it names.

        Raises:
            ConfigurationError: the file or a value is wrong; the message names file, key and mend.
        """
        env = os.environ if environ is None else environ
        values: dict[str, Any] = _read_file(env.get("VOICEGATEWAY_CONFIG"))
        for field in fields(cls):
            value = env.get(f"VOICEGATEWAY_{field.name.upper()}")
            if value:
                values[field.name] = value
        return cls._checked(values)

    @classmethod
    def load_or_default(cls) -> "Options":
        """Like `load`, but a wrong file or value is logged and left out: a call is worth more than a setting."""
        try:
            return cls.load()
        except ConfigurationError as error:
            logger.error("voicegateway: %s; running with defaults, detached", error)
            return cls._checked({})

    @classmethod
    def _checked(cls, values: dict[str, Any]) -> "Options":
        url = values.get("url")
        if url is not None and not str(url).startswith(("http://", "https://")):
            raise ConfigurationError(f"VOICEGATEWAY_URL: {url!r} is no http(s) URL; give the controller's address")
        try:
            bytes_max = int(values.get("outbox_bytes_max", OUTBOX_BYTES_MAX_DEFAULT))
        except ValueError as error:
            raise ConfigurationError("VOICEGATEWAY_OUTBOX_BYTES_MAX: give a whole number of bytes") from error
        return cls(
            url=str(url).rstrip("/") if url else None,
            token=values.get("token"),
            project=str(values.get("project", "default")),
            outbox_dir=Path(values.get("outbox_dir", "~/.voicegateway/outbox")).expanduser(),
            outbox_bytes_max=bytes_max,
        )


def _read_file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise ConfigurationError(f"VOICEGATEWAY_CONFIG: cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path}{where}: no valid YAML; mend the file") from error
    section = (document or {}).get("worker", {}) if isinstance(document or {}, dict) else None
    if not isinstance(section, dict):
        raise ConfigurationError(f"{path}: `worker:` must be a mapping of option names to values")
    known = {field.name for field in fields(Options)}
    unknown = sorted(set(section) - known)
    if unknown:
        raise ConfigurationError(f"{path}: unknown key worker.{unknown[0]}; known keys are {', '.join(sorted(known))}")
    return dict(section)
