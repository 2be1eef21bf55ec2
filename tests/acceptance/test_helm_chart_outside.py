"""What the chart connects beyond its stores, rendered by the real helm: where alerts go, and LiveKit."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.helm_chart import EVERYTHING, MINIMAL, find_tools, pods, refused, render

from voicegateway_controller.configuration.document import checked, read_document

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


def test_only_the_runner_gets_alerts_and_secrets_come_only_from_the_secret(tools: Path) -> None:
    found = pods(tools, MINIMAL, *_set(SECRET | PLAIN))
    (secret,) = (each for each in _release(tools, *_set(SECRET | PLAIN)) if each["kind"] == "Secret")

    assert {name for name, pod in found.items() if "ALERT" in str(pod)} == {"runner"}
    assert {name for name, pod in found.items() if "LIVEKIT" in str(pod)} == {"runner", "controller"}
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


def test_the_controller_gets_the_keys_that_sign_livekits_webhooks(tools: Path) -> None:
    found = pods(tools, MINIMAL, *_set(SECRET | PLAIN | {"livekit.webhookKeys": "APInext:hunter3"}))

    environment = found["controller"]["spec"]["containers"][0]["env"]
    assert sorted(each["name"] for each in environment if "LIVEKIT" in each["name"]) == [
        "VOICEGATEWAY_LIVEKIT_API_KEY",
        "VOICEGATEWAY_LIVEKIT_API_SECRET",
        "VOICEGATEWAY_LIVEKIT_URL",
        "VOICEGATEWAY_LIVEKIT_WEBHOOK_KEYS",
    ]
    assert "hunter" not in str(environment)


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
        (EVERYTHING, {}, "controller", {443, 8443}),
        (
            EVERYTHING,
            {"billing.existingSecret": "", "vault.existingSecret": "", "vault.keysSecret": ""},
            "controller",
            set(),
        ),
        (EVERYTHING, {"billing.existingSecret": ""}, "controller", {443, 8443}),
        (MINIMAL, {"vault.keysSecret": "keys"}, "controller", {443}),
        (MINIMAL, {"settings.VOICEGATEWAY_OIDC_ISSUER": "https://login.example.com"}, "controller", {443}),
        (MINIMAL, {"billing.existingSecret": "keys"}, "controller", {443}),
        (MINIMAL, {"billing.existingSecret": "keys"}, "runner", {443}),
    ],
)  # fmt: skip
def test_network_policy_opens_their_ports_and_no_others(
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


def test_billing_keys_are_for_controller_and_runner_and_not_for_the_migration(tools: Path) -> None:
    found = pods(tools, MINIMAL, *_set({"billing.existingSecret": "keys"}))

    given = {name: pod["spec"]["containers"][0].get("envFrom") for name, pod in found.items()}
    assert given["controller"] == given["runner"] == [{"secretRef": {"name": "keys"}}]
    assert {name for name, each in given.items() if each} == {"controller", "runner"}


def test_configuration_and_keys_are_mounted_whole_at_the_controller_alone(tools: Path) -> None:
    found = pods(tools, EVERYTHING)
    controller = found["controller"]["spec"]["containers"][0]
    (config,) = (each for each in render(tools, EVERYTHING) if "voicegw.yaml" in each.get("data", {}))

    mounted = {mount["mountPath"] for mount in controller["volumeMounts"]}
    assert mounted == {
        "/tmp", "/etc/voicegateway", "/var/run/secrets/voicegateway", "/var/run/secrets/voicegateway-vault",
    }  # fmt: skip
    # A single file of a volume is never replaced while the pod runs.
    assert not any("subPath" in mount for mount in controller["volumeMounts"])
    settings = {each["name"]: each.get("value") for each in controller["env"]}
    assert settings["VOICEGATEWAY_CONFIG"] == "/etc/voicegateway/voicegw.yaml"
    assert settings["VOICEGATEWAY_VAULT_SECRETS_FILE"] == "/var/run/secrets/voicegateway-vault/secrets"
    assert settings["VOICEGATEWAY_VAULT_INSECURE"] == "true"
    assert {"secretRef": {"name": "voice-sign-in"}} in controller["envFrom"]
    others = json.dumps([pod for name, pod in found.items() if name != "controller"])
    assert "voice-sign-in" not in others
    assert "voice-vault" not in others
    assert "voice-vendor-keys" not in others
    checked(read_document(config["data"]["voicegw.yaml"], name="voicegw.yaml"))


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
        ({"settings.VOICEGATEWAY_BILLING_OPENAI_KEY": "hunter2"}, "name that in billing.existingSecret"),
        ({"settings.VOICEGATEWAY_VAULT_SECRETS": "hunter2"}, "use config and vault"),
        ({"settings.VOICEGATEWAY_OIDC_CLIENT_SECRET": "hunter2"}, "name that in signIn.existingSecret"),
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
