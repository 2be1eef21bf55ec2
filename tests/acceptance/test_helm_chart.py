"""The chart as Kubernetes would get it: rendered by the real helm, held against Kubernetes' own schemas."""

import dataclasses
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from kubernetes_validate.utils import latest_version, validate
from tests.fixtures.helm_chart import (
    CHART,
    EVERYTHING,
    KUBERNETES_OLDEST,
    MINIMAL,
    ROOT,
    annotations,
    existing_secrets,
    find_tools,
    names,
    pods,
    refused,
    render,
    rendered_text,
    run_helm,
    secret_names,
    selectors,
    weight,
)

from voicegateway.inference_server.settings import VARIABLES as INFERENCE_VARIABLES
from voicegateway.options import Options
from voicegateway_controller.cli.main import app
from voicegateway_controller.settings import ENV_PREFIX, Settings

# The first run may build helm itself, which takes minutes.
pytestmark = pytest.mark.timeout(1800)

CI_VALUES = (EVERYTHING, MINIMAL)
CRD_KINDS = {"ServiceMonitor", "PodMonitor"}  # the Prometheus operator's, not in Kubernetes' schemas


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder with helm; skips, and says so, where it cannot be had."""
    return find_tools()


def test_lint_is_strictly_clean(tools: Path) -> None:
    for values in CI_VALUES:
        lint = run_helm(tools, "lint", "--strict", str(CHART), "--values", str(CHART / "ci" / values))

        assert lint.returncode == 0, lint.stdout + lint.stderr


@pytest.mark.parametrize("values", CI_VALUES)
@pytest.mark.parametrize("kubernetes", [KUBERNETES_OLDEST, latest_version()])
def test_every_object_fits_the_kubernetes_schema(tools: Path, values: str, kubernetes: str) -> None:
    for manifest in render(tools, values):
        if manifest["kind"] not in CRD_KINDS:
            validate(manifest, kubernetes, strict=True)


def test_everything_renders_every_template(tools: Path) -> None:
    sources = set(re.findall(r"^# Source: voicegateway/templates/(.+)$", rendered_text(tools, EVERYTHING), re.M))

    secret_is_their_own = {"secret.yaml"}
    assert sources == {path.name for path in (CHART / "templates").glob("*.yaml")} - secret_is_their_own


@pytest.mark.parametrize("typo", ["contoller.replicas=3", "runner.replica=3", "image.taag=1", "grafana.enabled=true"])
def test_unknown_value_is_refused(tools: Path, typo: str) -> None:
    refusal = refused(tools, "--set", typo)

    assert "additional properties" in refusal


def test_schema_closes_every_object_it_spells_out() -> None:
    waiting: list[Any] = [json.loads((CHART / "values.schema.json").read_text())]

    while waiting:
        node = waiting.pop()
        if isinstance(node, dict) and isinstance(node.get("properties"), dict):
            assert node["additionalProperties"] is False, sorted(node["properties"])
        waiting.extend(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("database.url=", "database.url is not set: VoiceGateway uses your own Postgres"),
        ("redis.url=", "redis.url is not set: VoiceGateway uses your own Redis"),
        ("database.url=mysql://u:hunter2@db/x", "database.url is not a Postgres URL"),
        ("redis.url=http://:hunter2@redis", "redis.url is not a Redis URL"),
        ("existingSecret.name=stores", "give the URLs in one place"),
        ("image.repository=", "image.repository is not set"),
        ("image.tag=latest", "image.tag is latest"),
        ("ingress.enabled=true", "ingress.enabled needs ingress.hosts"),
        ("settings.VOICEGATEWAY_PORT=x", "settings.VOICEGATEWAY_PORT is set by the chart"),
    ],
)
def test_unusable_release_is_refused_in_words_and_without_the_password(tools: Path, wrong: str, words: str) -> None:
    refusal = refused(tools, "--set", wrong)

    assert words in refusal
    assert "hunter2" not in refusal


@pytest.mark.parametrize("values", CI_VALUES)
def test_migration_runs_before_the_release_and_needs_nothing_of_it(tools: Path, values: str) -> None:
    hooks = [each for each in render(tools, values) if "helm.sh/hook" in annotations(each)]
    (job,) = (each for each in hooks if each["kind"] == "Job")
    support = [each for each in hooks if each["kind"] != "Job"]

    pod = job["spec"]["template"]["spec"]
    assert {annotations(each)["helm.sh/hook"] for each in hooks} == {"pre-install,pre-upgrade"}
    assert {annotations(each)["helm.sh/hook-delete-policy"] for each in hooks} == {
        "before-hook-creation,hook-succeeded"
    }
    assert all(weight(each) < weight(job) for each in support)
    assert pod["serviceAccountName"] in names(support, "ServiceAccount")
    assert secret_names(pod) <= names(support, "Secret") | existing_secrets(values)
    assert pod["containers"][0]["args"] == ["migrate"]


@pytest.mark.parametrize("values", CI_VALUES)
def test_pods_use_only_accounts_and_secrets_that_the_release_brings(tools: Path, values: str) -> None:
    release = [each for each in render(tools, values) if "helm.sh/hook" not in annotations(each)]

    for deployment in (each for each in release if each["kind"] == "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] in names(release, "ServiceAccount")
        assert secret_names(pod) <= names(release, "Secret") | existing_secrets(values)


@pytest.mark.parametrize("values", CI_VALUES)
def test_every_pod_is_locked_down(tools: Path, values: str) -> None:
    for name, pod in pods(tools, values).items():
        (container,) = pod["spec"]["containers"]

        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True, name
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert container["resources"]["requests"], name


@pytest.mark.parametrize("values", CI_VALUES)
def test_every_pod_runs_the_same_pinned_image(tools: Path, values: str) -> None:
    images = {pod["spec"]["containers"][0]["image"] for pod in pods(tools, values).values()}

    (image,) = images
    assert not image.endswith(":latest")
    assert re.search(r":\d+\.\d+\.\d+|@sha256:[0-9a-f]{64}$", image)


def test_image_tag_falls_back_to_the_product_version(tools: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    image = pods(tools, MINIMAL)["controller"]["spec"]["containers"][0]["image"]

    assert image == f"registry.example.com/voicegateway:{version}"


@pytest.mark.parametrize("values", CI_VALUES)
def test_selectors_match_the_pods_they_mean(tools: Path, values: str) -> None:
    labels_of = {name: pod["metadata"]["labels"] for name, pod in pods(tools, values).items()}
    found = [
        (manifest["kind"], manifest["metadata"]["labels"]["app.kubernetes.io/component"], selector)
        for manifest in render(tools, values)
        for selector in selectors(manifest)
    ]

    assert {kind for kind, _, _ in found} >= {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }
    for kind, component, selector in found:
        matched = {name for name, labels in labels_of.items() if selector.items() <= labels.items()}
        assert matched == {component}, f"{kind} of {component}"
        assert not {"app.kubernetes.io/version", "helm.sh/chart"} & selector.keys(), kind


def test_monitors_scrape_ports_that_exist(tools: Path) -> None:
    manifests = render(tools, EVERYTHING)
    (service,) = (
        each
        for each in manifests
        if each["kind"] == "Service" and each["metadata"]["labels"]["app.kubernetes.io/component"] == "controller"
    )
    (service_monitor,) = (each for each in manifests if each["kind"] == "ServiceMonitor")
    (pod_monitor,) = (each for each in manifests if each["kind"] == "PodMonitor")
    runner = pods(tools, EVERYTHING)["runner"]

    assert service_monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service_monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert pod_monitor["spec"]["selector"]["matchLabels"].items() <= runner["metadata"]["labels"].items()
    assert pod_monitor["spec"]["podMetricsEndpoints"][0]["port"] == runner["spec"]["containers"][0]["ports"][0]["name"]


def test_changed_url_restarts_the_pods_and_nothing_else_does(tools: Path) -> None:
    def checksums(*arguments: str) -> set[str]:
        found = pods(tools, MINIMAL, *arguments)
        return {found[each]["metadata"]["annotations"]["checksum/secret"] for each in ("controller", "runner")}

    before = checksums()

    assert len(before) == 1
    assert checksums("--set", "redis.url=redis://elsewhere:6379/0").isdisjoint(before)
    assert checksums("--set", "controller.replicas=5") == before


def test_rollout_keeps_serving_and_probes_ask_the_port_that_answers(tools: Path) -> None:
    manifests = render(tools, MINIMAL)
    deployments = {each["metadata"]["name"]: each["spec"] for each in manifests if each["kind"] == "Deployment"}

    assert len(deployments) == 2
    for spec in deployments.values():
        (container,) = spec["template"]["spec"]["containers"]
        environment = {each["name"]: each.get("value") for each in container["env"]}
        own_port = "VOICEGATEWAY_PORT" if container["name"] == "controller" else "VOICEGATEWAY_RUNNER_PORT"
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        assert container["ports"] == [{"name": "http", "containerPort": int(environment[own_port])}]
        assert {
            probe: (container[probe]["httpGet"]["path"], container[probe]["httpGet"]["port"])
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        } == {
            "startupProbe": ("/livez", "http"),
            "livenessProbe": ("/livez", "http"),
            "readinessProbe": ("/readyz", "http"),
        }


@pytest.mark.parametrize(
    ("arguments", "ports"),
    [
        ((), {5432, 6379}),
        (("--set", "database.url=postgresql://u:p@db:6432/x?host=a:1"), {6432, 6379}),
        (("--set", r"database.url=postgresql://u:p@a:6432\,b:6433/x"), {6432, 6433, 6379}),
        (("--set", "database.url=postgresql://u:p@db/x", "--set", "database.port=7000"), {7000, 6379}),
        (("--set", "redis.url=rediss://:p:1@cache:6380"), {5432, 6380}),
    ],
)
def test_network_policy_opens_the_ports_of_the_urls(tools: Path, arguments: tuple[str, ...], ports: set[int]) -> None:
    manifests = render(tools, MINIMAL, *arguments)
    name = "release-voicegateway-controller"
    (policy,) = (e for e in manifests if e["kind"] == "NetworkPolicy" and e["metadata"]["name"] == name)

    dns, *stores = policy["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert {port["port"] for rule in stores for port in rule["ports"]} == ports


def test_pods_use_only_commands_and_settings_that_the_product_has(tools: Path) -> None:
    commands = {each.name for each in app.registered_commands}
    services = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    # The inference server is a holder, as a worker is.
    workers = {f"VOICEGATEWAY_{each.name.upper()}" for each in dataclasses.fields(Options)} | set(INFERENCE_VARIABLES)

    for name, pod in pods(tools, EVERYTHING).items():
        (container,) = pod["spec"]["containers"]
        assert set(container["args"]) <= commands, name
        assert {each["name"] for each in container["env"]} <= (workers if name == "inference" else services), name


def test_inference_is_off_until_asked_for_and_needs_its_secret(tools: Path) -> None:
    asked = ("--set", "inference.enabled=true")

    assert "inference" not in pods(tools, MINIMAL)
    assert "inference.existingSecret is not set" in refused(tools, *asked)
    pod = pods(tools, MINIMAL, *asked, "--set", "inference.existingSecret=mine")["inference"]
    (container,) = pod["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "mine"}}]
    assert not any("DATABASE" in each["name"] or "REDIS" in each["name"] for each in container["env"])


def test_inference_reaches_the_controller_and_vendors_and_no_store(tools: Path) -> None:
    found = [each for each in render(tools, EVERYTHING) if each["kind"] == "NetworkPolicy"]
    (policy,) = (each for each in found if each["metadata"]["name"] == "voice-inference")
    (controllers,) = (each for each in found if each["metadata"]["name"] == "voice-controller")

    _, controller, vendors, _ = policy["spec"]["egress"]
    assert [port["port"] for port in controller["ports"]] == [8580]
    assert controller["to"] == [{"podSelector": controllers["spec"]["podSelector"]}]
    assert [port["port"] for port in vendors["ports"]] == [443, 8443]
    assert vendors["to"] == [{"ipBlock": {"cidr": "0.0.0.0/0"}}]


def test_dashboards_reach_grafana_unchanged(tools: Path) -> None:
    shipped = {
        file: text
        for each in render(tools, EVERYTHING)
        if each["kind"] == "ConfigMap"
        for file, text in each["data"].items()
        if file.endswith(".json")
    }

    sources = (ROOT / "dashboards" / "grafana").glob("*.json")
    assert shipped == {f"voicegateway-{path.name}": path.read_text().rstrip("\n") for path in sources}


def test_readme_is_what_helm_docs_writes(tools: Path) -> None:
    if not (tools / "helm-docs").exists():
        pytest.skip("THE CHART'S README IS NOT TESTED: no helm-docs and no Go")
    command = [str(tools / "helm-docs"), "--dry-run", "--chart-search-root", str(CHART)]

    written = subprocess.run(
        [*command, "--sort-values-order", "file"], capture_output=True, text=True, check=True
    ).stdout

    assert written.rstrip("\n") == (CHART / "README.md").read_text().rstrip("\n"), "run make chart"


def test_every_value_is_commented() -> None:
    commented: dict[int, bool] = {}
    has_comment = False
    for number, line in enumerate((CHART / "values.yaml").read_text().splitlines(), start=1):
        key = re.match(r"( *)[A-Za-z][\w/.-]*:(.*)", line)
        if key:
            depth = len(key[1])
            commented = {at: mark for at, mark in commented.items() if at < depth} | {depth: has_comment}
            assert not key[2].strip() or any(commented.values()), f"values.yaml:{number} has no `# --` comment"
        has_comment = line.strip().startswith("# -- ")
