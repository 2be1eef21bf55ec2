"""voicegw.yaml: read with the place of every key, checked as a whole, described to editors by a JSON Schema."""

from voicegateway_controller.configuration.document.checking import check, checked
from voicegateway_controller.configuration.document.reading import KNOWN, find_file, read_document, read_file
from voicegateway_shared.document import Document, DocumentWrong, Problem

__all__ = [
    "KNOWN",
    "Document",
    "DocumentWrong",
    "Problem",
    "check",
    "checked",
    "find_file",
    "read_document",
    "read_file",
]
