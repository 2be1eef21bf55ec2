"""Tools that stop things: seen first, done only when that very thing is confirmed, and only by who may."""

import json
from typing import Any

import httpx
import pytest

from voicegateway_controller.access import Role


async def test_a_vendor_is_switched_off_when_the_preview_is_confirmed(ask: Any) -> None:
    asked = {"target": "openai/gpt-4.1", "reason": "slow today", "for_minutes": 30}
    async with ask(Role.OPERATOR) as assistant:
        preview = await assistant("switch_off_provider", **asked)
        unseen = await assistant.refused("switch_off_provider", **asked, confirm=True)
        before = await assistant("get_providers")
        done = await assistant("switch_off_provider", **asked, confirm=True, revision=preview["revision"])
        after = await assistant("get_providers")
        again = await assistant.refused("switch_off_provider", **asked, confirm=True, revision=preview["revision"])

    assert preview["state"] == "preview"
    assert preview["diff"].splitlines()[3:] == [
        " target: openai/gpt-4.1",
        "-is_off: false",
        "+is_off: true",
        "+lasts: for 30 minutes",
        "+reason: slow today",
    ]
    assert preview["revision"] in preview["next_step"]
    assert "needs the revision of a preview" in unseen
    assert before["disabled"] == []
    assert (done["state"], done["revision"]) == ("done", "")
    assert [(each["provider"], each["model"], each["reason"]) for each in after["disabled"]] == [
        ("openai", "gpt-4.1", "slow today")
    ]
    assert "not what was previewed" in again


async def test_it_is_switched_on_again(ask: Any) -> None:
    async with ask(Role.OPERATOR) as assistant:
        nothing = await assistant("switch_on_provider", target="openai")
        off = {"target": "openai", "reason": "a test"}
        preview = await assistant("switch_off_provider", **off)
        await assistant("switch_off_provider", **off, confirm=True, revision=preview["revision"])
        preview = await assistant("switch_on_provider", target="openai")
        done = await assistant("switch_on_provider", target="openai", confirm=True, revision=preview["revision"])
        after = await assistant("get_providers")

    assert nothing["state"] == "nothing_to_do"
    assert "-reason: a test" in preview["diff"]
    assert done["state"] == "done"
    assert after["disabled"] == []


@pytest.mark.parametrize("details", [{"role": Role.VIEWER}, {"role": Role.OPERATOR, "projects": ["acme"]}], ids=str)
async def test_who_may_not_is_told_so_and_changes_nothing(ask: Any, details: dict[str, Any]) -> None:
    off = {"target": "openai", "reason": "a test"}
    async with ask(**details) as assistant:
        preview = await assistant("switch_off_provider", **off)
        refused = await assistant.refused("switch_off_provider", **off, confirm=True, revision=preview["revision"])
        after = await assistant("get_providers")

    assert refused.startswith("refused: ")
    assert refused.endswith("Nothing was changed; somebody with such a token can do it [forbidden]")
    assert after["disabled"] == []


async def test_a_live_call_is_ended_when_that_is_confirmed(ask: Any, url: str, make_token: Any) -> None:
    calls = ["AJ_1", "AJ_2"]
    headers, seq = await make_token(), iter(range(1, 100))

    async def speak() -> list[str]:
        message = {
            "incarnation": "host-1-1", "seq": next(seq), "host": "h", "pid": 1, "shim_version": "0.1.0", "money": {},
            "sessions": [
                {"session_id": each, "project": "acme", "agent": "a", "room": "r", "started_at": "2026-11-21T09:00:00Z"}
                for each in calls
            ],
        }  # fmt: skip
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(f"{url}/v1/sync", content=json.dumps(message).encode(), headers=headers)
        return [each["session_id"] for each in answer.json()["money"].get("directives", [])]

    await speak()
    async with ask(Role.OPERATOR) as assistant:
        all_of_it = await assistant("end_sessions", project="acme", reason="a test")
        one = await assistant("end_session", session_id="AJ_1", reason="a test")
        heard = [await speak()]
        done = await assistant(
            "end_session", session_id="AJ_1", reason="a test", confirm=True, revision=one["revision"]
        )
        heard.append(await speak())
        nobody = await assistant.refused("end_session", session_id="AJ_9", reason="a test")
        which = await assistant.refused("end_sessions", reason="a test")
        calls.append("AJ_3")
        await speak()
        more = await assistant.refused(
            "end_sessions", project="acme", reason="a test", confirm=True, revision=all_of_it["revision"]
        )

    assert all_of_it["summary"] == "2 live calls are told to end"
    assert heard == [[], ["AJ_1"]]
    assert done["state"] == "done"
    assert nobody.endswith("[not_found]")
    assert which.startswith("which calls")
    assert "not what was previewed" in more
