"""Each change of a layer is a numbered version; what was managed comes back, as far as it is still accepted."""

import importlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from voicegateway_controller.access import Role
from voicegateway_controller.configuration.service import Configuration

OPENAI = {"provider": "openai", "requests_per_min": 600}
GROQ = {"provider": "groq", "concurrent": 9}
BUDGET = {"project": "acme", "amount": "25.00", "window": "day", "zone": "UTC"}
KEYS = {"keys": [{"id": "main", "provider": "openai", "from_env": "OPENAI_API_KEY"}]}


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


async def _apply(
    api: httpx.AsyncClient, headers: dict[str, str], document: dict[str, Any], **more: Any
) -> dict[str, Any]:
    response = await api.post("/api/v1/config/apply", json={"document": document, **more}, headers=headers)
    return {"status": response.status_code, **response.json()}


async def test_several_kinds_are_declared_at_once_and_the_same_again_changes_nothing(
    api: httpx.AsyncClient, operator: dict[str, str], db: Any
) -> None:
    document = {"limits": [OPENAI, GROQ], "budgets": [BUDGET]}

    dry = await _apply(api, operator, document, dry_run=True)
    first = await _apply(api, operator, document, reason="the contract of May")
    again = await _apply(api, operator, document)
    less = await _apply(api, operator, {"limits": [{**OPENAI, "requests_per_min": 500}]})

    assert (dry["version"], dry["is_changed"], dry["is_dry_run"]) == (1, True, True)
    assert dry["changes"] == first["changes"]
    assert (first["version"], first["is_changed"], first["revisions"]) == (1, True, {"limits": 1, "budgets": 1})
    assert [(each["section"], each["id"], each["change"]) for each in first["changes"]] == [
        ("limits", "groq", "added"),
        ("limits", "openai", "added"),
        ("budgets", "acme.day", "added"),
    ]
    assert (again["version"], again["is_changed"], again["changes"]) == (1, False, [])
    assert [(each["id"], each["change"]) for each in less["changes"]] == [("groq", "removed"), ("openai", "changed")]
    records = await db.fetch("SELECT action, resource, reason FROM audit_record ORDER BY number")
    assert [tuple(each) for each in records] == [
        ("limits.declare", "limits", "the contract of May"),
        ("budgets.declare", "budgets", "the contract of May"),
        ("limits.declare", "limits", ""),
    ]


async def test_a_document_that_is_wrong_in_one_place_changes_nothing(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    wrong = {"limits": [OPENAI], "budgets": [{**BUDGET, "window": "never"}]}

    refused = await _apply(api, operator, wrong)
    unknown = await _apply(api, operator, {"limts": []})
    zone = await _apply(api, operator, {"zone": "Mars/Olympus", "budgets": []})
    asked = await api.post(
        "/api/v1/config/validate",
        json={"document": {**wrong, "routing": {"stacks": {"a": {"llm": "b"}}}, "x": 1}},
        headers=operator,
    )
    status = (await api.get("/api/v1/config/status", headers=operator)).json()

    assert (refused["status"], refused["detail"].partition(":")[0]) == (400, "budgets[0].window")
    assert (unknown["status"], "did you mean 'limits'" in unknown["detail"]) == (400, True)
    assert (zone["status"], zone["detail"].partition(":")[0]) == (400, "zone")
    assert [each["place"] for each in asked.json()["problems"]] == [
        "x",
        "budgets[0].window",
        "routing.stacks.a.llm",
    ]
    assert (status["version"], status["layers"]) == (0, [])


async def test_versions_are_listed_and_what_was_managed_comes_back_as_a_new_one(
    start_api: Any, operator: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text("limits: [{provider: deepgram, concurrent: 5}]")
    async with start_api(config=str(file)) as api:
        await _apply(api, operator, {"limits": [OPENAI], "budgets": [BUDGET]})
        await api.put("/api/v1/limits", json={"limits": [GROQ]}, headers=operator)
        await _apply(api, operator, {"routing": {"chains": {"llm": {"fast": ["openai/gpt-4.1"]}}}})
        path = "/api/v1/config/versions/2/rollback"
        late = await api.post(path, json={}, headers=operator | {"If-Match": '"3"'})
        dry = (await api.post(path, json={"dry_run": True}, headers=operator)).json()
        back = (await api.post(path, json={"reason": "no"}, headers=operator | {"If-Match": '"4"'})).json()
        again = (await api.post(path, json={}, headers=operator)).json()
        whole = (await api.get("/api/v1/config", headers=operator)).json()
        first = (await api.get("/api/v1/config/versions?limit=3", headers=operator)).json()
        rest = (await api.get(f"/api/v1/config/versions?limit=3&cursor={first['next']}", headers=operator)).json()
        second = (await api.get("/api/v1/config/versions/2", headers=operator)).json()
        none = await api.get("/api/v1/config/versions/77", headers=operator)

    assert late.status_code == 409
    assert (dry["is_dry_run"], dry["changes"]) == (True, back["changes"])
    assert [(each["section"], each["id"], each["change"]) for each in back["changes"]] == [
        ("limits", "groq", "removed"),
        ("limits", "openai", "added"),
        ("routing", "chains.llm.fast", "removed"),
    ]
    assert (back["version"], again["version"], again["is_changed"]) == (5, 5, False)
    assert whole["managed"] == {"limits": [OPENAI], "budgets": [BUDGET]}
    assert [each["source"] for each in whole["sections"]["limits"]["resources"]] == ["db", "yaml"]
    shown = [(each["number"], each["layer"], each["is_rollback_of"]) for each in first["versions"] + rest["versions"]]
    assert shown == [(5, "db", 2), (4, "db", None), (3, "db", None), (2, "db", None), (1, "yaml", None)]
    assert (first["versions"][0]["summary"], first["versions"][0]["reason"]) == (
        "limits: - groq, + openai; routing: - chains.llm.fast",
        "no",
    )
    assert rest["versions"][1]["origin"].startswith(str(file))
    assert second["managed"] == {"limits": [OPENAI], "budgets": [BUDGET]}
    assert [each["id"] for each in second["changes"]] == ["openai", "acme.day"]
    assert none.status_code == 404


async def test_a_version_whose_documents_are_not_accepted_any_more_stays_where_it_is(
    api: httpx.AsyncClient, operator: dict[str, str], db: Any
) -> None:
    await _apply(api, operator, {"limits": [OPENAI]})
    await _apply(api, operator, {"limits": [GROQ]})
    # As an older release took it: today's reader knows no such unit.
    await db.execute("ALTER TABLE configuration_layer DISABLE TRIGGER configuration_layer_append_only")
    await db.execute(
        """UPDATE configuration_layer SET document = '[{"provider": "openai", "sentences_per_min": 3}]' """
        "WHERE version = 1"
    )

    refused = await api.post("/api/v1/config/versions/1/rollback", json={}, headers=operator)
    status = (await api.get("/api/v1/config/status", headers=operator)).json()

    assert refused.status_code == 400
    assert "version 1 is not accepted any more: limits[0]" in refused.json()["detail"]
    assert status["version"] == 2


async def test_going_back_brings_the_order_of_declarations_back_too(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any
) -> None:
    admin = await make_token(Role.ADMIN)
    given = [{"name": each, "provider": "openai", "usd": "10", "from": "2026-11"} for each in ("first", "second")]
    await _apply(api, operator, {"allowances": given})
    await _apply(api, operator, {"allowances": given[::-1]})
    back = await api.post("/api/v1/config/versions/1/rollback", json={}, headers=operator)
    whole = (await api.get("/api/v1/config", headers=operator)).json()
    keys = [*KEYS["keys"], {"id": "more", "provider": "groq", "from_env": "GROQ_API_KEY"}]
    await _apply(api, admin, {"keys": keys})
    await _apply(api, admin, {"keys": keys[::-1]})
    refused = await api.post("/api/v1/config/versions/4/rollback", json={}, headers=operator)

    assert (back.status_code, back.json()["is_changed"], back.json()["version"]) == (200, True, 3)
    assert [each["name"] for each in whole["managed"]["allowances"]] == ["first", "second"]
    assert refused.status_code == 403


async def test_what_is_hidden_by_a_higher_layer_is_said(start_api: Any, operator: dict[str, str]) -> None:
    async with start_api(overrides='{"limits": [{"provider": "openai", "requests_per_min": 7}]}') as api:
        hidden = await _apply(api, operator, {"limits": [OPENAI]})
        diff = await api.post("/api/v1/config/diff", json={"document": {"limits": [GROQ]}}, headers=operator)

    assert (hidden["is_changed"], hidden["effective_changes"], len(hidden["warnings"])) == (True, [], 1)
    assert [(each["id"], each["change"]) for each in diff.json()["changes"]] == [
        ("groq", "added"),
        ("openai", "removed"),
    ]
    assert [(each["id"], each["change"]) for each in diff.json()["effective_changes"]] == [("groq", "added")]


async def test_references_to_keys_are_changed_by_admins_only(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any
) -> None:
    admin = await make_token(Role.ADMIN)

    refused = await _apply(api, operator, KEYS)
    taken = await _apply(api, admin, KEYS)
    await _apply(api, admin, {"keys": []})
    back = await api.post("/api/v1/config/versions/1/rollback", json={}, headers=operator)

    assert (refused["status"], refused["code"]) == (403, "forbidden")
    assert (taken["status"], back.status_code) == (200, 403)


async def test_a_rollback_takes_no_key_back_that_an_admin_declares_meanwhile(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await make_token(Role.ADMIN)
    roll_back = Configuration.roll_back

    async def interrupted(self: Configuration, number: int, **asked: Any) -> Any:
        planned = await roll_back(self, number, **asked)
        if asked.get("is_dry_run"):
            await _apply(api, admin, KEYS)
        return planned

    await _apply(api, operator, {"limits": [OPENAI]})
    await _apply(api, operator, {"limits": [GROQ]})
    monkeypatch.setattr(Configuration, "roll_back", interrupted)

    back = await api.post("/api/v1/config/versions/1/rollback", json={}, headers=operator)

    assert back.status_code == 409
    assert (await api.get("/api/v1/config", headers=admin)).json()["managed"]["keys"] == KEYS["keys"]


async def test_what_was_declared_before_there_were_layers_is_managed(
    start_api: Any, operator: dict[str, str], db: Any
) -> None:
    layers = importlib.import_module("voicegateway_controller.migrations.versions.0015_layers").LAYERS
    await db.execute("DROP TABLE configuration_layer, configuration_version")
    await db.execute("DROP FUNCTION configuration_refuse_change")
    routing = [
        {"project": "", "chains": {"llm": {"fast": ["openai/gpt-4.1"]}}},
        {"project": "acme", "defaults": {"llm": "fast"}},
        {"project": "beta", "defaults": {"llm": "fast"}},
    ]
    for table, document in (("limit_set", [GROQ]), ("limit_set", [OPENAI]), ("routing_set", routing)):
        await db.execute(f"INSERT INTO {table} (document, created_by) VALUES ($1, 't')", json.dumps(document))

    await db.execute(layers)
    async with start_api() as api:
        whole = (await api.get("/api/v1/config", headers=operator)).json()
        versions = (await api.get("/api/v1/config/versions", headers=operator)).json()["versions"]
        same = await api.put("/api/v1/routing", json={"routing": whole["managed"]["routing"]}, headers=operator)

    assert whole["managed"] == {
        "limits": [OPENAI],
        "routing": {
            "chains": {"llm": {"fast": ["openai/gpt-4.1"]}},
            "projects": {"acme": {"defaults": {"llm": "fast"}}, "beta": {"defaults": {"llm": "fast"}}},
        },
    }
    assert whole["document"] == whole["managed"]
    assert [(each["number"], each["actor"], each["kinds"]) for each in versions] == [
        (1, "migration", ["limits", "routing"])
    ]
    assert same.json()["is_changed"] is False


async def test_what_an_older_release_declares_meanwhile_is_managed_and_hides_no_file(
    start_api: Any, operator: dict[str, str], tmp_path: Path, db: Any
) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text("limits: [{provider: deepgram, concurrent: 5}]")
    async with start_api(config=str(file)) as api:
        await db.execute(
            """INSERT INTO limit_set (document, created_by) VALUES ('[{"provider": "groq", "concurrent": 9}]', 'old')"""
        )
        put = await api.put("/api/v1/limits", json={"limits": [GROQ, OPENAI]}, headers=operator | {"If-Match": '"2"'})
        seen = (await api.get("/api/v1/limits", headers=operator)).json()

    assert put.status_code == 200, put.text
    assert [(each["id"], each["source"]) for each in seen["effective"]] == [
        ("groq", "db"),
        ("openai", "db"),
        ("deepgram", "yaml"),
    ]
