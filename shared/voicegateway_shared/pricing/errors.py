"""What can be wrong with a price catalogue."""

from collections.abc import Iterable

from voicegateway_shared.errors import ConfigurationError


class CatalogError(ConfigurationError):
    """Price files are wrong; `problems` lists every mistake found, each naming file, line, row and key."""

    code = "catalog_error"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(f"{count} problem{'' if count == 1 else 's'} in the prices:\n" + "\n".join(self.problems))
