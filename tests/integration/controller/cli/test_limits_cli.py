"""`voicegw limits` against a real controller: what a person declares, sees and is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token

LIMITS = """
limits:
  - {provider: openai, model: gpt-4.1-mini, requests_per_min: 500, tokens_per_min: 200k}
  - {provider: elevenlabs, concurrent: 10, weights: {acme: 2}, offline: closed}
"""


@pytest_asyncio.fixture
async def voicegw(url: str, engine: AsyncEngine, tmp_path: Path) -> Voicegw:
    return Voicegw("limits", url, await create_token(engine, role=Role.OPERATOR, name="test"), tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "limits.yaml"
    path.write_text(LIMITS)
    return path


async def test_what_is_applied_is_shown_and_can_be_applied_again(voicegw: Voicegw, file: Path, tmp_path: Path) -> None:
    nothing = await voicegw()
    dry = await voicegw("apply", str(file), "--dry-run")
    applied = await voicegw("apply", str(file))
    shown = await voicegw("show")
    copy = tmp_path / "copy.yaml"
    copy.write_text(shown.out)
    again = await voicegw("apply", str(copy))

    assert [done.code for done in (nothing, dry, applied, shown, again)] == [0] * 5
    assert "No limits are declared" in nothing.out
    assert "3 pools. Nothing was declared." in " ".join(dry.out.split())
    assert applied.out == "revision 1 is in force: 3 pools.\n"
    assert shown.out.startswith("# revision 1, ")
    assert yaml.safe_load(shown.out) == yaml.safe_load(LIMITS)
    assert again.out == "revision 1 is in force already: nothing has changed.\n"


async def test_the_table_and_the_json_show_each_pool(voicegw: Voicegw, file: Path) -> None:
    await voicegw("apply", str(file))

    table = await voicegw()
    report = json.loads((await voicegw("--json")).out)

    rows = {line.split()[0]: line for line in table.out.splitlines() if line.split()}
    assert "500/min" in rows["openai.gpt-4.1-mini:requests_per_min"]
    assert "200k/min" in rows["openai.gpt-4.1-mini:tokens_per_min"]
    assert "10 open" in rows["elevenlabs:concurrent"]
    assert {pool["id"]: (pool["live"]["level"], pool["offline"]) for pool in report["pools"]} == {
        "openai.gpt-4.1-mini:requests_per_min": (84, "fair_share"),
        "openai.gpt-4.1-mini:tokens_per_min": (33_334, "fair_share"),
        "elevenlabs:concurrent": (10, "closed"),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limits: [{provider: opnai, concurrent: 1}]", ("limits[0].provider", "unknown provider 'opnai'")),
        ("limits: [{provider: openai, requests_per_min: -5}]", ("limits[0].requests_per_min", "at least 1")),
        ("limits: [{provider: openai, request_per_min: 5}]", ("did you mean 'requests_per_min'?",)),
        ("limits: [{provider: openai, tokens_per_min: 400}]", ("below one request's size",)),
        (
            "limits: [{provider: openai, concurrent: 5}, {provider: openai, model: gpt-5, concurrent: 6}]",
            ("contradicts", "lower it"),
        ),
        ("- {provider: openai, concurrent: 1}", (":1:1: must be a mapping of sections",)),
        ("limits: [{provider: openai", ("no valid YAML",)),
        (
            "limits: [{provider: openai, concurrent: 2026-11-21}]",
            (":1:29: limits[0].concurrent: '2026-11-21' is no whole number",),
        ),
    ],
)
async def test_a_wrong_file_is_refused_in_one_line_with_the_reason(
    voicegw: Voicegw, tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)

    done = await voicegw("apply", str(path))

    assert done.code == 2, done
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert all(word in done.err for word in words), done.err


async def test_a_wrong_file_changes_nothing_whatever_is_done_with_it(voicegw: Voicegw, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("limits: [{provider: openai, concurrent: 5}, {provider: openai, concurrent: 0}]")

    done = [await voicegw(*way, str(path)) for way in (("apply",), ("apply", "--dry-run"), ("simulate", "--file"))]
    report = json.loads((await voicegw("--json")).out)

    assert [each.code for each in done] == [2, 2, 2]
    assert all("limits[1].concurrent: 0 must be at least 1" in each.err for each in done)
    assert (report["revision"], report["pools"]) == (0, [])


async def test_a_file_that_was_made_from_an_older_revision_is_refused(voicegw: Voicegw, file: Path) -> None:
    await voicegw("apply", str(file))

    late = await voicegw("apply", str(file), "--if-revision", "0")

    assert late.code == 2
    assert "the limits are at revision 1, not 0" in late.err


async def test_a_token_that_may_not_declare_is_told_so(
    url: str, engine: AsyncEngine, tmp_path: Path, file: Path
) -> None:
    viewer = Voicegw("limits", url, await create_token(engine, role=Role.VIEWER, name="test"), tmp_path)

    done = await viewer("apply", str(file))

    assert done.code == 4
    assert "refused the token (403)" in done.err


async def test_a_simulation_says_whether_the_limits_would_have_held(voicegw: Voicegw, file: Path) -> None:
    table = await voicegw("simulate", "--file", str(file), "--since", "1h")
    answer: Any = json.loads((await voicegw("simulate", "--file", str(file), "--json")).out)

    assert table.code == 0
    assert "0 requests" in table.out
    assert {pool["id"]: pool["holds"] for pool in answer["pools"]} == {
        "openai.gpt-4.1-mini:requests_per_min": True,
        "openai.gpt-4.1-mini:tokens_per_min": True,
        "elevenlabs:concurrent": True,
    }
