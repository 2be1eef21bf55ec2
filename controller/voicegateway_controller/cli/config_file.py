"""The file that a configuration command is about: named, from stdin, or the one that holds here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicegateway_controller.client import ControllerUnreachable, TokenRefused
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError

if TYPE_CHECKING:
    from voicegateway_shared.document import Document

PATH: Final = "/api/v1/config"
STDIN: Final = "-"
File = Annotated[
    Path | None,
    typer.Argument(help="YAML or JSON; `-` is stdin. Default: VOICEGATEWAY_CONFIG, ./voicegw.yaml, the home's."),
]


def read_configuration(file: Path | None, home: Path) -> "Document":
    """Return the document of a file.

    Raises:
        DocumentWrong: it is no YAML, or has what no configuration has; every mistake with its place.
        ConfigurationError: no file is named, and none is where one would be.
    """
    from voicegateway_controller.configuration.document import find_file, read_document, read_file
    from voicegateway_shared.document import BYTES_MAX

    if file is not None and str(file) == STDIN:
        return read_document(sys.stdin.buffer.read(BYTES_MAX + 1), name="stdin")
    return read_file(file if file is not None else find_file(home=home))


def declared(document: "Document") -> dict[str, Any]:
    """Return what of a file is declared to a controller; a worker's section, with its token, stays here."""
    from voicegateway_controller.configuration.layering import SECTIONS, ZONE

    found = {key: value for key, value in document.data.items() if key in (*SECTIONS, ZONE)}
    if not found:
        raise ConfigurationError(f"{document.name}: declares nothing; it has none of {', '.join(SECTIONS)}")
    return {key: _empty(key) if value is None else value for key, value in found.items() if key != ZONE or value}


def placed(document: "Document", error: VoiceGatewayError) -> VoiceGatewayError:
    """Return a controller's refusal with the line and column of the file that it is about, where it names a place."""
    path, _ = document.locate(str(error))
    if not path or isinstance(error, (ControllerUnreachable, TokenRefused)):
        return error
    return VoiceGatewayError(document.explained(str(error)))


def _empty(section: str) -> Any:
    return {} if section == "routing" else []
