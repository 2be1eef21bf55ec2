"""What the chart connects beyond its stores, rendered by the real helm: where alerts go, and LiveKit."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.helm_chart import EVERYTHING, MINIMAL, find_tools, pods, refused, render

# The first run may build helm itself, which takes minutes.
pytestmark = pytest.mark.timeout(1800)

SECRET = {
    "alerts.webhookUrl": "https://hooks.example.com/voice",
    "alerts.webhookSecret": "whsec_hunter2",
    "alerts.slackUrl": "https://slack.example.com:8443/services/hunter2",
    "alerts.smtpUrl": "smtps://voice:hunter2@mail.example.com",
    "livekit.apiKey": "APIhunter2",
    "livekit.apiSecret": "hunter2",
}
PLAIN = {
    "alerts.emailFrom": "voice@example.com",
    "alerts.emailTo": ["oncall@example.com", "finance@example.com"],
    "livekit.url": "ws://livekit.voice.svc:7880",
}


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder with helm; skips, and says so, where it cannot be had."""
    return find_tools()


def test_only_the_runner_gets_them_and_secrets_only_from_the_secret(tools: Path) -> None:
    found = pods(tools, MINIMAL, *_set(SECRET | PLAIN))
    (secret,) = (each for each in _release(tools, *_set(SECRET | PLAIN)) if each["kind"] == "Secret")

    assert {name for name, pod in found.items() if "ALERT" in str(pod) or "LIVEKIT" in str(pod)} == {"runner"}
    environment = {
        each["name"]: each
        for each in found["runner"]["spec"]["containers"][0]["env"]
        if "ALERT" in each["name"] or "LIVEKIT" in each["name"]
    }
    assert {name: each["value"] for name, each in environment.items() if "value" in each} == {
        "VOICEGATEWAY_ALERT_EMAIL_FROM": "voice@example.com",
        "VOICEGATEWAY_ALERT_EMAIL_TO": "oncall@example.com,finance@example.com",
        "VOICEGATEWAY_LIVEKIT_URL": "ws://livekit.voice.svc:7880",
    }
    held = {
        name: secret["stringData"][each["valueFrom"]["secretKeyRef"]["key"]]
        for name, each in environment.items()
        if "valueFrom" in each
    }
    assert held == {
        "VOICEGATEWAY_ALERT_WEBHOOK_URL": SECRET["alerts.webhookUrl"],
        "VOICEGATEWAY_ALERT_WEBHOOK_SECRET": SECRET["alerts.webhookSecret"],
        "VOICEGATEWAY_ALERT_SLACK_URL": SECRET["alerts.slackUrl"],
        "VOICEGATEWAY_ALERT_SMTP_URL": SECRET["alerts.smtpUrl"],
        "VOICEGATEWAY_LIVEKIT_API_KEY": SECRET["livekit.apiKey"],
        "VOICEGATEWAY_LIVEKIT_API_SECRET": SECRET["livekit.apiSecret"],
    }


def test_a_release_without_them_has_none_of_it(tools: Path) -> None:
    text = json.dumps(_release(tools))

    assert "ALERT" not in text
    assert "LIVEKIT" not in text


def test_a_changed_webhook_restarts_the_runner(tools: Path) -> None:
    def checksum(*arguments: str) -> str:
        runner = pods(tools, MINIMAL, *arguments)["runner"]
        found: str = runner["metadata"]["annotations"]["checksum/secret"]
        return found

    assert len({checksum(), checksum(*_set(SECRET | PLAIN))}) == 2


@pytest.mark.parametrize(
    ("values", "arguments", "component", "ports"),
    [
        (MINIMAL, SECRET | PLAIN, "runner", {443, 8443, 465, 7880}),
        (MINIMAL, SECRET | PLAIN, "controller", set()),
        (MINIMAL, {**SECRET, **PLAIN, "livekit.url": "wss://livekit.example.com"}, "runner", {443, 8443, 465}),
        (EVERYTHING, {"networkPolicy.alertPorts": [8443, 2525]}, "runner", {8443, 2525, 443}),
        (EVERYTHING, {}, "controller", set()),
    ],
)  # fmt: skip
def test_network_policy_opens_their_ports_to_the_runner_alone(
    tools: Path, values: str, arguments: dict[str, Any], component: str, ports: set[int]
) -> None:
    stores = {53, 5353, 5432, 6379, 6432, 6380, 6381, 4318}
    (policy,) = (
        each
        for each in render(tools, values, *_set(arguments))
        if each["kind"] == "NetworkPolicy" and each["metadata"]["labels"]["app.kubernetes.io/component"] == component
    )

    opened = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert opened - stores == ports


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"alerts.webhookUrl": "https://hooks.example.com/hunter2"}, "alerts.webhookSecret is not set"),
        ({"alerts.webhookUrl": "hunter2", "alerts.webhookSecret": "whsec_x"}, "alerts.webhookUrl is wrong"),
        ({"alerts.slackUrl": "ftp://hunter2"}, "alerts.slackUrl is wrong"),
        ({"alerts.smtpUrl": "smtp://u:hunter2@mail"}, "alerts.emailFrom or alerts.emailTo is not set"),
        (PLAIN | SECRET | {"alerts.smtpUrl": "mail:hunter2"}, "alerts.smtpUrl is wrong"),
        ({"livekit.apiSecret": "hunter2"}, "set all three or none"),
        (PLAIN | SECRET | {"livekit.url": "livekit:hunter2"}, "livekit.url is wrong"),
        ({"existingSecret.alertSlackUrlKey": "slack"}, "set existingSecret.name"),
        (
            {"existingSecret.name": "s", "database.url": "", "redis.url": "", "alerts.slackUrl": "https://h/hunter2"},
            "put it in that Secret too",
        ),
        ({"settings.VOICEGATEWAY_ALERT_SLACK_URL": "https://h/hunter2"}, "use alerts, livekit or existingSecret"),
        ({"settings.VOICEGATEWAY_LIVEKIT_API_SECRET": "hunter2"}, "use alerts, livekit or existingSecret"),
    ],
)
def test_what_cannot_work_is_refused_in_words_and_without_the_secret(
    tools: Path, wrong: dict[str, Any], words: str
) -> None:
    refusal = refused(tools, *_set(wrong))

    assert words in refusal
    assert "hunter2" not in refusal


def _set(values: dict[str, Any]) -> tuple[str, ...]:
    return tuple(part for name, value in values.items() for part in ("--set-json", f"{name}={json.dumps(value)}"))


def _release(tools: Path, *arguments: str) -> list[dict[str, Any]]:
    return [
        each
        for each in render(tools, MINIMAL, *arguments)
        if "helm.sh/hook" not in each["metadata"].get("annotations", {})
    ]
