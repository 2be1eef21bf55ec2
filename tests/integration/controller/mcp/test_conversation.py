"""A scripted assistant: it reads prompts, follows what tools tell it, and its person decides. No model needed.

The script knows only what the server says of itself: tools by their titles, revisions and next steps from answers.
"""

import re
from typing import Any

import pytest
from tests.fixtures.assistant import Assistant

from voicegateway_controller.access import Role


class Scripted:
    """An assistant that does as the server's words say, and asks its person before anything destructive."""

    def __init__(self, assistant: Assistant, *, person_says: bool) -> None:
        self._assistant = assistant
        self._person_says = person_says
        self.transcript: list[str] = []

    async def begin(self) -> None:
        """Learn what the server offers."""
        tools = (await self._assistant.client.list_tools()).tools
        self._by_title = {each.title: each for each in tools}

    async def use(self, title: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool by its title; of one that changes something, show the preview and do as the person says."""
        tool = self._by_title[title]
        answer = await self._assistant(tool.name, **arguments)
        self.transcript.append(tool.name)
        assert tool.annotations is not None
        if tool.annotations.read_only_hint or answer["state"] != "preview":
            return answer
        self.transcript.append(f"shows: {answer['summary']}\n{answer['diff']}")
        if not self._person_says:
            self.transcript.append("leaves it")
            return answer
        # As `next_step` says: the same arguments, confirm, and the revision that stands there.
        told = re.search(r"confirm=true and revision='(\w+)'", answer["next_step"])
        assert told is not None
        done = await self._assistant(tool.name, **arguments, confirm=True, revision=told[1])
        self.transcript.append(f"{tool.name}: {done['state']}")
        return done


@pytest.mark.usefixtures("books")
async def test_why_was_this_call_dear_and_what_can_be_done(ask: Any) -> None:
    async with ask(Role.OPERATOR) as assistant:
        script = Scripted(assistant, person_says=True)
        await script.begin()

        # "What did we spend? Which call was the dearest, and why? Do something about it."
        costs = await script.use("Costs", by="session", since="1h")
        dearest = costs["rows"][0]["key"]
        prompt = await assistant.client.get_prompt("why_was_this_call_dear", {"session_id": dearest})
        named = set(re.findall(r"`(\w+)`", prompt.messages[0].content.text))
        call = await script.use("One call along its time", session_id=dearest, order="amount")
        guilty = call["rows"][0]
        request = await script.use("One request", request_id=guilty["request_id"])
        await script.use("Who would serve", asked=[guilty["model"]], project="acme")
        budget = {"project": "acme", "amount": "0.05", "window": "session", "action": "end_session"}
        await script.use("Declare a budget", declaration=budget)
        limit = {"project": "acme", "provider": "openai", "requests_per_min": 60}
        await script.use("Declare a limit", declaration=limit)
        budgets = await script.use("Budgets and forecast", project="acme")
        limits = await script.use("Rate limits")

    # The prompt names tools that exist.
    tools = {each.name for each in script._by_title.values()}
    assert named <= tools
    assert (dearest, guilty["part"], guilty["usage"]["input_tokens"]) == ("AJ_1", "llm", 500_000)
    assert request["amount_usd"] == guilty["amount_usd"] == "0.200096"
    assert [(each["id"], each["amount_usd"], each["action"]) for each in budgets["budgets"]] == [
        ("acme.session", "0.05", "end_session")
    ]
    assert [each["declared"] for each in limits["effective"]] == [limit]
    assert [each for each in script.transcript if not each.startswith("shows")] == [
        "get_costs", "get_session", "get_request", "explain_resolve",
        "set_budget", "set_budget: done", "set_limit", "set_limit: done", "get_budgets", "get_limits",
    ]  # fmt: skip
    assert "shows: acme.session is declared in budgets" in script.transcript[5]


async def test_an_incident_in_which_the_person_says_no(ask: Any) -> None:
    async with ask(Role.OPERATOR) as assistant:
        script = Scripted(assistant, person_says=False)
        await script.begin()
        prompt = await assistant.client.get_prompt("incident", {"symptom": "agents are slow"})
        named = re.findall(r"`(get_\w+)`", prompt.messages[0].content.text)
        by_name = {each.name: each.title or "" for each in script._by_title.values()}
        for name in dict.fromkeys(named):
            await script.use(by_name[name])
        await script.use("Switch a vendor off", target="openai", reason="slow")
        vendors = await script.use("Vendors' health")

    assert script.transcript[: len(set(named))] == list(dict.fromkeys(named))
    assert script.transcript[-2] == "leaves it"
    assert vendors["disabled"] == []


async def test_all_prompts_name_tools_that_exist(ask: Any) -> None:
    async with ask() as assistant:
        tools = {each.name for each in (await assistant.client.list_tools()).tools}
        said = [
            await assistant.client.get_prompt("cost_review", {"month": "2026-10", "project": "acme"}),
            await assistant.client.get_prompt("why_was_this_call_dear", {"session_id": "AJ_1"}),
            await assistant.client.get_prompt("incident", {"symptom": "x"}),
        ]

    for each in said:
        named = set(re.findall(r"`((?:get|list|explain)_\w+)`", each.messages[0].content.text))
        assert named
        assert named <= tools
