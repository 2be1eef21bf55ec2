"""Files that people write, read so that each mistake is told with its file, line, column and key. Pure: text in."""

from voicegateway_shared.document.document import Document
from voicegateway_shared.document.places import Node, Place, child_key, key_text
from voicegateway_shared.document.problem import DocumentWrong, Problem
from voicegateway_shared.document.reading import BYTES_MAX, DEPTH_MAX, WEIGHT_MAX, read_document, read_tree

__all__ = [
    "BYTES_MAX",
    "DEPTH_MAX",
    "WEIGHT_MAX",
    "Document",
    "DocumentWrong",
    "Node",
    "Place",
    "Problem",
    "child_key",
    "key_text",
    "read_document",
    "read_tree",
]
