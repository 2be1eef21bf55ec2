"""Problems: what is wrong with a file that a person wrote, and where."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from voicegateway_shared.errors import ConfigurationError

SHOWN_MAX: Final = 20
"""Problems in one message; a file with more has one cause or is no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake. Lines and columns count from 1; 0 where the text's place is not known."""

    file: str
    message: str
    """What is wrong, and what would be right."""
    key: str = ""
    """As `limits[0].requests_per_min`; empty where it is about the whole file."""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return it as compilers do, `voicegw.yaml:12:5: limits[0].name: …`: editors and terminals follow that."""
        place = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.file}{place}: {self.key}{': ' if self.key else ''}{self.message}"

    def as_json(self) -> dict[str, Any]:
        """Return it for programs; a place that is not known is null."""
        return asdict(self) | {"line": self.line or None, "column": self.column or None}


class DocumentWrong(ConfigurationError):
    """A file cannot be used as it is; `problems` has every mistake that was found, in the order of the file."""

    code = "document_wrong"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda each: (each.line, each.column)))
        told = "\n".join(str(each) for each in self.problems[:SHOWN_MAX])
        more = len(self.problems) - SHOWN_MAX
        super().__init__(told + (f"\n… and {more} more" if more > 0 else ""))
