"""Importing the shim costs an agent next to nothing, and never drags the controller's world in."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIM = ROOT / "worker_shim" / "voicegateway"
SHARED = ROOT / "shared" / "voicegateway_shared"

HEAVY = ("livekit", "requests", "urllib3", "aiohttp", "httpx", "sqlite3", "asyncio", "opentelemetry", "google", "yaml")
CONTROLLERS_WORLD = (
    "voicegateway_controller", "fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "asyncpg", "arq", "redis",
    "typer", "rich", "structlog", "pydantic_settings", "prometheus_client",
)  # fmt: skip

PROBE = """
import json, sys, threading
events = []
def watch(event, _):
    if event.startswith(("socket.", "sqlite3.", "subprocess.")):
        events.append(event)
sys.addaudithook(watch)
before = set(sys.modules)
{statement}
print(json.dumps({{
    "modules": sorted(set(sys.modules) - before),
    "events": events,
    "threads": [thread.name for thread in threading.enumerate()],
}}))
"""


def what_it_takes(statement: str) -> dict[str, list[str]]:
    """Run a statement in a fresh interpreter; return what it imported, opened and started."""
    ran = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stderr == ""
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


def top_levels(modules: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    "statement",
    [
        "import voicegateway",
        "from voicegateway import Options; Options.load({})",
        "from voicegateway import ConfigurationError, MissingKey, MissingPackage, UnknownModel",
    ],
)
def test_import_is_light_and_silent(statement: str) -> None:
    took = what_it_takes(statement)

    assert top_levels(took["modules"]) & {*HEAVY, *CONTROLLERS_WORLD} == set()
    assert took["events"] == []
    assert took["threads"] == ["MainThread"]


def test_gateway_is_made_without_a_thread_a_socket_a_file_or_livekit(tmp_path: Path) -> None:
    took = what_it_takes(f"import os; os.environ['HOME'] = {str(tmp_path)!r}; from voicegateway import gateway, attach")

    assert top_levels(took["modules"]) & {"livekit", "requests", "aiohttp", *CONTROLLERS_WORLD} == set()
    assert "sqlite3" not in took["modules"]
    assert took["events"] == []
    assert took["threads"] == ["MainThread"]
    assert list(tmp_path.iterdir()) == []


def sources(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


@pytest.mark.parametrize("path", [*sources(SHIM), *sources(SHARED)], ids=lambda path: str(path.relative_to(ROOT)))
def test_shim_and_shared_import_nothing_of_the_controllers_world(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            imported.add(node.module or "")

    assert top_levels(sorted(imported)) & set(CONTROLLERS_WORLD) == set()


def test_only_the_shims_own_package_touches_livekits_insides() -> None:
    outside = [
        path.relative_to(SHIM)
        for path in sources(SHIM)
        if path.parent.name != "instrument" and "testing" not in path.parts and "._event_ch" in path.read_text()
    ]

    assert outside == []
