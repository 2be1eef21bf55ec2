"""One limit, budget, project, chain or stack at a time: beside all others, by If-Match, in layers."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.controller.conftest import StartApi

from voicegateway_controller.access import Role


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


async def test_a_limit_is_put_beside_the_others_and_taken_away_again(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    others = {"limits": [{"provider": "deepgram", "concurrent": 5}]}
    await api.put("/api/v1/limits", json=others, headers=operator)

    made = await api.put("/api/v1/limits/main", json={"provider": "openai", "requests_per_min": 500}, headers=operator)
    again = await api.put("/api/v1/limits/main", json={"provider": "openai", "requests_per_min": 500}, headers=operator)
    found = await api.get("/api/v1/limits/main", headers=operator)
    by_selector = await api.get("/api/v1/limits/deepgram", headers=operator)

    assert (made.status_code, made.json()["is_changed"], again.json()["is_changed"]) == (200, True, False)
    assert found.json() == {
        "id": "main", "project": "", "modality": "", "source": "db", "shadows": [],
        "declared": {"name": "main", "provider": "openai", "requests_per_min": 500},
        "managed": {"name": "main", "provider": "openai", "requests_per_min": 500},
    }  # fmt: skip
    assert found.headers["ETag"] == made.headers["ETag"]
    assert by_selector.json()["declared"] == {"provider": "deepgram", "concurrent": 5}

    gone = await api.delete("/api/v1/limits/main", headers=operator)
    assert (gone.status_code, gone.json()["item"]) == (200, None)
    assert (await api.get("/api/v1/limits/main", headers=operator)).status_code == 404
    assert (await api.delete("/api/v1/limits/main", headers=operator)).status_code == 404
    assert (await api.get("/api/v1/limits", headers=operator)).json()["limits"] == others["limits"]


async def test_a_change_that_was_decided_on_something_else_is_a_conflict(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    budget = {"project": "acme", "window": "day", "amount": "25.00"}
    made = await api.put("/api/v1/budgets/acme.day", json=budget, headers=operator)
    other = await api.put("/api/v1/budgets/all.day", json={"window": "day", "amount": "99.00"}, headers=operator)
    tag = made.headers["ETag"]

    changed = await api.put(
        "/api/v1/budgets/acme.day", json={**budget, "amount": "30.00"}, headers={**operator, "If-Match": tag}
    )
    late = await api.put("/api/v1/budgets/acme.day", json=budget, headers={**operator, "If-Match": tag})
    late_delete = await api.delete("/api/v1/budgets/acme.day", headers={**operator, "If-Match": tag})
    absent = await api.put("/api/v1/budgets/new", json=budget, headers={**operator, "If-Match": "*"})

    assert (made.status_code, other.status_code, changed.status_code) == (200, 200, 200), made.text
    assert [each.status_code for each in (late, late_delete, absent)] == [409, 409, 409]
    found = (await api.get("/api/v1/budgets/acme.day", headers=operator)).json()
    assert found["declared"]["amount"] == "30.00"


async def test_chains_and_stacks_by_name_modality_and_project(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any
) -> None:
    fast = ["openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"]
    put = [
        await api.put("/api/v1/chains/fast?modality=llm", json=fast, headers=operator),
        await api.put("/api/v1/chains/fast?modality=tts", json=["cartesia/sonic-3"], headers=operator),
        await api.put("/api/v1/chains/own?modality=llm&project=beta", json=fast, headers=operator),
        await api.put(
            "/api/v1/stacks/premium", headers=operator,
            json={"stt": "deepgram/nova-3", "llm": "fast", "tts": "cartesia/sonic-3"},
        ),
    ]  # fmt: skip
    assert [each.status_code for each in put] == [200, 200, 200, 200], [each.text for each in put]

    one = (await api.get("/api/v1/chains/fast?modality=llm", headers=operator)).json()
    unsaid = await api.get("/api/v1/chains/fast", headers=operator)
    by_itself = (await api.get("/api/v1/chains/own?project=beta", headers=operator)).json()
    needed = await api.delete("/api/v1/chains/fast?modality=llm", headers=operator)
    no_modality = await api.put("/api/v1/chains/slow", json=fast, headers=operator)
    wrong = await api.put("/api/v1/chains/slow?modality=llm", json=["no-provider"], headers=operator)
    acme = await make_token(Role.VIEWER, projects=["acme"])
    seen = (await api.get("/api/v1/chains", headers=acme)).json()["items"]
    stranger = await api.get("/api/v1/chains/own?project=beta", headers=acme)

    assert (one["declared"], one["modality"], one["source"]) == (fast, "llm", "db")
    assert (unsaid.status_code, by_itself["project"], by_itself["modality"]) == (400, "beta", "llm")
    assert [each.status_code for each in (needed, no_modality, wrong, stranger)] == [400, 400, 400, 404]
    assert [(each["id"], each["modality"]) for each in seen] == [("fast", "llm"), ("fast", "tts")]

    assert (await api.delete("/api/v1/stacks/premium", headers=operator)).status_code == 200
    assert (await api.delete("/api/v1/chains/fast?modality=llm", headers=operator)).status_code == 200
    assert (await api.delete("/api/v1/chains/own?modality=llm&project=beta", headers=operator)).status_code == 200
    left = (await api.get("/api/v1/routing", headers=operator)).json()["routing"]
    assert left == {"chains": {"tts": {"fast": ["cartesia/sonic-3"]}}}


async def test_a_project_may_be_called_as_a_section_is(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    path = "/api/v1/chains/llm?modality=llm&project=chains"
    put = await api.put(path, json=["openai/gpt-4.1-mini"], headers=operator)
    deleted = await api.delete(path, headers=operator)

    assert (put.status_code, deleted.status_code, deleted.json()["item"]) == (200, 200, None)
    assert (await api.get("/api/v1/routing", headers=operator)).json()["routing"] == {}


async def test_what_a_file_declares_is_hidden_and_comes_back(
    start_api: StartApi, operator: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text("projects:\n- id: acme\n  name: From a file\n")
    monkeypatch.setenv("VOICEGATEWAY_CONFIG", str(file))
    monkeypatch.setenv("VOICEGATEWAY_OVERRIDES", "projects: [{id: fixed}]")
    async with start_api() as api:
        first = (await api.get("/api/v1/projects/acme", headers=operator)).json()
        refused = await api.delete("/api/v1/projects/acme", headers=operator)
        put = (await api.put("/api/v1/projects/acme", json={"name": "Managed"}, headers=operator)).json()
        above = (await api.put("/api/v1/projects/fixed", json={"name": "In vain"}, headers=operator)).json()
        shadowing = (await api.get("/api/v1/projects/acme", headers=operator)).json()
        left = (await api.delete("/api/v1/projects/acme", headers=operator)).json()

    assert (first["name"], first["source"]) == ("From a file", "yaml")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "voicegw.yaml" in refused.json()["detail"]
    assert (put["item"]["source"], put["item"]["shadows"]) == ("db", ["yaml"])
    assert (shadowing["name"], shadowing["source"], shadowing["shadows"]) == ("Managed", "db", ["yaml"])
    assert (above["item"]["source"], above["item"]["managed"]) == ("env", {"id": "fixed", "name": "In vain"})
    assert "VOICEGATEWAY_OVERRIDES" in above["warnings"][0]
    assert (left["item"]["source"], left["item"]["declared"]["name"]) == ("yaml", "From a file")


async def test_who_may_change_and_what_is_refused(
    api: httpx.AsyncClient, operator: dict[str, str], make_token: Any
) -> None:
    limit = {"provider": "openai", "requests_per_min": 500}
    for role, details in ((Role.VIEWER, {}), (Role.OPERATOR, {"projects": ["acme"]})):
        headers = await make_token(role, **details)
        assert (await api.put("/api/v1/limits/a", json=limit, headers=headers)).status_code == 403

    other_name = await api.put("/api/v1/limits/a", json={**limit, "name": "b"}, headers=operator)
    wrong = await api.put("/api/v1/limits/a", json={"provider": "openai", "requests": 5}, headers=operator)

    assert (other_name.status_code, other_name.json()["detail"]) == (400, "name: is 'b', and the address says 'a'")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_request")
