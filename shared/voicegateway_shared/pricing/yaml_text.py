"""YAML read strictly: every mapping remembers its line, a repeated key is refused."""

from collections.abc import Hashable
from typing import Any, Final

import yaml

DOCUMENT_BYTES_MAX: Final = 1_000_000
"""Our largest price file is a tenth of this; more is a mistake or an attack."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlMapping(dict[str, Any]):
    """A mapping and the line its first key stands on."""

    line: int = 0


class YamlProblem(ValueError):
    """The text is not YAML we accept; the message names the line."""


class _StrictLoader(_Loader):  # type: ignore[misc]  # libyaml's loader is not always there, so it is Any
    pass


def _construct_mapping(loader: Any, node: yaml.MappingNode) -> YamlMapping:
    mapping = YamlMapping()
    mapping.line = node.start_mark.line + 1
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, Hashable) or not isinstance(key, str):
            raise YamlProblem(f"line {line}: the key {key!r} must be text")
        if key in mapping:
            raise YamlProblem(f"line {line}: the key {key!r} stands here twice")
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def read_yaml(text: str) -> Any:
    """The document in `text`; `YamlProblem` when it is not YAML, is too large or repeats a key."""
    if len(text.encode()) > DOCUMENT_BYTES_MAX:
        raise YamlProblem(f"the file is larger than {DOCUMENT_BYTES_MAX} bytes")
    try:
        # A SafeLoader underneath: it builds plain values only.
        return yaml.load(text, Loader=_StrictLoader)  # nosec B506
    except yaml.YAMLError as error:
        raise YamlProblem(f"not YAML: {' '.join(str(error).split())}") from error
