"""An alert's details as lines for people."""

from typing import Any, Final

import msgspec

from voicegateway_controller.alerts.alert import Alert, one_line

LINES_MAX: Final = 40
LINE_CHARS_MAX: Final = 300


def detail_lines(alert: Alert) -> list[str]:
    """Return one line for each fact: kind, project, then the details in the order in which they stand."""
    facts: list[tuple[str, Any]] = [("kind", alert.kind.replace("_", " "))]
    if alert.project:
        facts.append(("project", alert.project))
    facts += alert.details.items()
    lines = [one_line(f"{name.replace('_', ' ')}: {_shown(value)}", chars_max=LINE_CHARS_MAX) for name, value in facts]
    return lines if len(lines) <= LINES_MAX else [*lines[: LINES_MAX - 1], f"and {len(lines) - LINES_MAX + 1} more"]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
