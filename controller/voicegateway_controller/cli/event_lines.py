"""Events on one line each: for `voicegw logs` and `voicegw top`. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MARKS: Final[Mapping[str, str]] = {
    "session.begun": "green",
    "session.ended": "dim",
    "alert.raised": "yellow",
    "breaker.opened": "red",
    "breaker.closed": "green",
    "provider.disabled": "yellow",
    "provider.enabled": "green",
    "worker.drained": "yellow",
    "worker.undrained": "green",
    "configuration.changed": "cyan",
    "gap": "yellow",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One event of a stream: its id, empty for what the stream says of itself."""

    id: str
    kind: str
    data: dict[str, Any]


def events_in(lines: Iterable[str]) -> Iterator[Heard]:
    """Yield the events of Server-Sent Events, line by line."""
    its_id, kind, data = "", "", ""
    for line in lines:
        if not line:
            if data:
                yield Heard(its_id, kind, json.loads(data))
            its_id, kind, data = "", "", ""
        elif line.startswith("id: "):
            its_id = line[4:]
        elif line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            data += line[6:]


def line_of(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return an event as one line for people, and its style."""
    kind, data = event["kind"], event["data"]
    at = event["at"][11:19]
    project = f" [{event['project']}]" if event["project"] else ""
    text = f"{at} {kind:<21}{project} {_said(kind, data)}".rstrip()
    style = MARKS.get(kind, "")
    if kind == "request.settled" and data["outcome"] == "error":
        style = "red"
    return "".join(each if each.isprintable() else " " for each in text), style


def _said(kind: str, data: Mapping[str, Any]) -> str:
    if kind == "request.settled":
        notes = [data["outcome"]] if data["outcome"] != "ok" else []
        notes += [name for name in ("estimated", "unrated") if data[f"is_{name}"]]
        ttfb = "" if data["ttfb_ms"] is None else f", {data['ttfb_ms']} ms"
        noted = f" ({', '.join(notes)})" if notes else ""
        return f"{data['provider']}/{data['model']} ${data['amount_usd']}{ttfb}{noted} {data['session_id']}"
    if kind == "request.left_out":
        return f"{data['requests']} more requests"
    if kind.startswith("session."):
        return " ".join(filter(None, (data["session_id"], data["agent"], data["room"])))
    if kind == "alert.raised":
        return f"{data['severity']}: {data['title']}"
    if kind.startswith(("breaker.", "provider.")):
        what = f"{data['provider']}/{data['model']}" if data["model"] else data["provider"]
        why = data.get("cause") or data.get("reason") or ""
        return f"{what}: {why}" if why else what
    if kind == "configuration.changed":
        what = data["summary"] or ", ".join(data["kinds"])
        return f"version {data['number']}, {data['layer']}: {what} by {data['actor']}"
    return " ".join(str(each) for each in data.values() if each)
