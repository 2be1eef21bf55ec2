"""Checking a document by the very readers that its declarations go through: every mistake, each with its place."""

import copy
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final

from voicegateway_controller.configuration.document.sections import PARSERS, Parse
from voicegateway_controller.configuration.layering import ROUTING, SECTIONS, ZONE, identify
from voicegateway_shared.document import Document, DocumentWrong, Problem
from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError

PROBLEMS_MAX: Final = 100
_STUB: Final = "openai/gpt-4.1-mini"


def checked(document: Document, *, providers: Collection[str] | None = None) -> Document:
    """Return the document, which is right; DocumentWrong with everything that is wrong with it otherwise."""
    if problems := check(document, providers=providers):
        raise DocumentWrong(problems)
    return document


def check(document: Document, *, providers: Collection[str] | None = None) -> tuple[Problem, ...]:
    """Return everything that is wrong with one layer's document, by its place; nothing where it could be applied alone.

    `providers` are those that may be named; by default those that are known here.
    """
    if providers is None:
        from voicegateway_controller.limits.providers import known_providers

        providers = known_providers()
    data = document.data
    zone = data.get(ZONE)
    problems: list[Problem] = []
    for name, parse in PARSERS.items():
        value = data.get(name)
        if value is None:
            continue
        read = partial(_read, parse, providers, zone if isinstance(zone, str) else None)
        if name == ROUTING:
            problems += _routing(document, value, read)
        elif isinstance(value, list):
            problems += _list(document, name, value, read)
        else:
            problems += _told(document, _refusal(read, value))
    if zone is not None:
        problems += _told(document, _refusal(partial(_read_zone, providers), zone))
    problems.sort(key=lambda each: (each.line, each.column))
    return tuple(dict.fromkeys(problems))[:PROBLEMS_MAX]


def _read(parse: Parse, providers: Collection[str], zone: str | None, value: Any) -> None:
    parse(value, providers, zone)


def _read_zone(providers: Collection[str], zone: Any) -> None:
    from voicegateway_shared.budgets import parse_budgets

    try:
        parse_budgets([], providers=providers, zone=zone)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("budgets: the zone for all: ", "zone: ")) from error


def _list(document: Document, name: str, declared: Sequence[Any], read: Callable[[Any], None]) -> list[Problem]:
    """Each declaration by itself, then those that are right together: they may be right one by one and contradict."""
    problems: list[Problem] = []
    right: list[int] = []
    for index, each in enumerate(declared):
        message = _refusal(read, [each])
        if message is None:
            right.append(index)
        else:
            problems += _told(document, message.replace(f"{name}[0]", f"{name}[{index}]"))
    if len(problems) >= PROBLEMS_MAX:
        return problems
    together = list(right)
    while len(together) > 1 and (message := _refusal(read, [declared[index] for index in together])) is not None:
        # Places count the right ones only; told back in those of the file.
        moved = re.sub(rf"\b{name}\[(\d+)\]", partial(_moved, name, tuple(together)), message)
        names = {name: {_identified(name, declared[index]): index for index in together}}
        problem = document.problem(moved, names=names)
        problems.append(problem)
        path, _ = document.locate(moved, names=names)
        if len(path) < 2 or path[1] not in together or len(problems) >= PROBLEMS_MAX:
            break
        together.remove(int(path[1]))
    return problems


def _moved(name: str, together: Sequence[int], match: "re.Match[str]") -> str:
    return f"{name}[{together[int(match[1])]}]" if int(match[1]) < len(together) else match[0]


def _identified(name: str, declared: Any) -> str:
    return next((identify(section, declared) for section in SECTIONS if section == name), "")


def _routing(document: Document, value: Any, read: Callable[[Any], None]) -> list[Problem]:
    """Ask for what is wrong, put something right in its place, and ask again."""
    problems: list[Problem] = []
    mended = copy.deepcopy(value)
    while len(problems) < PROBLEMS_MAX and (message := _refusal(read, mended)) is not None:
        problems += _told(document, message)
        path, _ = document.locate(message)
        if path[:1] != (ROUTING,) or not _mend(mended, path[1:]):
            break
    return problems


def _mend(routing: Any, path: tuple[str | int, ...]) -> bool:
    """Put what is surely right where something was wrong, or take it away; say whether anything changed."""
    home = 2 if path[:1] == ("projects",) else 0
    kind = path[home] if len(path) > home else ""
    depth, right = {"chains": (3, [_STUB]), "stacks": (2, {"llm": _STUB})}.get(str(kind), (2, None))
    place = path[: home + depth]
    if not place:
        return False
    at = routing
    for step in place[:-1]:
        if not isinstance(at, dict) or step not in at:
            return False
        at = at[step]
    if not isinstance(at, dict) or place[-1] not in at:
        return False
    if right is not None and len(place) == home + depth and at[place[-1]] != right:
        at[place[-1]] = right
    else:
        del at[place[-1]]
    return True


def _refusal(read: Callable[[Any], None], value: Any) -> str | None:
    """Return what a reader says against a value, None where it takes it."""
    try:
        read(value)
    except VoiceGatewayError as error:
        return str(error)
    return None


def _told(document: Document, message: str | None) -> list[Problem]:
    return [] if message is None else [document.problem(message)]
