"""The configuration as people read it: origins, changes, versions, how layers stand."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from voicegateway_controller.cli import output

_SIGNS: Final = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}
_WIDTH: Final = 10_000
"""One line for each value: no folding."""


def print_origins(report: Mapping[str, Any], sections: Sequence[str]) -> None:
    """Print what holds, each resource with the layer that it is from and those it hides."""
    rows = [
        {
            "resource": f"{section} {each['id']}",
            "source": each["source"],
            "shadows": ", ".join(each["shadows"]),
            "place": each["place"],
        }
        for section in sections
        for each in report["sections"][section]["resources"]
    ]
    columns = {"resource": "resource", "source": "from", "shadows": "hides that of", "place": "where"}
    output.as_table(columns, rows, title=f"what holds, version {report['version']}")


def print_changes(answer: Mapping[str, Any]) -> None:
    """Print what would change, or did: of the layer, and where layers hide one another of what holds."""
    _print_changes(answer["changes"])
    if not answer["changes"]:
        output.line("nothing would change." if answer.get("is_dry_run", True) else "nothing has changed.")
    if answer["effective_changes"] != answer["changes"]:
        output.line("")
        output.line("of what holds, because other layers declare some of it too:", style="bold")
        _print_changes(answer["effective_changes"])
        if not answer["effective_changes"]:
            output.line("nothing.")


def print_versions(answer: Mapping[str, Any]) -> None:
    """Print versions, the newest first."""
    rows = [
        {
            **each,
            "at": each["at"][:19].replace("T", " "),
            "what": f"{each['summary']} {_back(each)}".strip(),
        }
        for each in answer["versions"]
    ]
    columns = {
        "number": "version",
        "at": "when (UTC)",
        "actor": "who",
        "layer": "layer",
        "what": "what",
        "reason": "why",
    }
    output.as_table(columns, rows, title="versions of the configuration")
    if answer["next"] is not None:
        output.line("older ones are there: --limit", style="dim")


def print_version(answer: Mapping[str, Any]) -> None:
    """Print one version and what it changed."""
    output.line(
        f"version {answer['number']}, {answer['at'][:19].replace('T', ' ')} UTC, by {answer['actor']}", style="bold"
    )
    for name, value in (("layer", answer["layer"]), ("from", answer["origin"]), ("why", answer["reason"])):
        if value:
            output.line(f"{name}: {value}")
    if back := _back(answer):
        output.line(back)
    _print_changes(answer["changes"])


def print_status(report: Mapping[str, Any]) -> None:
    """Print how layers stand, what replicas read, and what is wrong."""
    rows = [{**each, "at": each["published_at"][:19].replace("T", " ")} for each in report["layers"]]
    columns = {
        "layer": "layer", "kind": "section", "resources": "resources", "version": "version", "at": "since (UTC)",
        "published_by": "by", "origin": "from",
    }  # fmt: skip
    output.as_table(columns, rows, title=f"layers, version {report['version']}")
    files = [
        {
            "replica": replica["id"], "layer": file["layer"], "name": file["name"], "state": file["state"],
            "force": "yes" if file["is_in_force"] else "no",
        }
        for replica in report["replicas"]
        for file in replica["files"]
    ]  # fmt: skip
    if files:
        columns = {"replica": "replica", "layer": "layer", "name": "file", "state": "state", "force": "in force"}
        output.as_table(columns, files, title="what replicas read")
    if not report["is_live"]:
        output.line("Redis is away: other replicas are not told of.", style="yellow")
    for each in report["problems"]:
        place = f"{each['place']}: " if each["place"] else ""
        output.line(f"WRONG  {each['layer']} at {each['replica']}: {place}{each['problem']}", style="red")


def _print_changes(changes: Sequence[Mapping[str, Any]]) -> None:
    for each in changes:
        sign, style = _SIGNS[each["change"]]
        output.line(f"{sign} {each['section']} {each['id']}", style=style)
        if each["change"] != "added":
            output.line(f"    - {_written(each['before'])}", style="dim")
        if each["change"] != "removed":
            output.line(f"    + {_written(each['after'])}", style="dim")


def _written(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text.removesuffix("...\n").strip()


def _back(version: Mapping[str, Any]) -> str:
    number = version["is_rollback_of"]
    return "" if number is None else f"(back to version {number})"
