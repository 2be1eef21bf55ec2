"""`voicegw config` against a real controller: show what holds, apply a file, see who changed what, go back."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs
from tests.fixtures.configurations import BEYOND_THE_SCHEMA, RIGHT
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token

FILE = """
limits:
  - {provider: openai, requests_per_min: 500}
  - {name: voices, provider: elevenlabs, concurrent: 10}
routing:
  chains: {llm: {fast: [openai/gpt-4.1-mini]}}
worker: {token: vgw_not_for_the_controller}
"""


@pytest_asyncio.fixture
async def voicegw(url: str, engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Voicegw]:
    # The controller logs in this process too, to where commands print.
    with capture_logs():
        yield Voicegw("config", url, await create_token(engine, role=Role.ADMIN, name="test"), tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    return path


async def test_a_file_is_applied_once_shown_again_and_taken_back(voicegw: Voicegw, file: Path, tmp_path: Path) -> None:
    dry = await voicegw("apply", str(file), "--dry-run")
    differs = await voicegw("diff", str(file))
    applied = json.loads((await voicegw("apply", str(file), "--reason", "first", "--json")).out)
    again = await voicegw("apply", str(file))
    same = await voicegw("diff", str(file))
    shown = await voicegw("show")
    copy = tmp_path / "copy.yaml"
    copy.write_text(shown.out)
    from_copy = await voicegw("apply", str(copy))
    file.write_text("limits: [{provider: openai, requests_per_min: 900}]")
    changed = await voicegw("apply", str(file), "--if-version", str(applied["version"]))
    late = await voicegw("apply", str(copy), "--if-version", str(applied["version"]))
    back = await voicegw("rollback", str(applied["version"]), "--yes", "--reason", "too many")
    versions = json.loads((await voicegw("versions", "--json")).out)["versions"]
    one = await voicegw("versions", str(versions[0]["number"]))

    assert (dry.code, dry.out.splitlines()[-1]) == (0, "Nothing was changed.")
    assert (differs.code, "+ limits voices" in differs.out) == (1, True), differs
    assert applied["is_changed"]
    assert (again.code, again.out.endswith("is in force already: nothing has changed.\n")) == (0, True)
    assert (same.code, same.out) == (0, "nothing would change.\n")
    assert yaml.safe_load(shown.out) == {key: value for key, value in yaml.safe_load(FILE).items() if key != "worker"}
    assert (from_copy.code, from_copy.out) == (again.code, again.out)
    assert (changed.code, "~ limits openai" in changed.out, "- limits voices" in changed.out) == (0, True, True)
    assert (late.code, late.err.count("\n")) == (2, 1)
    assert (back.code, back.out.splitlines()[-1].endswith("is in force.")) == (0, True), back
    assert [each["reason"] for each in versions] == ["too many", "", "first"]
    assert versions[0]["is_rollback_of"] == applied["version"]
    assert "why: too many" in one.out


async def test_what_holds_says_from_where(voicegw: Voicegw, file: Path) -> None:
    await voicegw("apply", str(file))
    table = await voicegw("show", "--origin")
    effective = await voicegw("show", "--effective", "--section", "limits")
    report = json.loads((await voicegw("show", "--json")).out)
    unknown = await voicegw("show", "--section", "limts")
    status = await voicegw("status")

    rows = {tuple(line.split()[:2]): line.split()[2:] for line in table.out.splitlines() if line}
    assert rows["limits", "voices"] == ["db", "limits[1]"]
    assert rows["routing", "chains.llm.fast"] == ["db", "routing.chains.llm.fast"]
    assert yaml.safe_load(effective.out) == {"limits": yaml.safe_load(FILE)["limits"]}
    assert {each["id"]: each["source"] for each in report["sections"]["limits"]["resources"]} == {
        "openai": "db", "voices": "db",
    }  # fmt: skip
    assert (unknown.code, "take one of" in unknown.err) == (2, True)
    assert (status.code, "limits" in status.out) == (0, True), status


async def test_a_wrong_file_is_refused_with_every_place_and_nothing_is_asked(voicegw: Voicegw, file: Path) -> None:
    file.write_text("limits:\n  - {provider: opnai, concurrent: 1}\nbudgets:\n  - {amount: 5, window: day}\n")

    done = await voicegw("apply", str(file))

    lines = done.err.strip().splitlines()
    assert done.code == 2
    assert f"{file}:2:6: limits[0].provider: unknown provider 'opnai'; did you mean 'openai'?" in lines[0]
    assert f"{file}:4:6: budgets[0].amount: 5 is no amount" in lines[1]


@pytest.mark.parametrize("text", [*RIGHT[1:3], RIGHT[-1], *BEYOND_THE_SCHEMA[:2]])
async def test_a_file_is_checked_without_a_controller(tmp_path: Path, text: str) -> None:
    path = tmp_path / "voicegw.yaml"
    path.write_text(text)
    offline = Voicegw("config", "http://127.0.0.1:9", "vgw_x_y", tmp_path)

    told = await offline("validate", str(path))

    assert (told.code, told.out) == ((0, f"{path} is right.\n") if text in RIGHT else (1, told.out))
    if text not in RIGHT:
        assert told.out.startswith(f"{path}:1:")
        assert told.out.endswith("1 mistake.\n")


async def test_no_file_and_no_controller_are_said(tmp_path: Path) -> None:
    offline = Voicegw("config", "http://127.0.0.1:9", "vgw_x_y", tmp_path)
    (tmp_path / "voicegw.yaml").write_text("limits: []")

    found = await offline("validate")
    asked = await offline("diff")
    missing = await offline("validate", str(tmp_path / "none.yaml"))

    assert found.out == f"{tmp_path / 'voicegw.yaml'} is right.\n"
    assert asked.code == 3
    assert (missing.code, missing.err) == (
        2, f"voicegw: {tmp_path / 'none.yaml'}: cannot be read: No such file or directory\n",
    )  # fmt: skip
