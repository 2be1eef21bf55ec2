"""`voicegw mcp`, started as an assistant starts it: over pipes, with little of an environment."""

from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.assistant import over_stdio

from voicegateway_controller.access import Role
from voicegateway_controller.mcp_server.server import LOOKING


@pytest.mark.usefixtures("books")
async def test_it_asks_the_controller_with_the_tokens_leave(url: str, token_of: Any, tmp_path: Path) -> None:
    token = await token_of(Role.VIEWER, projects=["acme"])
    async with over_stdio(tmp_path, VOICEGATEWAY_URL=url, VOICEGATEWAY_TOKEN=token) as assistant:
        costs = await assistant("get_costs", by="project")
        month = await assistant.client.read_resource("voicegateway://costs/this-month")
        off = {"target": "openai", "reason": "a test"}
        preview = await assistant("switch_off_provider", **off)
        refused = await assistant.refused("switch_off_provider", **off, confirm=True, revision=preview["revision"])

    assert [row["key"] for row in costs["rows"]] == ["acme"]
    assert "beta" not in str(month)
    assert refused.endswith("[forbidden]")
    assert token not in f"{costs}{month}{preview}{refused}"


async def test_it_starts_before_there_is_a_controller_and_says_what_is_missing(tmp_path: Path) -> None:
    async with over_stdio(tmp_path, "--read-only") as assistant:
        tools = [each.name for each in (await assistant.client.list_tools()).tools]
        nothing = await assistant.refused("get_health")

    assert tools == [each.__name__ for each in LOOKING.values()]
    assert nothing.startswith("no controller to ask: run `voicegw up`")


async def test_a_controller_that_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    async with over_stdio(
        tmp_path, VOICEGATEWAY_URL="http://127.0.0.1:1", VOICEGATEWAY_TOKEN="vgw_0123456789abcdef_hidden"
    ) as assistant:
        refused = await assistant.refused("get_costs")

    assert refused.startswith("the controller does not answer (ConnectError)")
    assert "hidden" not in refused
