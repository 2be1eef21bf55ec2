"""Where the files of local models are. Nothing is ever downloaded: a file that is missing is an error that says so."""

import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from voicegateway_shared.errors import ConfigurationError, MissingPackage

MODEL_DIR_VARIABLE: Final = "VOICEGATEWAY_MODEL_DIR"
MODEL_DIR_DEFAULT: Final = "~/.voicegateway/models"


class MissingModel(ConfigurationError):
    """A local model's file is not there; the message names the file and the command that fetches it."""

    code = "missing_model"


def models_at(given: str | os.PathLike[str] | None) -> Path:
    """The folder that holds the models of every engine: what was given, else the environment's, else the default."""
    return Path(given or os.environ.get(MODEL_DIR_VARIABLE) or MODEL_DIR_DEFAULT).expanduser()


def found(candidates: Iterable[Path], *, model: str, fetch: str) -> Path:
    """Return the first of these that exists.

    Raises:
        MissingModel: none does.
    """
    places = list(candidates)
    for place in places:
        if place.exists():
            return place.resolve()
    raise MissingModel(f"{model}: there is no {' and no '.join(map(str, places))}; fetch it with: {fetch}")


def need_package(module: str, *, extra: str) -> None:
    """Make sure that an engine is installed, without importing it.

    Raises:
        MissingPackage: it is not; the message names the extra.
    """
    if find_spec(module) is None:
        raise MissingPackage(f"{extra}: its engine is not installed; pip install 'voicegateway[{extra}]'")
