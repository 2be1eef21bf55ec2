"""Channels from settings: what is wrong is one line that names the setting and repeats no secret."""

import base64
from typing import Any

import pytest

from voicegateway_controller.alerts.channels import open_channels
from voicegateway_controller.alerts.mail import MailServer, parse_server
from voicegateway_controller.alerts.webhook import signature, signing_key
from voicegateway_controller.settings import Settings
from voicegateway_shared.errors import ConfigurationError

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
HOOK = {"alert_webhook_url": "https://hooks.example/a", "alert_webhook_secret": SECRET}
MAIL = {
    "alert_smtp_url": "smtp://me:hush%40hush@mail.example",
    "alert_email_from": "VoiceGateway <vg@acme.example>",
    "alert_email_to": "a@acme.example, b@acme.example",
}


def _settings(**changes: Any) -> Settings:
    return Settings(**{"database_url": "postgresql://localhost/x", "redis_url": "redis://localhost", **changes})


def test_none_is_set_up_by_default_and_all_when_asked() -> None:
    everything = {**HOOK, **MAIL, "alert_slack_url": "https://hooks.slack.example/T/B/hush"}

    assert open_channels(_settings()) == ()
    assert [channel.name for channel in open_channels(_settings(**everything))] == ["webhook", "slack", "email"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alert_webhook_url": "https://hooks.example/hush"}, "VOICEGATEWAY_ALERT_WEBHOOK_SECRET is not set"),
        ({**HOOK, "alert_webhook_url": "hooks.example/hush"}, "VOICEGATEWAY_ALERT_WEBHOOK_URL is wrong"),
        ({**HOOK, "alert_webhook_url": "https://[hush"}, "VOICEGATEWAY_ALERT_WEBHOOK_URL is wrong"),
        ({**HOOK, "alert_webhook_secret": "hush"}, "VOICEGATEWAY_ALERT_WEBHOOK_SECRET is wrong"),
        ({**HOOK, "alert_webhook_secret": SECRET[6:]}, "VOICEGATEWAY_ALERT_WEBHOOK_SECRET is wrong"),
        ({**HOOK, "alert_webhook_secret": "whsec_aHVzaA=="}, "VOICEGATEWAY_ALERT_WEBHOOK_SECRET is wrong"),
        ({"alert_slack_url": "ftp://slack.example/hush"}, "VOICEGATEWAY_ALERT_SLACK_URL is wrong"),
        ({**MAIL, "alert_smtp_url": "mail.example:587/hush"}, "VOICEGATEWAY_ALERT_SMTP_URL is wrong"),
        ({**MAIL, "alert_smtp_url": "smtp+plain://me:hush@mail.example"}, "no password goes over an open line"),
        ({**MAIL, "alert_smtp_url": "smtp://hush@mail.example:99999"}, "VOICEGATEWAY_ALERT_SMTP_URL is wrong"),
        ({**MAIL, "alert_email_from": ""}, "VOICEGATEWAY_ALERT_EMAIL_FROM is wrong: it must name 1 to 50"),
        ({**MAIL, "alert_email_from": "a@x.example, b@x.example"}, "it must name one address"),
        ({**MAIL, "alert_email_to": "nobody"}, "VOICEGATEWAY_ALERT_EMAIL_TO is wrong: 'nobody' is no address"),
        ({**MAIL, "alert_email_to": "a@x.example\nBcc: b@x.example"}, "VOICEGATEWAY_ALERT_EMAIL_TO is wrong"),
        ({**MAIL, "alert_email_to": ",".join(["a@x.example"] * 51)}, "it must name 1 to 50 addresses"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_channels(_settings(**changes))

    assert words in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer(scheme="smtp", host="mail.example", port=587)),
        ("smtps://mail.example/", MailServer(scheme="smtps", host="mail.example", port=465)),
        ("smtp+plain://mail:2525", MailServer(scheme="smtp+plain", host="mail", port=2525)),
        (
            "smtps://me%40acme:p%3Aw@mail.example:1465",
            MailServer(scheme="smtps", host="mail.example", port=1465, user="me@acme", password="p:w"),
        ),
    ],
)
def test_a_mail_server_is_read_from_its_url(url: str, server: MailServer) -> None:
    assert parse_server(url) == server
    assert "p:w" not in repr(parse_server(url))


def test_signatures_are_those_of_standard_webhooks() -> None:
    # From the test vectors of the specification's own libraries.
    key = base64.b64decode("plJ3nmyCDGBKInavdOK15jsl")
    body = b'{"event_type":"ping","data":{"success":true}}'

    made = signature(key, "msg_loFOjxBNrRLzqYUf", 1731705121, body)

    assert made == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
    assert signing_key(SECRET) == bytes(range(32))


def test_settings_show_no_secret() -> None:
    settings = _settings(**HOOK, **MAIL, alert_slack_url="https://x.example/hush", livekit_api_secret="hush")

    assert SECRET not in repr(settings)
    assert "hush" not in repr(settings)
