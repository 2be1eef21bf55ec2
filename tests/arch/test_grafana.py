"""The Grafana dashboards ask only for metrics and labels that the code has, and the chart carries the same files."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, Gauge, Histogram

from voicegateway_controller import metrics

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "dashboards" / "grafana").glob("*.json"))
COPIES = ROOT / "helm" / "voicegateway" / "files" / "grafana"
TARGET_LABELS = {"instance", "job", "namespace", "pod"}  # Prometheus adds them when it scrapes.
METRIC = re.compile(r"\bvoicegateway_\w+")
# `metric{a="b",c=~"d"}` and `by (a, b)`
MATCHERS = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")

by_file = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)


def test_there_are_dashboards() -> None:
    assert [path.name for path in SOURCES] == ["budgets.json", "fleet.json", "latency.json", "spend.json"]


@by_file
def test_every_metric_asked_for_exists(path: Path) -> None:
    asked = {name for expression in _expressions(path) for name in METRIC.findall(expression)}

    assert asked
    assert asked <= _series().keys(), sorted(asked - _series().keys())


@by_file
def test_every_label_asked_for_exists(path: Path) -> None:
    for expression in _expressions(path):
        known = TARGET_LABELS | {"le"}
        known = known.union(*(_series()[name] for name in METRIC.findall(expression)))
        asked = set(MATCHERS.findall(expression))
        asked |= {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")}

        assert asked <= known, expression


@by_file
def test_every_panel_says_what_it_shows_and_lets_the_reader_choose_the_source(path: Path) -> None:
    dashboard = json.loads(path.read_text())

    assert dashboard["uid"] == f"voicegateway-{path.stem}"
    assert [each["name"] for each in dashboard["templating"]["list"]] == ["datasource"]
    for panel in dashboard["panels"]:
        assert panel.get("description") or panel["options"]["content"], panel["title"]
        assert {target["datasource"]["uid"] for target in panel.get("targets", [])} <= {"${datasource}"}


def test_chart_carries_the_same_dashboards() -> None:
    copies = {path.name: path.read_bytes() for path in COPIES.glob("*")}

    assert copies == {path.name: path.read_bytes() for path in SOURCES}, "run make chart"


def _expressions(path: Path) -> Iterator[str]:
    for panel in json.loads(path.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


def _series() -> dict[str, set[str]]:
    """Every series name that our metrics expose, with its labels."""
    series: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        (description,) = metric.describe()
        labels = _labels(metric)
        for suffix in _SUFFIXES[description.type]:
            series[description.name + suffix] = labels
    return series


_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def _labels(metric: Any) -> set[str]:
    # The client has no public way to ask a metric for its label names.
    return set(metric._labelnames)
