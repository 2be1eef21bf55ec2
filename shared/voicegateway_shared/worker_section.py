"""The options of a worker, as its environment and the `worker:` section of voicegw.yaml say them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import nearest

ADMIT_WAIT_MS_MAX: Final = 10_000
"""LiveKit's own timeout of an attempt."""


def parse_worker(section: object, *, where: str = "worker") -> dict[str, Any]:
    """Return the options that a section gives.

    Raises:
        ConfigurationError: something in it is wrong; the message names the place and the mend.
    """
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ConfigurationError(f"{where}: must be a mapping of option names to values, such as {{project: acme}}")
    for name in section:
        refuse_unknown_option(name, where)
    return {name: CHECKS[name](f"{where}.{name}", value) for name, value in section.items() if value is not None}


def refuse_unknown_option(name: object, where: str) -> None:
    """Raise ConfigurationError where there is no option of that name."""
    if name not in CHECKS:
        mend = nearest(str(name), tuple(CHECKS)) or f"known keys are {', '.join(sorted(CHECKS))}"
        raise ConfigurationError(f"{where}: unknown key {str(name)!r}; {mend}")


def _url(where: str, value: object) -> str:
    text = _text(where, value).rstrip("/")
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigurationError(f"{where}: {text!r} is no http(s) URL; give the controller's address")
    return text


def _text(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}: {value!r} is no text; put it in quotes")
    return value


def _directory(where: str, value: object) -> Path:
    return Path(_text(where, value))


def _bytes(where: str, value: object) -> int:
    try:
        count = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else 0
    except ValueError:
        count = 0
    if count <= 0:
        raise ConfigurationError(f"{where}: {value!r} is no size; give a whole number of bytes, at least 1")
    return count


def _wait_ms(where: str, value: object) -> int:
    try:
        milliseconds = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else -1
    except ValueError:
        milliseconds = -1
    if not 0 <= milliseconds <= ADMIT_WAIT_MS_MAX:
        raise ConfigurationError(
            f"{where}: {value!r} is no wait; give whole milliseconds from 0 to {ADMIT_WAIT_MS_MAX}"
        )
    return milliseconds


def _is_true(where: str, value: object) -> bool:
    text = str(value).lower()
    if text not in ("true", "false"):
        raise ConfigurationError(f"{where}: {value!r} is neither true nor false")
    return text == "true"


CHECKS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "url": _url,
    "token": _text,
    "project": _text,
    "outbox_dir": _directory,
    "outbox_bytes_max": _bytes,
    "admit_wait_ms": _wait_ms,
    "delete_room": _is_true,
}
"""Each option's reader: takes the place to name, and the value as the environment's text or the file's value."""
