"""Who is asked before the front, which then stands behind others, and whom a hedge leaves to be waited for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY
from tests.integration.voicegateway.calls import REPLY
from tests.integration.voicegateway.metering import Meter, metering
from tests.integration.voicegateway.plugin_use import QUESTION, SAID, ask, prerecorded, utterance

from voicegateway.health.target import target_of
from voicegateway.instrument import stand_together
from voicegateway.routing.journey import Journey, Passage
from voicegateway.routing.route import Member, Route
from voicegateway.target import model_of
from voicegateway.testing.vendors import FaultRule, OpenAIOptions
from voicegateway_shared.telemetry import attributes as names

MODELS = ["openai/gpt-4.1", "openai/gpt-4.1-mini", "openai/gpt-4.1-nano"]


def chat_fault(kind: Any, **fields: Any) -> FaultRule:
    return FaultRule(vendor="openai", endpoint="chat", kind=kind, **fields)


def told(records: Any) -> list[tuple[str, str, str]]:
    return [(each[names.REQUEST_MODEL], each.outcome, each.facts.get(names.ROUTE_CAUSE, "")) for each in records]


def has_failed(meter: Meter, plugin: Any) -> None:
    """Open a vendor's breaker: it is asked after those that are well."""
    for _ in range(2):
        meter.runtime.health.observe(target_of(plugin._voicegateway_facts, model_of(plugin)), outcome="failed")


async def test_front_that_stands_behind_another_tells_no_error_that_is_mended(tmp_path: Path) -> None:
    faults = (chat_fault("server_error", nth=1), chat_fault("server_error", nth=2))
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        for each in (llm, llm._voicegateway_route.members[2].plugin):
            has_failed(meter, each)
        errors: list[Any] = []
        llm.on("error", errors.append)
        assert await ask(llm, options=RETRY) == REPLY.replies[0]
        await llm.aclose()
        records = await meter.records()

    assert told(records) == [
        ("gpt-4.1-mini", "error", ""),
        ("gpt-4.1", "error", "failover"),
        ("gpt-4.1-nano", "ok", "failover"),
    ]
    assert errors == []


@pytest.mark.parametrize("is_front_ill", [True, False])
async def test_what_is_said_to_the_fronts_vendor_alone_is_not_said_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_front_ill: bool
) -> None:
    """Nor is it forgotten when the front is asked after the other."""
    faults = (chat_fault("server_error", nth=1),)
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        front, other = meter.llm(MODELS[0]), meter.llm(MODELS[1])
        facts = other._voicegateway_facts
        monkeypatch.setattr(other, "_voicegateway_facts", replace(facts, provider="anthropic"))
        asked: list[tuple[Any, Any]] = []
        native: Any = type(front).__mro__[1]
        chat = native.chat

        def seen(self: Any, **kwargs: Any) -> Any:
            asked.append((self, kwargs.get("extra_kwargs")))
            return chat(self, **kwargs)

        monkeypatch.setattr(native, "chat", seen)
        members = [Member(plugin=each, model=model) for each, model in zip((front, other), MODELS, strict=False)]
        stand_together(Route(members, runtime=lambda: meter.runtime))
        if is_front_ill:
            has_failed(meter, front)
        stream = front.chat(chat_ctx=QUESTION, conn_options=NO_RETRY, extra_kwargs={"temperature": 0.1})
        assert "".join([each.delta.content or "" async for each in stream if each.delta]) == REPLY.replies[0]
        await front.aclose()

    told = [(front, {"temperature": 0.1}), (other, None)]
    assert asked == (told[::-1] if is_front_ill else told)


async def test_recording_of_one_before_the_front_goes_on_to_the_front(tmp_path: Path) -> None:
    async with prerecorded(503) as url, metering(tmp_path) as meter:
        plugin = meter.gateway.stt(["deepgram/nova-3", "deepgram/nova-2"], api_key="simulated-key", base_url=url)
        has_failed(meter, plugin)
        event = await plugin.recognize(list(utterance()), conn_options=NO_RETRY)
        await plugin.aclose()
        records = await meter.records()

    assert event.alternatives[0].text == SAID
    assert told(records) == [("nova-2", "error", ""), ("nova-3", "ok", "failover")]


async def test_last_one_is_waited_for_though_it_began_as_a_hedge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Route, "usual_ttfb_s", lambda self, member: 0.05)
    slow = OpenAIOptions(replies=REPLY.replies, ttft_ms=700, token_ms=2)
    async with metering(tmp_path, openai=slow) as meter:
        plugins = [meter.llm(model) for model in MODELS[:2]]
        members = [Member(plugin=each, model=model) for each, model in zip(plugins, MODELS, strict=False)]
        stand_together(Route(members, runtime=lambda: meter.runtime, is_hedged=True, attempt_timeout_ms=300))
        assert await ask(plugins[0], options=NO_RETRY) == REPLY.replies[0]
        await plugins[0].aclose()
        first, second = await meter.records()

    assert told([first, second]) == [("gpt-4.1", "error", ""), ("gpt-4.1-mini", "ok", "hedge")]
    assert first[names.ERROR_TYPE] == "APITimeoutError"
    assert first.is_estimated, "it was asked, and never said what it bills"


async def test_one_that_has_failed_lately_is_no_hedge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Route, "usual_ttfb_s", lambda self, member: 0.05)
    slow = OpenAIOptions(replies=REPLY.replies, ttft_ms=300, token_ms=2)
    async with metering(tmp_path, openai=slow) as meter:
        plugins = [meter.llm(model) for model in MODELS[:2]]
        members = [Member(plugin=each, model=model) for each, model in zip(plugins, MODELS, strict=False)]
        stand_together(Route(members, runtime=lambda: meter.runtime, is_hedged=True))
        has_failed(meter, plugins[1])
        assert await ask(plugins[0], options=NO_RETRY) == REPLY.replies[0]
        await plugins[0].aclose()
        records = await meter.records()

    assert told(records) == [("gpt-4.1", "ok", "")]


async def test_member_that_cannot_be_closed_keeps_nobody_else_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        _, second, third = [each.plugin for each in llm._voicegateway_route.members]
        closed: list[Any] = []

        async def refuses() -> None:
            raise RuntimeError("no")

        async def closes() -> None:
            closed.append(third)

        monkeypatch.setattr(second, "aclose", refuses)
        monkeypatch.setattr(third, "aclose", closes)
        await llm.aclose()

    assert closed == [third]
    assert meter.runtime.hook_errors == 1


async def test_plugin_that_cannot_make_its_stream_leaves_its_turn_to_the_front(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        llm = meter.gateway.llm(["openai/gpt-4.1", "openai/gpt-4.1-mini"], **meter.sims.openai.plugin_kwargs())
        route = llm._voicegateway_route
        second = route.members[1]
        turn = Passage(journey=Journey(route=route, members=(second,), decision=route._usual), member=second)

        def broken(*args: Any, **kwargs: Any) -> Any:
            raise KeyError("a plugin's own bug")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(route, "begin", lambda: turn)
            patch.setattr(second.plugin, "chat", broken, raising=False)
            assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        [record] = await meter.records()

    assert record[names.REQUEST_MODEL] == "gpt-4.1"
    assert meter.runtime.hook_errors == 1
