"""Context keys a provider's prices depend on, and how a request's words become the catalogue's."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One context key: `synonyms` map what requests say to the value rows ask for.

    An absent or empty word means `default`. An unlisted word means `otherwise`; where that is None no row
    that asks for this key matches, so an unheard-of service tier is unrated rather than priced as another.
    """

    key: str
    default: str
    synonyms: Mapping[str, str]
    otherwise: str | None = None

    @property
    def values(self) -> frozenset[str]:
        extra = {self.default} if self.otherwise is None else {self.default, self.otherwise}
        return frozenset(self.synonyms.values()) | extra

    def canonical(self, word: str | None, *, default: str | None = None) -> str | None:
        """The catalogue's word; `default` overrides the file's own (the operator's plan, say)."""
        if not word:
            return default or self.default
        return self.synonyms.get(word.strip().lower(), self.otherwise)
