"""Tables for people, JSON for programs, by itself: a command whose output goes into a pipe or a file prints JSON."""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from voicegateway_shared.errors import ConfigurationError

OUTPUT_VARIABLE: Final = "VOICEGATEWAY_OUTPUT"
_JSON, _TABLE = "--json", "--table"
_INSTEAD: Final = frozenset(("--csv", "--watch"))
"""Options that say themselves what is printed."""
DOCUMENTS: Final = frozenset(
    {
        "limits show", "budgets show", "routing show", "markups show", "allowances declared", "projects export",
        "config show", "reconcile mapping show", "reconcile mapping propose",
    }
)  # fmt: skip
"""Commands that print a file, which goes into a file as it is."""
AS_ALWAYS: Final = frozenset({"demo"})
"""Commands that go on for a while and say so line by line."""

Output = Literal["json", "table"]


def wanted(*, is_terminal: bool, environ: Mapping[str, str] = os.environ) -> Output:
    """Return what is printed where no option says it: VOICEGATEWAY_OUTPUT's, else tables in a terminal only.

    Raises:
        ConfigurationError: the variable says neither.
    """
    given = environ.get(OUTPUT_VARIABLE, "").strip().lower()
    if given in ("", "auto"):
        return "table" if is_terminal else "json"
    if given == "json":
        return "json"
    if given == "table":
        return "table"
    raise ConfigurationError(f"{OUTPUT_VARIABLE} is {given!r}: set it to json, table or auto")


def prepare(command: Any) -> None:
    """Have every command that knows `--json` take it by itself where its output is no terminal; `--table` says no."""
    output = wanted(is_terminal=sys.stdout.isatty())
    for path, each in _commands(command, ""):
        flag = next((param for param in each.params if _JSON in param.opts), None)
        if flag is None:
            continue
        flag.secondary_opts = [_TABLE]
        if output == "json" and path not in DOCUMENTS | AS_ALWAYS:
            each.parse_args = _with_json(each, flag.name)


def _with_json(command: Any, name: str) -> Any:
    parse = command.parse_args

    def parse_args(context: Any, arguments: list[str]) -> list[str]:
        rest: list[str] = parse(context, arguments)
        instead = [param.name for param in command.params if _INSTEAD & set(param.opts)]
        if not _is_given(context, name) and not any(context.params.get(each) for each in instead):
            context.params[name] = True
        return rest

    return parse_args


def _is_given(context: Any, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from _commands(each, f"{path} {name}".strip())
