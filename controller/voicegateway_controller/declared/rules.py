"""What holds for every declaration, whatever it is about. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from voicegateway_controller.errors import BadRequest

TEXT_CHARS_MAX: Final = 256
"""As long as the names that spans and claims may carry."""
DEPTH_MAX: Final = 4
"""A list of mappings, whose options may be mappings of plain values or of one more mapping."""

Declared = Mapping[str, Any]
Allows = Callable[[str], bool]


def reaches(project: str, allows: Allows) -> bool:
    """Say whether a declaration that names this project, or none, concerns somebody who reaches some projects."""
    return not project or allows(project)


def refuse_odd_texts(
    value: object, where: str, *, text_chars_max: int = TEXT_CHARS_MAX, depth_max: int = DEPTH_MAX
) -> None:
    """Refuse what no database, log or terminal should meet: control characters, long texts, deep nesting.

    Raises BadRequest, which names the place.
    """
    if depth_max < 0:
        raise BadRequest(f"{where}: nested too deep for a declaration")
    if isinstance(value, str) and (len(value) > text_chars_max or not value.isprintable()):
        raise BadRequest(f"{where}: a text must have at most {text_chars_max} characters, all of them printable")
    if isinstance(value, Mapping):
        for key, each in value.items():
            refuse_odd_texts(key, where, text_chars_max=text_chars_max, depth_max=depth_max - 1)
            refuse_odd_texts(each, f"{where}.{key}", text_chars_max=text_chars_max, depth_max=depth_max - 1)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, each in enumerate(value):
            refuse_odd_texts(each, f"{where}[{index}]", text_chars_max=text_chars_max, depth_max=depth_max - 1)
