"""Column mappings are saved for everybody, and tried on a file without a controller."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from tests.fixtures.hostile_texts import HOSTILE
from typer.testing import CliRunner

from voicegateway_controller.access import Role
from voicegateway_controller.cli import reconcile_files
from voicegateway_controller.reconcile import files
from voicegateway_shared.errors import ConfigurationError

PATH = "/api/v1/reconcile-mappings"
MINE = "name: groq\nprovider: groq\ndate: Day\nmodel: Model\namount: Cost  # a remark stays\n"
MakeToken = Callable[..., Awaitable[dict[str, str]]]


async def test_a_saved_mapping_hides_the_one_that_comes_along(api: httpx.AsyncClient, make_token: MakeToken) -> None:
    operator = await make_token(Role.OPERATOR)
    viewer = await make_token(Role.VIEWER)
    before = (await api.get(f"{PATH}/groq", headers=viewer)).json()

    saved = await api.put(f"{PATH}/groq", headers=operator, json={"document": MINE})

    assert saved.status_code == 200
    assert before["is_built_in"]
    assert files.parse_mapping(before["document"]) == files.builtin()["groq"]
    found = (await api.get(f"{PATH}/groq", headers=viewer)).json()
    assert found == saved.json()
    assert (found["document"], found["is_built_in"], bool(found["actor"])) == (MINE, False, True)
    names = [each["name"] for each in (await api.get(PATH, headers=viewer)).json()["mappings"]]
    assert names == ["assemblyai", "groq", "livekit", "twilio"]


async def test_deleting_gives_back_the_one_that_comes_along(api: httpx.AsyncClient, make_token: MakeToken) -> None:
    operator = await make_token(Role.OPERATOR)
    await api.put(f"{PATH}/groq", headers=operator, json={"document": MINE})
    await api.put(f"{PATH}/groq", headers=operator, json={"document": MINE.replace("Cost", "Charge")})

    deleted = await api.delete(f"{PATH}/groq", headers=operator)
    again = await api.delete(f"{PATH}/groq", headers=operator)

    assert [each["is_built_in"] for each in deleted.json()["mappings"]] == [True] * 4
    assert (again.status_code, "mapping list" in again.json()["detail"]) == (404, True)


async def test_what_cannot_be_saved_is_told(api: httpx.AsyncClient, make_token: MakeToken) -> None:
    operator = await make_token(Role.OPERATOR)
    project = await make_token(Role.OPERATOR, projects=["acme"])
    viewer = await make_token(Role.VIEWER)

    async def put(name: str, document: str, headers: dict[str, str]) -> tuple[int, str]:
        answer = await api.put(f"{PATH}/{name}", headers=headers, json={"document": document})
        return answer.status_code, str(answer.json()["detail"])

    assert await put("groq", "name: groq\nprovider: groq\namont: x\n", operator) == (
        400,
        "the column mapping is wrong: Object contains unknown field `amont`",
    )
    assert (await put("other", MINE, operator))[0] == 400
    assert (await put("groq", MINE, project))[0] == 403
    assert (await put("groq", MINE, viewer))[0] == 403
    assert (await put("Groq", MINE, operator))[0] in (400, 422)
    assert (await api.get(f"{PATH}/nothing", headers=viewer)).status_code == 404


async def test_a_document_that_nobody_means_is_refused(api: httpx.AsyncClient, make_token: MakeToken) -> None:
    operator = await make_token(Role.OPERATOR)
    documents = [text.replace("provider:", "note:") for text in HOSTILE.values()]

    answers = [await api.put(f"{PATH}/groq", headers=operator, json={"document": each}) for each in documents]

    assert [answer.status_code for answer in answers] == [400] * len(documents)
    assert all(len(answer.json()["detail"]) < 4_000 for answer in answers)


def test_a_proposal_is_tried_on_its_file(tmp_path: Path) -> None:
    export, mapping = tmp_path / "groq.csv", tmp_path / "mine.yaml"
    export.write_text("Usage Date;Model;Type;Units;Unit;Cost\n03.10.2026;whisper;audio;1,5;hours;0,06\n")
    run = CliRunner()

    proposed = run.invoke(
        reconcile_files.app,
        ["propose", str(export), "--provider", "groq", "--out", str(mapping)],
        catch_exceptions=False,
    )
    checked = run.invoke(
        reconcile_files.app,
        ["check", str(export), "--mapping", str(mapping), "--month", "2026-10", "--json"],
        catch_exceptions=False,
    )

    assert proposed.exit_code == checked.exit_code == 0
    document = json.loads(checked.stdout)
    assert document["amount_usd"] == "0.06"
    [line] = document["lines"]
    assert (line["day"], line["meter"], line["quantity"]) == ("2026-10-03", "audio_sent_ms", 5_400_000)


def test_a_wrong_month_or_mapping_is_told(tmp_path: Path) -> None:
    export = tmp_path / "x.csv"
    export.write_text("a,b\n")
    for options, what in (
        (["--month", "10/2026", "--mapping", "groq"], "write 2026-10"),
        (["--month", "2026-10", "--mapping", "no"], "no mapping 'no' comes along"),
    ):
        with pytest.raises(ConfigurationError, match=what):
            CliRunner().invoke(reconcile_files.app, ["check", str(export), *options], catch_exceptions=False)
