"""Who would serve now: the fleet's health, limits, budgets and prices decide, each candidate with its reasons."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.controller.conftest import StartApi

from voicegateway.model_id import ModelId
from voicegateway.registry.named import NAMED
from voicegateway_controller.access import Role
from voicegateway_controller.cli.keys import has_key_here, key_variable
from voicegateway_controller.routing.naming import split_model
from voicegateway_shared.errors import VoiceGatewayError

FULL, MINI, NANO = "openai/gpt-4.1", "openai/gpt-4.1-mini", "openai/gpt-4.1-nano"
ROUTING = {
    "chains": {
        "llm": {
            "fast": {"models": [FULL, MINI, NANO]},
            "cheap": {"models": [FULL, MINI, NANO], "strategy": "cheapest"},
        },
        "stt": {"ears": ["deepgram/nova-3:multi", "cartesia/ink-2"]},
    },
    "stacks": {"premium": {"stt": "ears", "llm": "fast", "tts": "cartesia/sonic-3:a-voice"}},
    "defaults": {"llm": "cheap"},
    "projects": {"acme": {"chains": {"llm": {"fast": [NANO, MINI]}}}},
}


@pytest.fixture
async def operator(make_token: Any) -> dict[str, str]:
    headers: dict[str, str] = await make_token(Role.OPERATOR)
    return headers


@pytest.fixture
async def declared(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    response = await api.put("/api/v1/routing", json={"routing": ROUTING}, headers=operator)
    assert response.status_code == 200


async def _ask(api: httpx.AsyncClient, headers: dict[str, str], asked: Any = (), **query: Any) -> Any:
    response = await api.get("/api/v1/resolve", params={"asked": asked, **query}, headers=headers)
    return response.json() if response.status_code == 200 else (response.status_code, response.json()["detail"])


def _order(part: dict[str, Any]) -> list[str]:
    placed = [each for each in part["candidates"] if each["place"] is not None]
    return [each["model"] for each in sorted(placed, key=lambda each: each["place"])]


@pytest.mark.usefixtures("declared")
async def test_a_chain_is_ordered_by_its_strategy_and_each_candidate_has_its_price(
    api: httpx.AsyncClient, viewer: dict[str, str]
) -> None:
    answer = await _ask(api, viewer, "cheap")
    [part] = answer["parts"]

    assert (_order(part), part["serves"], part["strategy"]) == ([NANO, MINI, FULL], NANO, "cheapest")
    assert [each["price_usd"] for each in part["candidates"]] == ["0.0028", "0.00056", "0.00014"]
    assert all(each["passes"] for each in part["candidates"])
    assert (answer["stack"], answer["is_live"], answer["notes"]) == ("", True, [])


@pytest.mark.usefixtures("declared")
async def test_a_stack_and_the_defaults_are_explained_place_by_place(
    api: httpx.AsyncClient, viewer: dict[str, str]
) -> None:
    stack = await _ask(api, viewer, "premium")
    default = await _ask(api, viewer)
    acmes = await _ask(api, viewer, "fast", project="acme")

    assert stack["stack"] == "premium"
    assert [(part["modality"], part["chain"], part["serves"]) for part in stack["parts"]] == [
        ("stt", "ears", "deepgram/nova-3:multi"),
        ("llm", "fast", FULL),
        ("tts", "", "cartesia/sonic-3:a-voice"),
    ]
    assert [part["chain"] for part in default["parts"]] == ["cheap"]
    assert [(part["project"], part["serves"]) for part in acmes["parts"]] == [("acme", NANO)]


@pytest.mark.usefixtures("declared")
async def test_a_model_by_itself_is_what_its_price_says_or_what_is_said(
    api: httpx.AsyncClient, viewer: dict[str, str]
) -> None:
    by_price = await _ask(api, viewer, "deepgram/nova-3")
    unknown = await _ask(api, viewer, "housebrand/llm-1")
    said = await _ask(api, viewer, "housebrand/llm-1", modality="llm")
    several = await _ask(api, viewer, [MINI, NANO])

    assert [part["modality"] for part in by_price["parts"]] == ["stt"]
    assert unknown == (
        400,
        "housebrand/llm-1 has no price, so its modality is not known here: say which with modality (`voicegw`: "
        "--modality), one of stt, llm, tts, realtime",
    )
    assert said["parts"][0]["candidates"][0]["unpriced"] == "unknown_provider"
    assert said["notes"] == ["provider 'housebrand' is not known here: a worker that has it by itself can use it"]
    assert _order(several["parts"][0]) == [MINI, NANO]


@pytest.mark.usefixtures("declared")
async def test_what_is_no_name_or_out_of_reach_is_refused(
    api: httpx.AsyncClient, viewer: dict[str, str], make_token: Any
) -> None:
    acmes = await make_token(Role.VIEWER, projects=["acme"])

    assert await _ask(api, viewer, "fasst") == (
        404,
        "'fasst' is no model, and no chain or stack of project 'default'; did you mean 'fast'?",
    )
    assert (await _ask(api, viewer, "fast", modality="video"))[0] == 400
    assert (await _ask(api, viewer, ["a/b"] * 9))[0] == 400
    assert (await _ask(api, viewer, "/b"))[0] == 400
    assert (await _ask(api, viewer, modality="tts"))[0] == 404
    assert (await _ask(api, acmes, "fast", project="beta"))[0] == 403
    assert (await _ask(api, acmes, "fast", project="acme"))["parts"][0]["serves"] == NANO
    assert (await _ask(api, await make_token(Role.WORKER), "fast"))[0] == 403


@pytest.mark.usefixtures("declared")
async def test_a_budget_that_is_used_up_puts_a_model_last_and_a_throttling_one_makes_the_cheapest_serve(
    start_api: StartApi, operator: dict[str, str], viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicegateway_controller.budgets import standings
    from voicegateway_controller.budgets.windows import open_window

    async def all_spent(self: Any, specs: Any, now: Any) -> standings.Stood:
        spent = {spec.id: standings.Standing(open=open_window(spec, now), spent=spec.amount_nano_usd) for spec in specs}
        return standings.Stood(standings=spent, is_live=True)

    blocking = {"name": "dear", "amount": "1.00", "window": "day", "provider": "openai", "modality": "llm"}
    throttling = {"name": "slow", "amount": "1.00", "window": "day", "project": "acme", "action": "throttle"}
    monkeypatch.setattr(standings.Standings, "of", all_spent)
    async with start_api() as api:
        await api.put("/api/v1/budgets", json={"budgets": [blocking]}, headers=operator)
        blocked = (await _ask(api, viewer, "fast"))["parts"][0]
        await api.put("/api/v1/budgets", json={"budgets": [throttling]}, headers=operator)
        throttled = (await _ask(api, viewer, "fast", project="acme"))["parts"][0]

    assert (blocked["is_last_resort"], blocked["serves"]) == (True, FULL)
    assert blocked["candidates"][0]["rejections"] == [{"reason": "budget", "detail": "dear is used up"}]
    assert (throttled["is_throttled"], throttled["strategy"], throttled["serves"]) == (True, "cheapest", NANO)


@pytest.mark.usefixtures("declared")
async def test_what_is_switched_off_is_not_asked_and_a_vendor_that_is_down_is_asked_last(
    api: httpx.AsyncClient, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicegateway_controller.health import HealthBoard
    from voicegateway_shared.wire.routing import HealthTarget, ModelHealth

    def about(model: str, account: str = "", **facts: Any) -> ModelHealth:
        modality = "llm" if model else ""
        target = HealthTarget(provider="openai", model=model, modality=modality, account=account)
        return ModelHealth(target=target, **facts)

    told = (
        about("gpt-4.1", "k1", state="open", cause="errors", retry_ms=4_100, samples=9, ttfb_p50_ms=400),
        about("gpt-4.1-mini", state="open", cause="disabled"),
        about("gpt-4.1-nano", "k1", samples=20, ttfb_p50_ms=150, is_degraded=True),
    )
    monkeypatch.setattr(HealthBoard, "told", lambda self, holder, version: (1, told))

    part = (await _ask(api, viewer, "fast"))["parts"][0]
    others_key = (await _ask(api, viewer, "fast", account="openai:k2"))["parts"][0]

    assert _order(part) == [NANO, FULL]
    assert [each["rejections"] for each in part["candidates"]] == [
        [{"reason": "breaker", "detail": "open: errors, key k1, again in 5 s"}],
        [{"reason": "disabled", "detail": "switched off by hand"}],
        [],
    ]
    assert [each["ttfb_p50_ms"] for each in part["candidates"]] == [400, None, 150]
    assert part["candidates"][2]["is_degraded"]
    assert _order(others_key) == [FULL, NANO]


@given(st.sampled_from(["stt", "llm", "tts", "realtime"]), st.text(alphabet="ab/:- ", max_size=8))
def test_controllers_take_model_strings_apart_as_workers_do(modality: Any, text: str) -> None:
    def parsed(how: Any) -> Any:
        try:
            return how(text, modality)
        except VoiceGatewayError:
            return None

    ours = parsed(split_model)
    theirs = parsed(ModelId.parse)

    # Workers refuse an empty variant, which an explanation leaves out.
    assert theirs is None or tuple(ours) == (theirs.provider, theirs.model)


def test_the_shells_keys_are_those_that_workers_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, provider in NAMED.items():
        assert key_variable(name) in (provider.key_variables or ("",))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.delenv("GROQ_API_KEY", raising=False)

    assert [has_key_here(name) for name in ("openai", "groq", "ollama")] == [True, False, None]


@pytest.mark.usefixtures("declared")
async def test_what_a_person_switches_off_is_not_asked_from_then_on(
    api: httpx.AsyncClient, operator: dict[str, str], viewer: dict[str, str]
) -> None:
    before = await _ask(api, viewer, "ears")
    off = await api.post("/api/v1/providers/deepgram/disabled", json={"for_s": 3600}, headers=operator)
    after = await _ask(api, viewer, "ears")

    assert off.status_code == 200, off.text
    assert [part["serves"] for part in before["parts"]] == ["deepgram/nova-3:multi"]
    assert [part["serves"] for part in after["parts"]] == ["cartesia/ink-2"]
    [reason] = after["parts"][0]["candidates"][0]["rejections"]
    assert reason["reason"] == "disabled"
    assert reason["detail"].startswith("switched off by hand, again in 3")
