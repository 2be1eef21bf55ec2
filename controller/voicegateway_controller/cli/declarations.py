"""Files of declarations: YAML or JSON with a list under the name of what is declared; others may stand beside it."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from voicegateway_shared.errors import ConfigurationError

FILE_BYTES_MAX: Final = 1024 * 1024
"""As much as the API takes."""


def read_declarations(file: Path, name: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the list of that name in a file, and the whole file.

    Raises:
        ConfigurationError: it cannot be read, or has no such list.
    """
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise ConfigurationError(f"{file}: larger than {FILE_BYTES_MAX} bytes")
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        # Dates and other things of YAML's that JSON does not have are no part of a declaration.
        json.dumps(document)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is no YAML: {' '.join(str(error).split())}") from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{file}: {error}; write plain texts and whole numbers") from error
    found = document.get(name) if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise ConfigurationError(f"{file}: must have a list `{name}:`")
    return found, document
