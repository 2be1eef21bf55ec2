"""Tools that change what is declared, prices, workers and keys: seen first, exactly, and confirmed."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from tests.fixtures.assistant import Assistant, over_stdio

from voicegateway_controller.access import Role
from voicegateway_controller.vault.ring import new_secret

KEY = "sk-test-0123456789abcdefghij"
WORKER = {
    "incarnation": "node-1-1-aaaa", "host": "node-1", "pid": 7, "shim_version": "0.1.0", "sessions": [],
    "worker": {"kind": "worker", "worker_id": "AW_1", "agent": "desk", "active_jobs": 3},
}  # fmt: skip


async def _confirmed(assistant: Assistant, tool: str, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    preview = await assistant(tool, **arguments)
    return preview, await assistant(tool, **arguments, confirm=True, revision=preview["revision"])


@asynccontextmanager
async def _speaking(url: str, headers: dict[str, str]) -> AsyncIterator[None]:
    """Have the worker speak once a second, from before this is entered."""

    async def speak(seq: int) -> None:
        said = await client.post(f"{url}/v1/sync", content=json.dumps({**WORKER, "seq": seq}), headers=headers)
        assert said.status_code == 200

    async def go_on() -> None:
        for seq in itertools.count(2):
            await asyncio.sleep(1.0)
            await speak(seq)

    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        await speak(1)
        speaking = group.create_task(go_on())
        yield
        speaking.cancel()


async def test_limits_budgets_and_chains_are_declared_one_at_a_time(ask: Any) -> None:
    async with ask(Role.OPERATOR) as assistant:
        await _confirmed(assistant, "set_limit", declaration={"provider": "deepgram", "concurrent": 50})
        preview, done = await _confirmed(
            assistant, "set_limit", declaration={"provider": "openai", "requests_per_min": 500}
        )
        stale = await assistant("remove_limit", limit_id="deepgram")
        changed, _ = await _confirmed(
            assistant, "set_limit", declaration={"provider": "openai", "requests_per_min": 900}
        )
        too_late = await assistant.refused(
            "remove_limit", limit_id="deepgram", confirm=True, revision=stale["revision"]
        )
        removed, _ = await _confirmed(assistant, "remove_limit", limit_id="deepgram")
        nobody = await assistant.refused("remove_limit", limit_id="moon")
        limits = await assistant("get_limits")

        budget = {"project": "acme", "amount": "25.00", "window": "day", "zone": "Europe/Berlin"}
        await _confirmed(assistant, "set_budget", declaration=budget)
        budgets = await assistant("get_budgets", project="acme")

        models = ["openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"]
        chain, _ = await _confirmed(assistant, "set_chain", part="llm", name="fast", models=models, project="acme")
        routing = await assistant("get_routing")
        who = await assistant("explain_resolve", asked=["fast"], project="acme", modality="llm")
        await _confirmed(assistant, "remove_chain", part="llm", name="fast", project="acme")
        gone = await assistant("get_routing")

    assert preview["summary"] == "openai is declared in limits"
    assert preview["diff"].splitlines()[2:] == [
        "@@ -1,2 +1,4 @@",
        " - provider: deepgram",
        "   concurrent: 50",
        "+- provider: openai",
        "+  requests_per_min: 500",
    ]
    assert done["state"] == "done"
    assert changed["diff"].splitlines()[-2:] == ["-  requests_per_min: 500", "+  requests_per_min: 900"]
    assert "not what was previewed" in too_late
    assert removed["diff"].splitlines()[3:5] == ["-- provider: deepgram", "-  concurrent: 50"]
    assert nobody.startswith("there is no moon in limits")
    assert [(each["id"], each["source"]) for each in limits["effective"]] == [("openai", "db")]
    assert [(each["id"], each["amount_usd"]) for each in budgets["budgets"]] == [("acme.day", "25")]
    assert chain["summary"] == "projects.acme.chains.llm.fast is declared in routing"
    assert routing["routing"] == {"projects": {"acme": {"chains": {"llm": {"fast": models}}}}}
    assert [each["model"] for each in who["parts"][0]["candidates"]] == models
    assert gone["routing"] == {}


async def test_a_declaration_that_is_wrong_is_told_with_its_place_and_changes_nothing(ask: Any) -> None:
    async with ask(Role.OPERATOR) as assistant:
        wrong = await assistant.refused("set_limit", declaration={"provider": "openai", "request_per_min": 500})
        limits = await assistant("get_limits")

    assert wrong.startswith("it would not be taken, and nothing was changed: limits[0]")
    assert "unknown key 'request_per_min'; did you mean 'requests_per_min'?" in wrong
    assert limits["effective"] == []


async def test_prices_are_recorded_and_withdrawn(ask: Any) -> None:
    price = {"meter": "audio_sent_ms", "amount": "0.0041", "per": "1 minute", "when": {"mode": "streaming"}}
    asked = {"provider": "deepgram", "model": "nova-3", "price": price, "reason": "a contract", "project": "acme"}
    async with ask(Role.OPERATOR) as assistant:
        preview = await assistant("set_price", **asked)
        before = await assistant("get_prices", provider="deepgram", model="nova-3", project="acme", rows=200)
        done = await assistant("set_price", **asked, confirm=True, revision=preview["revision"])
        after = await assistant("get_prices", provider="deepgram", model="nova-3", project="acme", rows=200)
        made = [each for each in after["prices"] if each["layer"] == "project"]
        withdrawing = {"price_id": made[0]["price_id"], "reason": "over"}
        seen = await assistant("withdraw_price", **withdrawing)
        kept = await assistant("get_prices", provider="deepgram", model="nova-3", project="acme", rows=200)
        await assistant("withdraw_price", **withdrawing, confirm=True, revision=seen["revision"])
        gone = await assistant("get_prices", provider="deepgram", model="nova-3", project="acme", rows=200)

    assert "+  amount: '0.0041'" in preview["diff"]
    assert [each for each in before["prices"] if each["layer"] == "project"] == []
    assert done["state"] == "done"
    assert {each["amount"] for each in made} == {"0.0041"}
    assert [each for each in kept["prices"] if each["layer"] == "project"] == made
    assert [each for each in gone["prices"] if each["layer"] == "project"] == made[1:]


async def test_a_worker_is_drained_and_takes_jobs_again(ask: Any, url: str, make_token: Any) -> None:
    worker = {"worker_id": "node-1-1-aaaa", "reason": "an update"}
    async with _speaking(url, await make_token()), ask(Role.OPERATOR) as assistant:
        preview, _ = await _confirmed(assistant, "drain_worker", **worker)
        drained = await assistant("list_workers")
        again = await assistant("drain_worker", **worker)
        await _confirmed(assistant, "undrain_worker", **worker)
        free = await assistant("list_workers")
        nobody = await assistant.refused("drain_worker", worker_id="moon", reason="an update")

    assert preview["warnings"] == ["it carries 3 calls, which go on"]
    assert [(each["is_drain_ordered"], each["drain_reason"]) for each in drained["workers"]] == [(True, "an update")]
    assert again["state"] == "nothing_to_do"
    assert [each["is_drain_ordered"] for each in free["workers"]] == [False]
    assert nobody.endswith("[not_found]")


async def test_a_key_goes_from_a_variable_to_the_vault_past_the_conversation(
    serve: Any, token_of: Any, tmp_path: Any
) -> None:
    async with serve(vault_secrets=new_secret()) as url:
        environment = {
            "VOICEGATEWAY_URL": url, "VOICEGATEWAY_TOKEN": await token_of(Role.ADMIN), "OPENAI_API_KEY": KEY,
            "NEXT_OPENAI_API_KEY": KEY[::-1],
        }  # fmt: skip
        async with over_stdio(tmp_path, **environment) as assistant:
            key = {"key_id": "main", "provider": "openai", "from_env": "OPENAI_API_KEY", "projects": ["acme"]}
            added = await _confirmed(assistant, "add_key", **key)
            rotated = await _confirmed(assistant, "rotate_key", key_id="main", from_env="NEXT_OPENAI_API_KEY")
            listed = await assistant("list_keys")
            revoked = await _confirmed(assistant, "revoke_key", key_id="main", reason="a test")
            left = await assistant("list_keys")
            unset = await assistant.refused("add_key", **{**key, "from_env": "MOON_API_KEY"})
            other = await assistant.refused("add_key", **{**key, "from_env": "PATH"})
            audit = await assistant("get_audit", resource="keys/main")

    said = json.dumps([added, rotated, listed, revoked, left, audit])
    assert KEY not in said
    assert KEY[::-1] not in said
    assert "+secret: sk-t...ghij" in added[0]["diff"]
    assert [(each["id"], each["masked"], each["projects"]) for each in listed["keys"]] == [
        ("main", "jihg...t-ks", ["acme"])
    ]
    assert "revoke it there, too" in revoked[1]["warnings"][-1]
    assert left["keys"] == []
    assert unset.startswith("MOON_API_KEY is not set where `voicegw mcp` runs")
    assert "String should match pattern" in other
    assert len(audit["records"]) == 3


async def test_over_http_no_key_is_taken(ask: Any) -> None:
    async with ask(Role.ADMIN) as assistant:
        refused = await assistant.refused("add_key", key_id="main", provider="openai", from_env="OPENAI_API_KEY")

    assert "without being written down in the conversation" in refused
