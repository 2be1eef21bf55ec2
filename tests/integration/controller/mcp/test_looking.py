"""What an assistant sees over real HTTP: typed, bounded, and no more than its token may."""

import json
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from voicegateway_controller import metrics
from voicegateway_controller.mcp_server.bounds import BYTES_MAX
from voicegateway_controller.mcp_server.server import ADDING, ALTERING, LOOKING
from voicegateway_controller.mcp_server.tools import overview


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools_say_what_they_do_to_assistants_of_today_and_of_yesterday(ask: Any, mode: str) -> None:
    async with ask(mode=mode) as assistant:
        tools = {each.name: each for each in (await assistant.client.list_tools()).tools}
        health = await assistant("get_health")

    assert set(tools) == {each.__name__ for kind in (LOOKING, ADDING, ALTERING) for each in kind.values()}
    for tool in tools.values():
        assert tool.title, tool.name
        assert tool.description, tool.name
        assert tool.output_schema is not None, tool.name
        assert all("description" in each for each in tool.input_schema["properties"].values()), tool.name
    looking = {each.__name__ for each in LOOKING.values()}
    assert {name for name, each in tools.items() if each.annotations and each.annotations.read_only_hint} == looking
    destructive = {name for name, each in tools.items() if each.annotations and each.annotations.destructive_hint}
    assert destructive == {each.__name__ for each in ALTERING.values()}
    assert all({"confirm", "revision"} <= set(tools[name].input_schema["properties"]) for name in destructive)
    assert health["is_well"] is True


@pytest.mark.usefixtures("books")
async def test_costs_and_one_calls_timeline(ask: Any) -> None:
    async with ask() as assistant:
        costs = await assistant("get_costs", by="session", since="1h")
        call = await assistant("get_session", session_id="AJ_1")
        dearest = await assistant("get_session", session_id="AJ_1", order="amount", rows=1)

    assert [(row["key"], row["amount_usd"]) for row in costs["rows"]] == [("AJ_1", "0.2011648"), ("AJ_2", "0.0002688")]
    assert [(row["part"], row["at_ms"], row["lasts_ms"], row["amount_usd"]) for row in call["rows"]] == [
        ("stt", 0, 10_000, "0.0008"),
        ("llm", 100, 900, "0.0002688"),
        ("llm", 2_000, 2_000, "0.200096"),
    ]
    assert call["rows"][2]["usage"] == {"input_tokens": 500_000, "output_tokens": 60}
    assert (call["lasts_ms"], call["total_usd"], call["left_out"]) == (10_000, "0.2011648", 0)
    assert [row["amount_usd"] for row in dearest["rows"]] == ["0.200096"]
    assert dearest["left_out"] == 2


@pytest.mark.usefixtures("books")
async def test_a_token_of_one_project_sees_nothing_of_another(ask: Any) -> None:
    async with ask(projects=["acme"]) as assistant:
        answers = [
            await assistant("get_costs", by="agent"),
            await assistant("get_spend", by="project"),
            await assistant("get_latency"),
            await assistant("list_sessions"),
            await assistant("get_live_calls"),
            await assistant("get_limits"),
            await assistant("get_budgets"),
            await assistant("get_health"),
            await assistant("get_validation"),
            await assistant("list_disagreements"),
            await assistant("explain_resolve", asked=["openai/gpt-4.1-mini"], project="acme"),
        ]
        other = [
            await assistant.refused("get_session", session_id="AJ_2"),
            await assistant.refused("get_costs", project="beta"),
            await assistant.refused("explain_resolve", project="beta"),
            await assistant.refused("list_reconciliations"),
        ]
        with pytest.raises(MCPError, match="not_found"):
            await assistant.client.read_resource("voicegateway://sessions/AJ_2/timeline")

    said = json.dumps(answers)
    assert "receptionist" in said
    assert not any(word in said for word in ("beta", "AJ_2", "secret-agent", "call-2"))
    assert [each.rpartition("[")[2] for each in other] == ["not_found]", "forbidden]", "forbidden]", "forbidden]"]


@pytest.mark.usefixtures("books")
async def test_resources_and_prompts(ask: Any) -> None:
    async with ask() as assistant:
        client: Client = assistant.client
        listed = [str(each.uri) for each in (await client.list_resources()).resources]
        templates = [each.uri_template for each in (await client.list_resource_templates()).resource_templates]
        month = json.loads(_text(await client.read_resource("voicegateway://costs/this-month")))
        call = json.loads(_text(await client.read_resource("voicegateway://sessions/AJ_1/timeline")))
        prompts = [each.name for each in (await client.list_prompts()).prompts]
        dear = await client.get_prompt("why_was_this_call_dear", {"session_id": "AJ_1"})

    assert listed == ["voicegateway://costs/this-month"]
    assert templates == ["voicegateway://sessions/{session_id}/timeline"]
    assert {row["key"] for row in month["rows"]} == {"acme", "beta"}
    assert [row["part"] for row in call["rows"]] == ["stt", "llm", "llm"]
    assert prompts == ["cost_review", "why_was_this_call_dear", "incident"]
    assert "`get_session` of 'AJ_1'" in str(dear.messages[0].content)


async def test_what_is_asked_wrongly_is_said_and_never_a_crash(ask: Any) -> None:
    async with ask() as assistant:
        since = await assistant.refused("get_costs", since="yesterday")
        by = await assistant.refused("get_costs", by="moon")
        rows = await assistant.refused("get_costs", rows=10_000)
        far = await assistant.refused("get_costs", since="99999999999d")
        nobody = await assistant.refused("get_session", session_id="a/../b?c=%00")
        unknown = await assistant.refused("no_such_tool")

    assert since == "'yesterday' is no instant; write 2026-11-21, 2026-11-21T10:00:00Z, 24h or 7d"
    assert "'provider', 'model'" in by
    assert "less than or equal to 200" in rows
    assert "is no instant" in far
    assert nobody.endswith("[not_found]")
    assert "no_such_tool" in unknown


async def test_calls_are_counted_by_how_they_ended(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("a secret of ours")

    async with ask() as assistant:
        before = _counted()
        await assistant("get_latency")
        await assistant.refused("get_costs", since="yesterday")
        await assistant.refused("no_such_tool")
        monkeypatch.setattr(overview, "_of_ledger", crash)
        crashed = await assistant.refused("get_health")

    after = _counted()
    assert {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)} == {
        ("get_latency", "done"): 1,
        ("get_costs", "refused"): 1,
        ("unknown", "refused"): 1,
        ("get_health", "failed"): 1,
    }
    assert "secret" not in crashed


async def test_answers_are_bounded_in_rows_and_bytes(ask: Any, db: Any) -> None:
    await db.execute(
        "INSERT INTO rollup_session SELECT 'AJ_' || n || repeat('x', 200), 'acme', repeat('a', 250), repeat('r', 250), "
        "now(), now(), 1, 0, 0, 0, '1.5' FROM generate_series(1, 300) AS n"
    )
    async with ask() as assistant:
        few = await assistant("list_sessions")
        many = await assistant("list_sessions", rows=200)

    assert len(few["rows"]) == 25
    assert 0 < len(many["rows"]) < 200
    assert many["left_out"] == 200 - len(many["rows"])
    assert len(json.dumps(many, separators=(",", ":"))) <= BYTES_MAX


def _counted() -> dict[tuple[str, str], float]:
    [family] = metrics.MCP_TOOL_CALLS.collect()
    return {
        (each.labels["tool"], each.labels["result"]): each.value
        for each in family.samples
        if each.name.endswith("_total")
    }


def _text(result: Any) -> str:
    text: str = result.contents[0].text
    return text
