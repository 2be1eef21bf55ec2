"""Which model a name means: exact names and declared aliases only, never "starts with" or "looks like"."""

import re
from collections.abc import Iterable
from typing import Final

PLACEHOLDERS: Final = {
    "{date}": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "{yyyymmdd}": r"[0-9]{8}",
    "{voice}": r"[a-z]+",
    "{language}": r"[a-z]{2}",
    "{any}": r".+",
}
ANY: Final = "{any}"
"""Alone, it is every model that has no row of its own."""


class ModelNames:
    """Names and aliases of one provider's models; lives as long as its catalogue."""

    def __init__(self) -> None:
        self._exact: dict[str, str] = {}
        self._patterns: list[tuple[str, re.Pattern[str], str]] = []

    def add(self, model: str, aliases: Iterable[str]) -> list[str]:
        """Register a model; returns what is wrong (a name that already means another model)."""
        problems = []
        for name in (model, *aliases):
            if any(placeholder in name for placeholder in PLACEHOLDERS):
                self._add_pattern(name, model)
                continue
            if "{" in name or "}" in name:
                problems.append(f"{name!r} has an unknown placeholder; known are {', '.join(PLACEHOLDERS)}")
                continue
            owner = self._exact.setdefault(name, model)
            if owner != model:
                problems.append(f"{name!r} already means {owner!r}, it cannot mean {model!r} too")
        return problems

    def find(self, name: str) -> str | None:
        """The model a name means, or None; an exact name wins over a pattern."""
        model = self._exact.get(name)
        if model is not None:
            return model
        for _, pattern, owner in self._patterns:
            if pattern.fullmatch(name):
                return owner
        return None

    def ambiguities(self) -> list[str]:
        """Patterns that two models share, or that would also match another model's exact name."""
        problems = []
        for index, (text, pattern, owner) in enumerate(self._patterns):
            problems += [
                f"alias {text!r} of {owner!r} is also an alias of {other!r}"
                for twin, _, other in self._patterns[:index]
                if twin == text and other != owner
            ]
            problems += [
                f"alias {text!r} of {owner!r} also matches {name!r}, which means {other!r}"
                for name, other in self._exact.items()
                if other != owner and text != ANY and pattern.fullmatch(name)
            ]
        return problems

    def _add_pattern(self, text: str, model: str) -> None:
        expression = re.escape(text)
        for placeholder, digits in PLACEHOLDERS.items():
            expression = expression.replace(re.escape(placeholder), digits)
        entry = (text, re.compile(expression, re.ASCII), model)
        if all((known, owner) != (text, model) for known, _, owner in self._patterns):
            self._patterns.append(entry)
