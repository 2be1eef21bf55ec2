"""A webhook as Standard Webhooks describes it: the id stays, the timestamp is now, the signature covers both."""

import base64
import binascii
import hashlib
import hmac
import time
from typing import Any, Final

import msgspec

from voicegateway_controller.alerts.alert import Alert
from voicegateway_controller.alerts.posting import post
from voicegateway_shared.errors import ConfigurationError

SECRET_PREFIX: Final = "whsec_"
SECRET_BYTES: Final = range(24, 65)
"""What Standard Webhooks asks for."""


class Webhook:
    """The channel `webhook`; lives as long as the runner. Holds nothing that needs closing."""

    name = "webhook"

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._key = signing_key(secret)

    async def send(self, alert: Alert) -> None:
        """Deliver one alert; raises NotDelivered."""
        message_id, timestamp, body = f"alert_{alert.id.hex}", int(time.time()), msgspec.json.encode(_document(alert))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "VoiceGateway",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._key, message_id, timestamp, body),
        }
        await post(self._url, body, headers, service="the webhook")


def signing_key(secret: str) -> bytes:
    """Return the bytes of a secret; ConfigurationError, without the secret, when it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(_WRONG) from error
    if not secret.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ConfigurationError(_WRONG)
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature that receivers compare with their own."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def _document(alert: Alert) -> dict[str, Any]:
    return {
        "type": "alert.raised",
        "timestamp": alert.raised_at.isoformat().replace("+00:00", "Z"),
        "data": {
            "id": str(alert.id),
            "kind": alert.kind,
            "key": alert.key,
            "severity": alert.severity,
            "project": alert.project,
            "title": alert.title,
            "details": alert.details,
        },
    }


_WRONG: Final = (
    "VOICEGATEWAY_ALERT_WEBHOOK_SECRET is wrong: it must be whsec_ and the base64 of 24 to 64 random bytes; "
    'make one with echo "whsec_$(openssl rand -base64 32)"'
)
