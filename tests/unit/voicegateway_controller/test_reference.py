"""The reference pages say what the code says: every setting, metric and route, in the code's own words."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, Gauge, Histogram
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from voicegateway_controller import metrics
from voicegateway_controller.app import create_app
from voicegateway_controller.fleet.worker_api import SYNC_ROUTE
from voicegateway_controller.http import problems
from voicegateway_controller.settings import ENV_PREFIX, Settings

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"


def _settings() -> list[str]:
    rows = []
    for name, field in Settings.model_fields.items():
        default: Any = field.default
        shown = "none: must be set" if default is PydanticUndefined else f"`{default}`"
        rows.append(f"| `{ENV_PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return rows


def _metrics() -> list[str]:
    kinds: dict[Any, str] = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}
    rows = []
    for each in vars(metrics).values():
        if type(each) in kinds:
            [family] = each.describe() or each.collect()
            name = family.name + ("_total" if isinstance(each, Counter) else "")
            labels = ", ".join(f"`{label}`" for label in each._labelnames) or "–"
            rows.append(f"| `{name}` | {kinds[type(each)]} | {labels} | {family.documentation} |")
    return rows


def _routes() -> list[str]:
    settings = Settings(
        database_url=SecretStr("postgresql://localhost/none"), redis_url=SecretStr("redis://localhost:6379/0")
    )
    paths = create_app(settings).openapi()["paths"]
    documented = [f"`{method.upper()} {path}`" for path, methods in paths.items() for method in methods]
    return [*documented, f"`POST {SYNC_ROUTE.path}`"]


@pytest.mark.parametrize(
    ("page", "expected"), [("settings.md", _settings()), ("metrics.md", _metrics()), ("http.md", _routes())]
)
def test_the_page_holds_every_line_of_the_code(page: str, expected: list[str]) -> None:
    text = (REFERENCE / page).read_text()

    assert len(expected) > 5
    assert [line for line in expected if line not in text] == []


@pytest.mark.parametrize(("page", "expected"), [("settings.md", _settings()), ("metrics.md", _metrics())])
def test_the_page_holds_nothing_that_is_gone(page: str, expected: list[str]) -> None:
    rows = re.findall(r"^\| `voicegateway_\w+` \|.*$", (REFERENCE / page).read_text(), re.MULTILINE | re.IGNORECASE)

    assert sorted(rows) == sorted(expected)


def test_every_problem_code_is_explained() -> None:
    text = (REFERENCE / "http.md").read_text()

    for error, (status, _) in problems._STATUS.items():
        assert f"| `{error.code}` | {status} |" in text
