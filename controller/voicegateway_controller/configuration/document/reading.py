"""Reading a configuration's text or file: YAML, its sections, and that it says anything at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from voicegateway_controller.configuration.layering import OTHERS, ROUTING, SECTIONS, ZONE
from voicegateway_shared import document as shared
from voicegateway_shared.document import BYTES_MAX, Document, DocumentWrong, Problem
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import nearest

KNOWN: Final = (*SECTIONS, ZONE, *OTHERS)
"""What may stand at the top of the file."""
CONFIG_VARIABLE: Final = "VOICEGATEWAY_CONFIG"
FILE_NAME: Final = "voicegw.yaml"


def read_document(text: str | bytes, *, name: str) -> Document:
    """Return the document in a text; `name` is said in problems. `{}` says that this layer declares nothing.

    Raises:
        DocumentWrong: it is no YAML, says nothing, or has a section that nobody knows.
    """
    document = shared.read_document(text, name=name)
    data = document.data
    problems = [document.problem_at((key,), _unknown(key)) for key in data if key not in KNOWN]
    if not data and "{" not in (text if isinstance(text, str) else text.decode()):
        # An editor that saves in two steps leaves a moment in which the file is empty.
        problems = [Problem(file=name, message="says nothing; write `{}` where nothing is to be declared")]
    for section in (*SECTIONS, *OTHERS):
        value = data.get(section)
        is_mapping = section == ROUTING or section in OTHERS
        if value is None or isinstance(value, dict if is_mapping else list):
            continue
        what = "a mapping of keys to values" if is_mapping else "a list of mappings, each after a `- `"
        problems.append(document.problem_at((section,), f"must be {what}"))
    if problems:
        raise DocumentWrong(problems)
    return document


def read_file(path: Path) -> Document:
    """Return the document in a file; as `read_document`, and DocumentWrong where the file cannot be read."""
    try:
        with path.open("rb") as file:
            text = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise DocumentWrong([Problem(file=str(path), message=f"cannot be read: {error.strerror}")]) from error
    return read_document(text, name=str(path))


def find_file(environ: Mapping[str, str] = os.environ, *, home: Path | None = None) -> Path:
    """Return the file that holds here: VOICEGATEWAY_CONFIG's, else voicegw.yaml of this folder, else of the home.

    Raises:
        ConfigurationError: there is none.
    """
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    places = [Path(FILE_NAME), *([home / FILE_NAME] if home is not None else [])]
    for place in places:
        if place.is_file():
            return place
    raise ConfigurationError(
        f"there is no {' nor '.join(str(place) for place in places)}: name a file, set {CONFIG_VARIABLE}, or run "
        "`voicegw init` to write one"
    )


def _unknown(key: str) -> str:
    return f"unknown section; {nearest(key, KNOWN) or 'known are ' + ', '.join(KNOWN)}"
