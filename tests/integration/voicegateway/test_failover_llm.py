"""A language model that fails is replaced by the next of its route before anybody notices, and each bills its own."""

from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectionError, APIStatusError
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY
from tests.integration.voicegateway.calls import REPLY, call, quiet_logs, refusing
from tests.integration.voicegateway.metering import Meter, metering
from tests.integration.voicegateway.plugin_use import QUESTION, ask

from voicegateway.instrument import stand_together
from voicegateway.routing.journey import Journey, Passage
from voicegateway.routing.route import Member, Route
from voicegateway.testing.vendors import FaultRule, OpenAIOptions
from voicegateway_shared.telemetry import attributes as names

MODELS = ["openai/gpt-4.1", "openai/gpt-4.1-mini"]
SLOW = OpenAIOptions(replies=REPLY.replies, ttft_ms=300, token_ms=2)


def chat_fault(kind: Any, **fields: Any) -> FaultRule:
    return FaultRule(vendor="openai", endpoint="chat", kind=kind, **fields)


def route_of(meter: Meter, *models: str, **options: Any) -> Any:
    """Return the plugin of a route with these options."""
    members = [Member(plugin=meter.llm(model), model=model, position=position) for position, model in enumerate(models)]
    route = Route(members, runtime=lambda: meter.runtime, **options)
    stand_together(route)
    return members[0].plugin


def told(records: Any) -> list[tuple[str, str, int]]:
    return [(record[names.REQUEST_MODEL], record.outcome, record.attempts) for record in records]


async def listen(llm: Any, heard: list[str]) -> None:
    async with llm.chat(chat_ctx=QUESTION, conn_options=RETRY) as stream:
        async for chunk in stream:
            if chunk.delta and chunk.delta.content:
                heard.append(chunk.delta.content)


@pytest.mark.parametrize(
    ("kind", "status"), [("rate_limited", 429), ("unauthorized", 401), ("server_error", 503), ("server_error", 500)]
)
async def test_refused_request_is_answered_by_the_next(tmp_path: Path, kind: str, status: int) -> None:
    async with metering(tmp_path, openai=REPLY, faults=(chat_fault(kind, nth=1, status=status),)) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        errors: list[Any] = []
        metrics: list[Any] = []
        llm.on("error", errors.append)
        llm.on("metrics_collected", metrics.append)
        assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        first, second = await meter.records()

    assert told([first, second]) == [("gpt-4.1", "error", 1), ("gpt-4.1-mini", "ok", 1)]
    assert first[names.ERROR_TYPE] == str(status)
    assert not first.usage.get("input_tokens")
    assert not first.is_estimated
    assert second[names.ROUTE_ORIGIN] == first[names.REQUEST_ID]
    assert (second[names.ROUTE_CAUSE], second[names.ROUTE_POSITION], first[names.ROUTE_POSITION]) == ("failover", 1, 0)
    assert errors == [], "what another member mended is no error of the session's"
    assert [each.metadata.model_name for each in metrics] == ["gpt-4.1-mini"]
    assert meter.runtime.hook_errors == 0


async def test_three_in_a_row(tmp_path: Path) -> None:
    faults = (chat_fault("rate_limited", nth=1), chat_fault("unauthorized", nth=2))
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        llm = meter.gateway.llm([*MODELS, "openai/gpt-4.1-nano"], **meter.sims.openai.plugin_kwargs())
        assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        records = await meter.records()

    assert [outcome for _, outcome, _ in told(records)] == ["error", "error", "ok"]
    assert {record.facts.get(names.ROUTE_ORIGIN) for record in records} == {None, records[0][names.REQUEST_ID]}


async def test_error_of_the_front_in_anothers_place_is_not_the_sessions(tmp_path: Path) -> None:
    """The second one is asked first, fails, and so does the front in its place; the third serves."""
    faults = (chat_fault("server_error", nth=1), chat_fault("server_error", nth=2))
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        llm = meter.gateway.llm([*MODELS, "openai/gpt-4.1-nano"], **meter.sims.openai.plugin_kwargs())
        route = llm._voicegateway_route
        errors: list[Any] = []
        llm.on("error", errors.append)
        order = [route.members[index] for index in (1, 0, 2)]
        begin = Passage(journey=Journey(route=route, members=tuple(order), decision=route._usual), member=order[0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(route, "begin", lambda: begin)
            assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        records = await meter.records()

    assert [(model, outcome) for model, outcome, _ in told(records)] == [
        ("gpt-4.1-mini", "error"),
        ("gpt-4.1", "error"),
        ("gpt-4.1-nano", "ok"),
    ]
    assert errors == []


async def test_when_all_fail_the_framework_tries_another_round(tmp_path: Path) -> None:
    faults = tuple(chat_fault("server_error", nth=nth) for nth in (1, 2))
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        assert await ask(llm, options=RETRY) == REPLY.replies[0]
        await llm.aclose()
        records = await meter.records()

    assert told(records) == [("gpt-4.1", "ok", 2), ("gpt-4.1-mini", "error", 1)]


async def test_when_all_fail_for_good_the_error_is_the_first_ones(tmp_path: Path) -> None:
    faults = (chat_fault("unauthorized", nth=1), chat_fault("server_error", nth=2))
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        errors: list[Any] = []
        llm.on("error", errors.append)
        with pytest.raises(APIStatusError) as raised:
            await ask(llm, options=NO_RETRY)
        await llm.aclose()
        records = await meter.records()

    assert raised.value.status_code == 401
    assert [error.recoverable for error in errors] == [False]
    assert told(records) == [("gpt-4.1", "error", 1), ("gpt-4.1-mini", "error", 1)]


async def test_nobody_takes_over_after_the_first_word(tmp_path: Path) -> None:
    faults = (chat_fault("abort_mid_stream", nth=1, after_chunks=3),)
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        heard: list[str] = []
        with pytest.raises((APIConnectionError, APIStatusError)):
            await listen(llm, heard)
        await llm.aclose()
        [record] = await meter.records()

    assert heard
    assert REPLY.replies[0].startswith("".join(heard))
    assert record.outcome == "error"
    assert record.attempts == 1


async def test_silent_one_is_given_up(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, faults=(chat_fault("stall", nth=1, after_chunks=0),)) as meter:
        llm = route_of(meter, *MODELS, attempt_timeout_ms=150)
        assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        first, second = await meter.records()

    assert told([first, second]) == [("gpt-4.1", "error", 1), ("gpt-4.1-mini", "ok", 1)]
    assert first[names.ERROR_TYPE] == "APITimeoutError"
    assert first.is_estimated, "nobody knows what a vendor bills that was asked and left"


async def test_one_alone_is_not_given_up(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=SLOW) as meter:
        llm = route_of(meter, MODELS[0], attempt_timeout_ms=50)
        assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        assert told(await meter.records()) == [("gpt-4.1", "ok", 1)]


class Hedged:
    """A route whose vendor's usual time is known."""

    def __init__(self, meter: Meter, monkeypatch: pytest.MonkeyPatch, *models: str, usual_s: float = 0.05) -> None:
        monkeypatch.setattr(Route, "usual_ttfb_s", lambda self, member: usual_s)
        self.llm = route_of(meter, *models, is_hedged=True)


async def test_slow_one_is_overtaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = (chat_fault("stall", nth=1, after_chunks=0, stall_s=5),)
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        llm = Hedged(meter, monkeypatch, *MODELS).llm
        assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        first, second = await meter.records()

    assert told([first, second]) == [("gpt-4.1", "cancelled", 1), ("gpt-4.1-mini", "ok", 1)]
    assert second[names.ROUTE_CAUSE] == "hedge"
    assert first.is_estimated
    assert first.usage["input_tokens"] > 0, "a vendor that was asked bills the question"


async def test_slow_one_may_still_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with metering(tmp_path, openai=SLOW) as meter:
        llm = Hedged(meter, monkeypatch, *MODELS, usual_s=0.2).llm
        assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        records = await meter.records()

    assert told(records) == [("gpt-4.1", "ok", 1), ("gpt-4.1-mini", "cancelled", 1)]


async def test_quick_one_is_not_hedged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        llm = Hedged(meter, monkeypatch, *MODELS, usual_s=10).llm
        assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        assert told(await meter.records()) == [("gpt-4.1", "ok", 1)]


async def test_hedge_that_fails_leaves_the_first_one_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with metering(tmp_path, openai=SLOW, faults=(chat_fault("server_error", nth=2),)) as meter:
        llm = Hedged(meter, monkeypatch, *MODELS).llm
        assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        records = await meter.records()

    assert told(records) == [("gpt-4.1", "ok", 1), ("gpt-4.1-mini", "error", 1)]


async def test_first_one_that_fails_while_hedged_leaves_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = (chat_fault("abort_mid_stream", nth=1, after_chunks=0),)
    async with metering(tmp_path, openai=SLOW, faults=faults) as meter:
        llm = Hedged(meter, monkeypatch, *MODELS).llm
        assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        first, second = await meter.records()

    assert told([first, second]) == [("gpt-4.1", "error", 1), ("gpt-4.1-mini", "ok", 1)]


async def test_interrupted_while_another_serves(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=SLOW, faults=(chat_fault("rate_limited", nth=1),)) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        stream = llm.chat(chat_ctx=QUESTION, conn_options=NO_RETRY)
        async for chunk in stream:
            if chunk.delta and chunk.delta.content:
                break
        await stream.aclose()
        await llm.aclose()
        records = await meter.records()

    assert told(records) == [("gpt-4.1", "error", 1), ("gpt-4.1-mini", "cancelled", 1)]


async def test_budget_of_the_first_lets_the_second_serve(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        with refusing("llm", at_most=1):
            assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        records = await meter.records()

    assert told(records) == [("gpt-4.1", "error", 0), ("gpt-4.1-mini", "ok", 1)]


async def test_budget_of_all_says_the_sentence(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        with refusing("llm", sentence="No money left."):
            assert await ask(llm) == "No money left."
        await llm.aclose()
        records = await meter.records()

    assert [outcome for _, outcome, _ in told(records)] == ["error", "error"]
    assert meter.runtime.hook_errors == 0


async def test_session_hears_one_answer_and_no_error(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, faults=(chat_fault("rate_limited", nth=1),)) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        with quiet_logs():
            async with call(meter, llm=llm, is_heard=False) as held:
                await held.session.run(user_input="Where is my parcel?")
                used: list[Any] = held.session.usage.model_usage
                usage = [(each.model, each.output_tokens) for each in used]
        records = await meter.records()

    assert held.said == [REPLY.replies[0]]
    assert held.errors == []
    assert [model for model, _ in usage] == ["gpt-4.1-mini"]
    assert usage[0][1] == records[1].usage["output_tokens"]


async def test_hedge_that_breaks_after_its_first_word_is_not_the_first_ones_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = (
        chat_fault("stall", nth=1, after_chunks=0, stall_s=5),
        chat_fault("abort_mid_stream", nth=2, after_chunks=3),
    )
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        llm = Hedged(meter, monkeypatch, *MODELS).llm
        heard: list[str] = []
        with pytest.raises((APIConnectionError, APIStatusError)):
            await listen(llm, heard)
        await llm.aclose()
        first, second = await meter.records()

    assert heard
    assert told([first, second]) == [("gpt-4.1", "cancelled", 1), ("gpt-4.1-mini", "error", 1)]
    assert names.ERROR_TYPE not in first.facts


async def test_error_that_is_no_vendors_is_counted_and_the_next_serves(tmp_path: Path) -> None:
    faults = (chat_fault("server_error", nth=1),)
    async with metering(tmp_path, openai=REPLY, faults=faults) as meter:
        llm = meter.gateway.llm([*MODELS, "openai/gpt-4.1-nano"], **meter.sims.openai.plugin_kwargs())
        broken_one = llm._voicegateway_route.members[1].plugin
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(broken_one).__mro__[1], "chat", _broken_for(broken_one))
            assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        records = await meter.records()

    assert [record[names.REQUEST_MODEL] for record in records if record.outcome == "ok"] == ["gpt-4.1-nano"]
    assert meter.runtime.hook_errors == 1


def _broken_for(plugin: Any) -> Any:
    native: Any = type(plugin).__mro__[1]
    chat = native.chat

    def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self is plugin:
            raise KeyError("a plugin's own bug")
        return chat(self, *args, **kwargs)

    return broken
