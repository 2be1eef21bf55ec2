"""The channels that the settings ask for; whatever is wrong with them is one line at the start."""

from typing import Protocol
from urllib.parse import urlsplit

from pydantic import SecretStr

from voicegateway_controller.alerts.alert import Alert
from voicegateway_controller.alerts.mail import Mail, parse_addresses, parse_server
from voicegateway_controller.alerts.slack import Slack
from voicegateway_controller.alerts.webhook import Webhook
from voicegateway_controller.settings import Settings
from voicegateway_shared.errors import ConfigurationError


class Channel(Protocol):
    """A way to tell people or programs."""

    name: str
    """What it is called in tables and reports."""

    async def send(self, alert: Alert) -> None:
        """Deliver one alert within a minute; raises NotDelivered."""
        ...


def open_channels(settings: Settings) -> tuple[Channel, ...]:
    """Return the channels that are set up, none when none is. Raises ConfigurationError without any secret in it."""
    found: list[Channel] = []
    if settings.alert_webhook_url is not None:
        if settings.alert_webhook_secret is None:
            raise ConfigurationError(
                "VOICEGATEWAY_ALERT_WEBHOOK_SECRET is not set: a webhook that is not signed could be anybody's; "
                'make one with echo "whsec_$(openssl rand -base64 32)"'
            )
        url = _url(settings.alert_webhook_url, setting="VOICEGATEWAY_ALERT_WEBHOOK_URL")
        found.append(Webhook(url, settings.alert_webhook_secret.get_secret_value()))
    if settings.alert_slack_url is not None:
        found.append(Slack(_url(settings.alert_slack_url, setting="VOICEGATEWAY_ALERT_SLACK_URL")))
    if settings.alert_smtp_url is not None:
        sender, *others = parse_addresses(settings.alert_email_from, setting="VOICEGATEWAY_ALERT_EMAIL_FROM")
        if others:
            raise ConfigurationError("VOICEGATEWAY_ALERT_EMAIL_FROM is wrong: it must name one address")
        recipients = parse_addresses(settings.alert_email_to, setting="VOICEGATEWAY_ALERT_EMAIL_TO")
        server = parse_server(settings.alert_smtp_url.get_secret_value())
        found.append(Mail(server, sender=sender, recipients=recipients))
    return tuple(found)


def _url(secret: SecretStr, *, setting: str) -> str:
    url = secret.get_secret_value()
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise ConfigurationError(f"{setting} is wrong: it must look like https://host/path")
    return url
