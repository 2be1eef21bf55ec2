"""Options: what a worker process is told by its environment and its `voicegw.yaml`."""

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.routing import Routing, parse_routing

logger = logging.getLogger("voicegateway")

OUTBOX_BYTES_MAX_DEFAULT: Final = 512 * 1024 * 1024
"""Half a gigabyte holds about a million requests: days of detached work on a busy host."""
ADMIT_WAIT_MS_DEFAULT: Final = 250
"""A pause that a caller hardly hears; LiveKit's own first retry comes 100 ms later."""
ADMIT_WAIT_MS_MAX: Final = 10_000
"""LiveKit's own timeout of an attempt."""
CONFIG_VARIABLE: Final = "VOICEGATEWAY_CONFIG"


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
    admit_wait_ms: int = ADMIT_WAIT_MS_DEFAULT
    """How long an attempt may wait for a limit of the fleet before it is refused; 0 to 10,000."""
    delete_room: bool = True
    """Whether the room of a session that we end is deleted: its callers would stay in it, in silence."""
    routing: Routing = field(default_factory=Routing)
    """Chains, stacks and defaults of the file's `routing:` section; the fleet's of the same name hide them."""

    def __post_init__(self) -> None:
        """Take `~` for the home directory, whoever wrote it."""
        object.__setattr__(self, "outbox_dir", _expanded(self.outbox_dir))

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> "Options":
        """Read the environment and the file it names.

        Raises:
            ConfigurationError: the file or a value is wrong; the message names file, key and mend.
        """
        options, problems = cls._read(os.environ if environ is None else environ)
        if problems:
            raise problems[0]
        return options

    @classmethod
    def load_or_default(cls) -> "Options":
        """Like `load`, but a wrong file or value is logged and left out: a call is worth more than a setting."""
        options, problems = cls._read(os.environ)
        for problem in problems:
            logger.error("voicegateway: %s; left out for now", problem)
        return options

    @classmethod
    def _read(cls, environ: Mapping[str, str]) -> tuple["Options", list[ConfigurationError]]:
        document, problems = _document(environ)
        given = _gather(document, environ, problems)
        routing = _routing(document, environ, problems)
        checked: dict[str, Any] = {}
        for name, (where, value) in given.items():
            try:
                checked[name] = _CHECKS[name](where, value)
            except ConfigurationError as problem:
                problems.append(problem)
        return cls(**checked, routing=routing), problems


def _document(environ: Mapping[str, str]) -> tuple[object, list[ConfigurationError]]:
    """Return what the file says, nothing where there is none, and what is wrong with it."""
    path = environ.get(CONFIG_VARIABLE)
    try:
        return (_read_file(path) if path else None), []
    except ConfigurationError as problem:
        return None, [problem]


def _gather(
    document: object, environ: Mapping[str, str], problems: list[ConfigurationError]
) -> dict[str, tuple[str, object]]:
    """Return each option that is given, with the place that gives it; note what is wrong."""
    given: dict[str, tuple[str, object]] = {}
    known = [field.name for field in fields(Options) if field.name in _CHECKS]
    path = environ.get(CONFIG_VARIABLE)
    try:
        section = _worker_section(document, path)
    except ConfigurationError as problem:
        section = {}
        problems.append(problem)
    for name, value in section.items():
        if name not in known:
            problems.append(
                ConfigurationError(f"{path}: unknown key worker.{name}; known keys are {', '.join(sorted(known))}")
            )
        elif value is not None:
            given[name] = (f"{path}: worker.{name}", value)
    for name in known:
        variable = f"VOICEGATEWAY_{name.upper()}"
        if environ.get(variable):
            given[name] = (variable, environ[variable])
    return given


def _routing(document: object, environ: Mapping[str, str], problems: list[ConfigurationError]) -> Routing:
    section = document.get("routing") if isinstance(document, dict) else None
    try:
        return parse_routing(section, where=f"{environ.get(CONFIG_VARIABLE)}: routing")
    except ConfigurationError as problem:
        problems.append(problem)
        return Routing()


def _read_file(path: str) -> object:
    import yaml

    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{CONFIG_VARIABLE}: cannot read {path}: {error.strerror}; name a file") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path}{where}: no valid YAML; mend the file") from error


def _worker_section(document: object, path: str | None) -> dict[Any, Any]:
    section = document.get("worker") if isinstance(document, dict) else document
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise ConfigurationError(f"{path}: `worker:` must be a mapping of option names to values")
    return section


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
        count = int(value) if isinstance(value, int | str) else 0
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


_CHECKS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "url": _url,
    "token": _text,
    "project": _text,
    "outbox_dir": _directory,
    "outbox_bytes_max": _bytes,
    "admit_wait_ms": _wait_ms,
    "delete_room": _is_true,
}


def _expanded(directory: Path) -> Path:
    try:
        return directory.expanduser()
    except RuntimeError:
        # A container's user may have no home; losing usage would be worse than a directory that is cleared at times.
        instead = Path(tempfile.gettempdir()) / "voicegateway-outbox"
        logger.warning("voicegateway: this user has no home directory; the outbox is in %s", instead)
        return instead
