"""A price file's YAML as plain values: every mapping remembers its line. Read as strictly as voicegw.yaml is."""

from typing import Any, Final

from voicegateway_shared.document import DocumentWrong, Node, Problem, read_tree

DOCUMENT_BYTES_MAX: Final = 1_000_000
"""Our largest price file is a tenth of this; more is a mistake or an attack."""


class YamlMapping(dict[str, Any]):
    """A mapping and the line its first key stands on."""

    line: int = 0


def read_yaml(text: str, *, name: str) -> Any:
    """The document in `text`; days and instants stay texts.

    Raises:
        DocumentWrong: it is not YAML that we take, is too large or repeats a key.
    """
    if len(text.encode(errors="surrogatepass")) > DOCUMENT_BYTES_MAX:
        raise DocumentWrong([Problem(file=name, message=f"the file is larger than {DOCUMENT_BYTES_MAX} bytes")])
    return _valued(read_tree(text, name=name))


def _valued(node: Node) -> Any:
    if node.members is not None:
        mapping = YamlMapping({key: _valued(each) for key, each in node.members.items()})
        mapping.line = node.place.line
        return mapping
    return [_valued(each) for each in node.items] if node.items is not None else node.value
