"""An incoming webhook of Slack; Mattermost, Rocket.Chat and others take the same JSON."""

from typing import Final

import msgspec

from voicegateway_controller.alerts.alert import Alert
from voicegateway_controller.alerts.posting import post
from voicegateway_controller.alerts.text import detail_lines

TEXT_CHARS_MAX: Final = 3_000
"""Slack cuts messages at 4,000 characters, others earlier."""
_MARKS: Final = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}


class Slack:
    """The channel `slack`; lives as long as the runner. Holds nothing that needs closing."""

    name = "slack"

    def __init__(self, url: str) -> None:
        self._url = url

    async def send(self, alert: Alert) -> None:
        """Deliver one alert; raises NotDelivered."""
        body = msgspec.json.encode({"text": message(alert)})
        await post(self._url, body, {"Content-Type": "application/json"}, service="Slack")


def message(alert: Alert) -> str:
    """Return the text: nothing in it becomes a link, a mention of everybody or a format of its own."""
    lines = [f"{_MARKS.get(alert.severity, '')} *{_escaped(alert.title)}*".strip()]
    lines += [f"• {_escaped(line)}" for line in detail_lines(alert)]
    text = "\n".join(lines)
    return text if len(text) <= TEXT_CHARS_MAX else f"{text[: TEXT_CHARS_MAX - 1]}…"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
