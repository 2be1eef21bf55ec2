"""dev.py: runs on an old Python, finds or refuses what the machine offers, and says so in one line."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dev() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev_under_test", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _program(path: Path, says: str) -> str:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def test_it_parses_on_python_3_8() -> None:
    ast.parse((ROOT / "dev.py").read_text(), feature_version=(3, 8))


def test_it_needs_only_the_standard_library() -> None:
    tree = ast.parse((ROOT / "dev.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert names <= set(sys.stdlib_module_names)


def test_makefile_has_every_command(dev: ModuleType) -> None:
    makefile = (ROOT / "Makefile").read_text()
    line = next(line for line in makefile.splitlines() if line.startswith("COMMANDS"))

    assert line.partition(":= ")[2].split() == list(dev.COMMANDS)


def test_newest_livekit_is_sought_in_the_range_that_we_allow(dev: ModuleType) -> None:
    requirements = dev.livekit_requirements()

    assert "livekit-agents>=1.8.9,<1.9" in requirements
    assert {"livekit-plugins-openai>=1.8.9,<1.9", "livekit-plugins-gladia>=1.8.9,<1.9"} <= set(requirements)
    assert all((ROOT / path).exists() for path in dev.TESTS_OF_LIVEKIT)


def test_unknown_command_lists_the_known_ones() -> None:
    ran = subprocess.run([sys.executable, ROOT / "dev.py", "tset"], capture_output=True, text=True, check=False)

    assert ran.returncode == 2
    assert "usage: python3 dev.py NAME" in ran.stdout
    assert "run the whole test suite" in ran.stdout


@pytest.mark.parametrize(
    ("says", "version"), [("uv 0.9.7 (x86_64)", (0, 9, 7)), ("uv 1.12.0", (1, 12, 0)), ("no uv here", (0,))]
)
def test_version_of_uv_is_read(dev: ModuleType, tmp_path: Path, says: str, version: tuple[int, ...]) -> None:
    assert dev.uv_version(_program(tmp_path / "uv", says)) == version


def test_uv_that_is_missing_or_too_old_is_passed_over(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    own = _program(tmp_path / "bin" / "uv", "uv 0.9.0")
    _program(tmp_path / "uv", "uv 0.1.0")
    monkeypatch.setattr(dev, "UV_FOLDER", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])

    assert dev.find_uv() == own
    assert dev.uv_version(str(tmp_path / "nothing")) == (0,)


def test_folder_of_somebody_else_is_named_with_its_owner(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    assert dev.main(["check"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"dev.py: {ROOT} belongs to ")
    assert said.endswith("work in a clone of your own\n")


def test_home_that_cannot_be_written_moves_the_caches_here(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "npm_config_cache"):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    dev.prepare_environment()

    assert os.environ["UV_CACHE_DIR"] == str(ROOT / ".uv" / "cache")
    assert os.environ["UV_SYSTEM_CERTS"] == "1"


def test_demo_runs_live_when_asked(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(dev, "find_uv", lambda: "uv")
    monkeypatch.setattr(dev, "become", ran.append)
    monkeypatch.setenv("LIVE", "1")
    dev.demo(["--calls", "3"])
    monkeypatch.setenv("LIVE", "0")
    dev.demo([])

    demo = ["uv", "run", "--frozen", "--no-dev", "--extra", "demo", "voicegw", "demo"]
    assert ran == [[*demo, "--live", "--calls", "3"], demo]


def test_one_failing_check_does_not_hide_the_next(dev: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    first, second = ["sh", "-c", "echo first; exit 3"], ["sh", "-c", "echo second"]

    assert dev.run_all([first, second]) == 3
    said = capfd.readouterr().out.splitlines()
    assert "first" in said
    assert "second" in said


def test_dashboard_is_built_again_only_when_a_source_is_newer(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    (source / "src").mkdir(parents=True)
    for path in (source / "package.json", source / "package-lock.json", source / "src" / "app.tsx"):
        path.write_text("")
    monkeypatch.setattr(dev, "WEB_SOURCE", source)
    monkeypatch.setattr(dev, "WEB_BUILT", built)
    never_built = dev.is_web_stale()
    built.mkdir()
    (built / "index.html").write_text("")
    os.utime(built / "index.html", (2e9, 2e9))
    fresh = dev.is_web_stale()
    os.utime(source / "src" / "app.tsx", (3e9, 3e9))

    assert (never_built, fresh, dev.is_web_stale()) == (True, False, True)
