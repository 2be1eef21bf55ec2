"""What the chart makes of a Redis that is a cluster, and of a second one for wake-ups."""

from pathlib import Path

import pytest
from tests.fixtures.helm_chart import EVERYTHING, MINIMAL, find_tools, pods, refused, render

# The first run may build helm itself, which takes minutes.
pytestmark = pytest.mark.timeout(1800)

CLUSTER = ("--set", "redis.url=redis+cluster://cache:7000")
QUEUE = ("--set", "redis.queueUrl=redis://:hunter2@queue:6390")


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder with helm; skips, and says so, where it cannot be had."""
    return find_tools()


@pytest.mark.parametrize(
    ("arguments", "ports"),
    [(CLUSTER, {5432, 7000}), (QUEUE, {5432, 6379, 6390}), ((*CLUSTER, *QUEUE), {5432, 7000, 6390})],
)
def test_network_policy_opens_the_ports_of_both(tools: Path, arguments: tuple[str, ...], ports: set[int]) -> None:
    (policy,) = (
        each
        for each in render(tools, MINIMAL, *arguments)
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "release-voicegateway-controller"
    )

    _, *stores = policy["spec"]["egress"]
    assert {port["port"] for rule in stores for port in rule["ports"]} == ports


@pytest.mark.parametrize(
    ("values", "arguments", "key"),
    [
        (MINIMAL, (), None),
        (MINIMAL, CLUSTER, None),
        (MINIMAL, QUEUE, "QUEUE_REDIS_URL"),
        (EVERYTHING, (), "queue"),
        (EVERYTHING, ("--set", "existingSecret.queueRedisUrlKey="), None),
    ],
)
def test_wake_ups_have_a_redis_of_their_own_if_asked(
    tools: Path, values: str, arguments: tuple[str, ...], key: str | None
) -> None:
    found = pods(tools, values, *arguments)
    for name in ("controller", "runner"):
        (container,) = found[name]["spec"]["containers"]
        keys = {each["name"]: each.get("valueFrom", {}).get("secretKeyRef", {}).get("key") for each in container["env"]}
        assert keys.get("VOICEGATEWAY_QUEUE_REDIS_URL") == key


def test_the_url_is_in_the_secret_and_nowhere_else(tools: Path) -> None:
    manifests = render(tools, MINIMAL, *QUEUE)
    holding = [(each["kind"], each["metadata"]["name"]) for each in manifests if "hunter2" in str(each)]

    assert holding == [("Secret", "release-voicegateway")]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("redis.queueUrl=redis+cluster://:hunter2@queue", "redis.queueUrl is not the URL of a single Redis"),
        ("redis.url=redis+sentinel://:hunter2@cache", "redis.url is not a Redis URL"),
        ("settings.VOICEGATEWAY_QUEUE_REDIS_URL=x", "settings.VOICEGATEWAY_QUEUE_REDIS_URL is set by the chart"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_without_the_password(tools: Path, wrong: str, words: str) -> None:
    refusal = refused(tools, "--set", wrong)

    assert words in refusal
    assert "hunter2" not in refusal
