"""`voicegw budgets` against a real controller: what a person declares, sees and is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token

BUDGETS = """
budgets:
  - {project: acme, amount: "25.00", window: day, zone: Europe/Berlin, thresholds: [50, 80, 100]}
  - {amount: "0.50", window: session, action: end_session, sentence: "We must stop here. Goodbye."}
  - {modality: tts, amount: "900", window: month, action: throttle}
"""


@pytest_asyncio.fixture
async def voicegw(url: str, engine: AsyncEngine, tmp_path: Path) -> Voicegw:
    return Voicegw("budgets", url, await create_token(engine, role=Role.OPERATOR, name="test"), tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "budgets.yaml"
    path.write_text(BUDGETS)
    return path


async def _spend(db: Any, usd: str, project: str = "acme") -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    await db.execute(
        "INSERT INTO rollup_hour VALUES ($1, $2, 'a', 'openai', 'gpt-4.1-mini', 'llm', 'output_tokens', 1, 1, 1,"
        " $3::text::numeric, 0, 0)",
        hour,
        project,
        usd,
    )


async def test_what_is_applied_is_shown_and_can_be_applied_again(voicegw: Voicegw, file: Path, tmp_path: Path) -> None:
    nothing = await voicegw()
    dry = await voicegw("apply", str(file), "--dry-run")
    applied = await voicegw("apply", str(file))
    shown = await voicegw("show")
    copy = tmp_path / "copy.yaml"
    copy.write_text(shown.out)
    again = await voicegw("apply", str(copy))

    assert [done.code for done in (nothing, dry, applied, shown, again)] == [0] * 5
    assert "No budgets are declared" in nothing.out
    assert "3 budgets. Nothing was declared." in " ".join(dry.out.split())
    assert applied.out == "revision 1 is in force: 3 budgets.\n"
    assert shown.out.startswith("# revision 1, ")
    assert yaml.safe_load(shown.out) == yaml.safe_load(BUDGETS)
    assert again.out == "revision 1 is in force already: nothing has changed.\n"


async def test_a_file_may_name_one_zone_and_hold_limits_beside(voicegw: Voicegw, tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(
        "zone: Asia/Tokyo\n"
        "limits: [{provider: openai, concurrent: 3}]\n"
        'budgets: [{amount: "5", window: day}, {amount: "9", window: total}]\n'
    )

    done = [await voicegw("apply", str(path), "--dry-run"), await voicegw("apply", str(path))]
    shown = json.loads((await voicegw("show", "--json")).out)

    assert [each.code for each in done] == [0, 0]
    assert shown["budgets"] == [
        {"amount": "5", "window": "day", "zone": "Asia/Tokyo"},
        {"amount": "9", "window": "total"},
    ]


async def test_the_table_and_the_json_show_each_budget(voicegw: Voicegw, file: Path, db: Any) -> None:
    await _spend(db, "10.5")
    await voicegw("apply", str(file))

    table = await voicegw()
    status = json.loads((await voicegw("--json")).out)

    rows = {line.split()[0]: line for line in table.out.splitlines() if line.split()}
    for words in ("25.00", "42.0 %", "██████████░░░░░░░░░░░░░░", "10.50", "14.50", "block"):
        assert words in rows["acme.day"], rows["acme.day"]
    assert "each session" in rows["fleet.session"]
    assert [(each["id"], each["spent_usd"]) for each in status["budgets"]] == [
        ("acme.day", "10.5"),
        ("fleet.session", None),
        ("tts.month", "0"),
    ]


async def test_a_forecast_says_when_money_runs_out(voicegw: Voicegw, tmp_path: Path, db: Any) -> None:
    path = tmp_path / "budgets.yaml"
    path.write_text('budgets: [{project: acme, amount: "12", window: total}]')
    await _spend(db, "10.5")
    await voicegw("apply", str(path))

    table = await voicegw("forecast")
    told = json.loads((await voicegw("forecast", "--json")).out)

    assert table.code == 0
    assert "acme.total" in table.out
    assert "poor, 0 weeks" in table.out
    [budget] = told["budgets"]
    assert datetime.fromisoformat(budget["forecast"]["runs_out_at"]) > datetime.fromisoformat(told["as_of"])
    assert [each["project"] for each in told["projects"]] == ["", "acme"]


async def test_a_budget_below_what_is_spent_is_applied_with_a_warning(
    voicegw: Voicegw, tmp_path: Path, db: Any
) -> None:
    await _spend(db, "10.5")
    path = tmp_path / "budgets.yaml"
    path.write_text('budgets: [{project: acme, amount: "3", window: day}]')

    done = await voicegw("apply", str(path))

    assert done.code == 0
    assert done.out.splitlines()[1] == (
        "warning: budget 'acme.day' is already spent: $10.5 of $3; it blocks from now on"
    )
    assert "exhausted" in (await voicegw()).out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("budgets: [{amount: 25.0, window: day}]", ("budgets[0].amount", "25.0")),
        ("budgets: [{amount: 25, window: day}]", ("budgets[0].amount", "25")),
        ('budgets: [{amount: "25", window: day, zone: Mars/Olympus}]', ("budgets[0].zone", "no known zone")),
        ('{zone: Mars/Olympus, budgets: [{amount: "25", window: day}]}', ("zone", "no known zone")),
        ('{zone: 3, budgets: [{amount: "25", window: day}]}', ("zone", "3")),
        ('budgets: [{amount: "25", window: never}]', ("budgets[0].window", "must end")),
        ('budgets: [{amount: "25"}]', ("budgets[0].window", "must end")),
        ('budgets: [{amount: "0.00001", window: day}]', ("below one request's price",)),
        ('budgets: [{amount: "5", window: day, projct: acme}]', ("did you mean 'project'?",)),
        ('budgets: [{amount: "5", window: day}, {project: a, amount: "6", window: day}]', ("contradicts", "lower it")),
        ("- {amount: '5', window: day}", (":1:1: must be a mapping of sections",)),
        ("budgets: [3]", ("budgets[0]", "must be a mapping")),
        ("budgets: [{amount: 2026-11-21", ("no valid YAML",)),
        ("budgets: [{amount: 2026-11-21}]", (":1:11: budgets[0].window: a window must end",)),
    ],
)
async def test_a_wrong_file_is_refused_in_one_line_with_the_reason(
    voicegw: Voicegw, tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)

    done = await voicegw("apply", str(path), "--dry-run")

    assert done.code == 2, done
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert all(word in done.err for word in words), done.err


async def test_a_wrong_file_changes_nothing_and_an_older_revision_is_refused(
    voicegw: Voicegw, file: Path, tmp_path: Path
) -> None:
    await voicegw("apply", str(file))
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("budgets: [{amount: 25.0, window: day}]")

    refused = await voicegw("apply", str(wrong))
    late = await voicegw("apply", str(file), "--if-revision", "0")
    report = json.loads((await voicegw("show", "--json")).out)

    assert (refused.code, late.code, report["revision"]) == (2, 2, 1)
    assert "the budgets are at revision 1, not 0" in late.err


async def test_a_token_that_may_not_declare_is_told_so(
    url: str, engine: AsyncEngine, tmp_path: Path, file: Path
) -> None:
    viewer = Voicegw("budgets", url, await create_token(engine, role=Role.VIEWER, name="test"), tmp_path)

    done = await viewer("apply", str(file))

    assert done.code == 4
    assert "refused the token (403)" in done.err
