"""What is declared, on the command line: read from a file, said to be in force, printed as a file, watched.

A file is YAML or JSON with a list under the name of what is declared; others may stand beside it.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import RenderableType
from rich.live import Live

from voicegateway_controller.cli import output
from voicegateway_shared.document import BYTES_MAX, Document, DocumentWrong, read_document
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError

WATCH_S: Final = 1.0
_READ: Final[list[Document]] = []
"""The file that this run of the program read last: what is refused of it is told with its place."""


def read_declarations(file: Path, name: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the list of that name in a file, and the whole file.

    Raises:
        ConfigurationError: it cannot be read, or has no such list.
    """
    document = read_file(file)
    found = document.get(name)
    if not isinstance(found, list):
        raise ConfigurationError(f"{file}: must have a list `{name}:`")
    return found, document


def read_file(file: Path) -> dict[str, Any]:
    """Return what a file says by name, nothing where it says nothing so.

    Raises:
        ConfigurationError: it cannot be read; the message has line and column.
    """
    try:
        with file.open("rb") as opened:
            document = read_document(opened.read(BYTES_MAX + 1), name=str(file))
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error
    _READ[:] = [document]
    return document.data


def told(error: VoiceGatewayError) -> str:
    """Return what an error says, with the line and column of the file that was read where it names a place in it."""
    if isinstance(error, DocumentWrong) or not _READ:
        return str(error)
    path, _ = _READ[0].locate(str(error))
    return _READ[0].explained(str(error)) if path else str(error)


def say_applied(applied: dict[str, Any], noun: str) -> None:
    """Say which revision is in force, of how many of what."""
    if applied["is_changed"]:
        output.line(f"revision {applied['revision']} is in force: {applied[noun]} {noun}.")
    else:
        output.line(f"revision {applied['revision']} is in force already: nothing has changed.")


def print_declared(report: dict[str, Any], name: str) -> None:
    """Print what is declared as a file that can be applied."""
    output.text(
        f"# revision {report['revision']}, {report['created_at'] or 'never declared'} {report['created_by']}".rstrip()
        + "\n"
        + yaml.safe_dump({name: report[name]}, sort_keys=False, allow_unicode=True)
    )


def watch(seen: dict[str, Any], look: Callable[[], dict[str, Any]], shown: Callable[[Any], RenderableType]) -> None:
    """Show what was seen, and look again every second, until Ctrl-C."""
    with Live(shown(seen), console=output.console, auto_refresh=False, screen=output.console.is_terminal) as live:
        while True:
            time.sleep(WATCH_S)
            live.update(shown(look()), refresh=True)
