"""What environment, database and file declare together: each resource from the highest layer that declares it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from voicegateway_controller.access import Role
from voicegateway_shared.errors import ConfigurationError

FILE = """
zone: Europe/Berlin
limits:
  - {provider: openai, requests_per_min: 100}
  - {provider: groq, concurrent: 3}
budgets:
  - {project: acme, amount: "25.00", window: day}
routing:
  chains:
    llm:
      fast: [openai/gpt-4.1-mini]
"""
OPENAI = {"provider": "openai", "requests_per_min": 600}
GROQ = {"provider": "groq", "concurrent": 9}


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


async def until(look: Callable[[], Awaitable[Any]], *, is_: Callable[[Any], bool]) -> Any:
    """Return what was seen once it is so; the last that was seen when it does not come."""
    seen = await look()
    for _ in range(200):
        if is_(seen):
            break
        await asyncio.sleep(0.05)
        seen = await look()
    return seen


def sources(report: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    return [(each["id"], each["source"], each["shadows"]) for each in report["effective"]]


async def test_the_highest_layer_that_declares_a_resource_holds_and_what_it_hides_is_not_lost(
    start_api: Any, operator: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text(FILE)
    overrides = "limits: [{provider: openai, requests_per_min: 7}]"
    async with start_api(config=str(file)) as api:
        by_file = (await api.get("/api/v1/limits", headers=operator)).json()
        put = await api.put("/api/v1/limits", json={"limits": [OPENAI]}, headers=operator)
        by_both = (await api.get("/api/v1/limits", headers=operator)).json()
        routing = (await api.get("/api/v1/routing", headers=operator)).json()
    async with start_api(config=str(file), overrides=overrides) as api:
        by_all = (await api.get("/api/v1/limits", headers=operator)).json()
        whole = (await api.get("/api/v1/config", headers=operator)).json()
    async with start_api(config=str(file)) as api:
        without = (await api.get("/api/v1/limits", headers=operator)).json()

    assert (by_file["limits"], sources(by_file)) == ([], [("openai", "yaml", []), ("groq", "yaml", [])])
    assert put.json()["is_changed"]
    assert (by_both["limits"], sources(by_both)) == ([OPENAI], [("openai", "db", ["yaml"]), ("groq", "yaml", [])])
    assert [pool["units"] for pool in by_both["pools"]] == [600, 0]
    assert (by_all["limits"], sources(by_all)) == ([OPENAI], [("openai", "env", ["db", "yaml"]), ("groq", "yaml", [])])
    assert by_all["pools"][0]["units"] == 7
    assert sources(without) == sources(by_both)
    assert (routing["routing"], [each["id"] for each in routing["effective"]]) == ({}, ["chains.llm.fast"])
    assert whole["document"]["budgets"] == [
        {"project": "acme", "amount": "25.00", "window": "day", "zone": "Europe/Berlin"}
    ]
    assert whole["managed"] == {"limits": [OPENAI]}
    assert whole["sections"]["routing"]["resources"] == [
        {
            "id": "chains.llm.fast",
            "source": "yaml",
            "shadows": [],
            "place": "routing.chains.llm.fast",
            "declared": ["openai/gpt-4.1-mini"],
        }
    ]


async def test_a_change_of_any_layer_is_a_new_revision_so_that_if_match_meets_it(
    start_api: Any, operator: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text(FILE)
    async with start_api(config=str(file)) as api:
        decided_on = (await api.get("/api/v1/limits", headers=operator)).headers["etag"]
        file.write_text(FILE.replace("100", "200"))
        await until(lambda: _units(api, operator), is_=lambda units: units[0] == 200)
        late = await api.put("/api/v1/limits", json={"limits": []}, headers=operator | {"If-Match": decided_on})
        wrong = await api.post("/api/v1/config/apply", json={"document": {}}, headers=operator | {"If-Match": '"1"'})

    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert (wrong.status_code, "at version 2, not 1" in wrong.json()["detail"]) == (409, True)


async def _units(api: httpx.AsyncClient, headers: dict[str, str]) -> list[int]:
    return [pool["units"] for pool in (await api.get("/api/v1/limits", headers=headers)).json()["pools"]]


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        ("limits: [", "wrong", ("voicegw.yaml:", "no valid YAML")),
        ("", "wrong", ("says nothing",)),
        ("limts: []", "wrong", ("voicegw.yaml:1:1: limts", "did you mean 'limits'")),
        (
            FILE.replace("concurrent: 3", "concurent: 3"),
            "wrong",
            ("voicegw.yaml:5:22: limits[1].concurent", "did you mean 'concurrent'"),
        ),
        (
            FILE + "  stacks: {premium: {llm: slow}}\n",
            "refused",
            ("voicegw.yaml:12:", "routing.stacks.premium.llm", "no llm chain 'slow'"),
        ),
        (None, "missing", ("is not there",)),
    ],
    ids=["broken", "empty", "unknown", "invalid", "dangling", "vanished"],
)
async def test_a_file_that_becomes_wrong_changes_nothing_and_its_problem_is_seen(
    start_api: Any, operator: dict[str, str], tmp_path: Path, text: str | None, state: str, words: tuple[str, ...]
) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text(FILE)
    async with start_api(config=str(file)) as api:

        async def status() -> Any:
            return (await api.get("/api/v1/config/status", headers=operator)).json()

        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        seen = await until(status, is_=lambda seen: bool(seen["problems"]))
        held = await _units(api, operator)
        ready = await api.get("/readyz")
        measured = (await api.get("/metrics")).text
        file.write_text(FILE.replace("100", "200"))
        mended = await until(status, is_=lambda seen: seen["version"] == 2 and not seen["problems"])

    told = f"{seen['problems'][0]['place']}: {seen['problems'][0]['problem']}"
    assert all(word in told for word in words), told
    assert seen["replicas"][0]["files"][0]["state"] == state
    assert (held[0], seen["version"], ready.status_code) == (100, 1, 200)
    assert 'voicegateway_configuration_problem{layer="yaml"} 1.0' in measured
    assert [each["problem"] != "" for each in seen["layers"] if each["kind"] == "limits"] == [state != "refused"]
    assert (mended["problems"], mended["replicas"][0]["files"][0]["is_in_force"]) == ([], True)


async def test_a_file_may_name_chains_that_are_managed_and_no_change_may_take_them_away(
    start_api: Any, operator: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text("routing: {stacks: {premium: {llm: fast}}}")
    chain = {"chains": {"llm": {"fast": ["openai/gpt-4.1-mini"]}}}
    async with start_api(config=str(file)) as api:

        async def status() -> Any:
            return (await api.get("/api/v1/config/status", headers=operator)).json()

        refused = await until(status, is_=lambda seen: bool(seen["problems"]))
        put = await api.put("/api/v1/routing", json={"routing": chain}, headers=operator)
        taken = await until(status, is_=lambda seen: not seen["problems"])
        gone = await api.put("/api/v1/routing", json={"routing": {}}, headers=operator)

    assert (refused["version"], put.status_code, taken["version"]) == (0, 200, 2)
    assert gone.status_code == 400
    assert "routing.stacks.premium.llm" in gone.json()["detail"]
    assert "declared by the yaml layer" in gone.json()["detail"]


async def test_of_two_replicas_with_different_files_the_last_one_to_speak_holds_and_neither_speaks_again(
    start_api: Any, operator: dict[str, str], tmp_path: Path
) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("limits: [{provider: groq, concurrent: 1}]")
    other.write_text("limits: [{provider: groq, concurrent: 2}]")
    async with start_api(config=str(one)) as first, start_api(config=str(other)) as second:

        async def slots(api: httpx.AsyncClient) -> Any:
            return [pool["slots"] for pool in (await api.get("/api/v1/limits", headers=operator)).json()["pools"]]

        followed = await until(lambda: slots(first), is_=lambda seen: seen == [2])
        await asyncio.sleep(1.2)
        version = (await first.get("/api/v1/config", headers=operator)).json()["version"]
        one.write_text("limits: [{provider: groq, concurrent: 3}]")
        turned = await until(lambda: slots(second), is_=lambda seen: seen == [3])

        async def status() -> Any:
            return (await second.get("/api/v1/config/status", headers=operator)).json()

        seen = await until(
            status, is_=lambda seen: sorted(_in_force(seen)) == [("one.yaml", True), ("other.yaml", False)]
        )

    assert (followed, version, turned) == ([2], 2, [3])
    assert sorted(_in_force(seen)) == [("one.yaml", True), ("other.yaml", False)]


def _in_force(status: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(Path(file["name"]).name, file["is_in_force"]) for each in status["replicas"] for file in each["files"]]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("limits: [{provider: opnai, concurrent: 1}]", "VOICEGATEWAY_OVERRIDES:1:11: limits[0].provider"),
        ("limits: [{provider: openai", "no valid YAML"),
        ("/nowhere/overrides.yaml", "/nowhere/overrides.yaml: cannot be read: No such file"),
        ("budgets: {}", "must be a list"),
    ],
)
async def test_who_cannot_read_its_overrides_does_not_start(start_api: Any, overrides: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        async with start_api(overrides=overrides):
            pass

    assert words in str(refused.value)


async def test_files_are_published_once_postgres_is_back(
    start_api: Any, operator: dict[str, str], tmp_path: Path, db: Any
) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text(FILE)
    await db.execute("ALTER TABLE configuration_version RENAME TO away")
    async with start_api(config=str(file)) as api:
        waiting = (await api.get("/api/v1/limits", headers=operator)).json()["pools"]
        await db.execute("ALTER TABLE away RENAME TO configuration_version")
        held = await until(lambda: _units(api, operator), is_=lambda units: units == [100, 0])

    assert (waiting, held) == ([], [100, 0])


async def test_layers_hold_while_redis_is_away(start_api: Any, operator: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text(FILE)
    nowhere = "redis://127.0.0.1:9/0"
    async with start_api(config=str(file), redis_url=nowhere) as one, start_api(redis_url=nowhere) as other:
        held = await until(lambda: _units(other, operator), is_=lambda units: units == [100, 0])
        status = (await one.get("/api/v1/config/status", headers=operator)).json()

    assert held == [100, 0]
    assert (status["is_live"], len(status["replicas"])) == (False, 1)


async def test_a_token_of_one_project_sees_what_concerns_it(start_api: Any, make_token: Any, tmp_path: Path) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text(
        "limits: [{provider: groq, concurrent: 1}, {provider: openai, project: beta, concurrent: 1}]\n"
        "routing: {projects: {acme: {defaults: {llm: openai/gpt-4.1}}, beta: {defaults: {llm: openai/gpt-4.1}}}}\n"
    )
    headers = await make_token(Role.VIEWER, projects=["acme"])
    async with start_api(config=str(file)) as api:
        whole = (await api.get("/api/v1/config", headers=headers)).json()
        others = [
            (await api.get(f"/api/v1/config/{path}", headers=headers)).status_code
            for path in ("status", "versions", "versions/1")
        ]

    assert whole["document"] == {
        "limits": [{"provider": "groq", "concurrent": 1}],
        "routing": {"projects": {"acme": {"defaults": {"llm": "openai/gpt-4.1"}}}},
    }
    assert others == [403, 403, 403]
