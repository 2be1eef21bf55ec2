"""Options: what a worker process is told by its environment and its `voicegw.yaml`."""

import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.routing import Routing, parse_routing
from voicegateway_shared.worker_section import CHECKS, refuse_unknown_option

if TYPE_CHECKING:
    from voicegateway_shared.document import Document

logger = logging.getLogger("voicegateway")

OUTBOX_BYTES_MAX_DEFAULT: Final = 512 * 1024 * 1024
"""Half a gigabyte holds about a million requests: days of detached work on a busy host."""
ADMIT_WAIT_MS_DEFAULT: Final = 250
"""A pause that a caller hardly hears; LiveKit's own first retry comes 100 ms later."""
PROBLEMS_MAX: Final = 10
"""Mistakes of one file that are logged."""
CONFIG_VARIABLE: Final = "VOICEGATEWAY_CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Read once per process; environment (`VOICEGATEWAY_*`) wins over the file's `worker:` section."""

    url: str | None = None
    """The controller, `https://…`; none means detached: requests are metered into the outbox and wait there."""
    token: str | None = field(default=None, repr=False)
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
        routing = _routing(document, problems)
        checked: dict[str, Any] = {}
        for name, (where, value) in given.items():
            try:
                checked[name] = CHECKS[name](where, value)
            except ConfigurationError as problem:
                problems.append(_placed(document, str(problem)) if where.startswith("worker.") else problem)
        return cls(**checked, routing=routing), problems


def _document(environ: Mapping[str, str]) -> tuple["Document | None", list[ConfigurationError]]:
    """Return what the file says, nothing where there is none, and what is wrong with it."""
    path = environ.get(CONFIG_VARIABLE)
    if not path:
        return None, []
    from voicegateway_shared.document import BYTES_MAX, DocumentWrong, read_document

    try:
        with Path(path).open("rb") as file:
            return read_document(file.read(BYTES_MAX + 1), name=path), []
    except OSError as error:
        return None, [ConfigurationError(f"{CONFIG_VARIABLE}: cannot read {path}: {error.strerror}; name a file")]
    except DocumentWrong as error:
        return None, [ConfigurationError(str(problem)) for problem in error.problems[:PROBLEMS_MAX]]


def _gather(
    document: "Document | None", environ: Mapping[str, str], problems: list[ConfigurationError]
) -> dict[str, tuple[str, object]]:
    """Return each option that is given, with the place that gives it; note what is wrong."""
    given: dict[str, tuple[str, object]] = {}
    section = None if document is None else document.data.get("worker")
    if document is not None and section is not None and not isinstance(section, dict):
        problems.append(_placed(document, "worker: must be a mapping of option names to values"))
        section = None
    for name, value in (section or {}).items():
        try:
            refuse_unknown_option(name, "worker")
        except ConfigurationError as problem:
            if document is not None:
                problems.append(_placed(document, str(problem)))
            continue
        if value is not None:
            given[name] = (f"worker.{name}", value)
    for name in CHECKS:
        variable = f"VOICEGATEWAY_{name.upper()}"
        if environ.get(variable):
            given[name] = (variable, environ[variable])
    return given


def _placed(document: "Document | None", message: str) -> ConfigurationError:
    """Return the error with the file's name, line and column, where the message begins with a place in the file."""
    return ConfigurationError(message if document is None else document.explained(message))


def _routing(document: "Document | None", problems: list[ConfigurationError]) -> Routing:
    try:
        return parse_routing(None if document is None else document.data.get("routing"))
    except ConfigurationError as problem:
        problems.append(_placed(document, str(problem)))
        return Routing()


def _expanded(directory: Path) -> Path:
    try:
        return directory.expanduser()
    except RuntimeError:
        # A container's user may have no home; losing usage would be worse than a directory that is cleared at times.
        instead = Path(tempfile.gettempdir()) / "voicegateway-outbox"
        logger.warning("voicegateway: this user has no home directory; the outbox is in %s", instead)
        return instead
