"""Resolving with real plugins: who cannot serve is left out with the reason, who had better not is asked last."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import AgentSession
from livekit.plugins import anthropic, deepgram, groq, openai
from tests.fixtures.job import job
from tests.fixtures.otlp_sink import Reply
from tests.integration.voicegateway.metering import Meter, metering
from tests.integration.voicegateway.plugin_use import ask

from voicegateway import ConfigurationError, MissingKey, UnknownModel
from voicegateway.health.target import target_of
from voicegateway.limits.book import Refusal
from voicegateway.routing import resolving
from voicegateway_shared.errors import NoCandidate
from voicegateway_shared.routing import ChainModel, Routing, parse_routing
from voicegateway_shared.telemetry import attributes as names
from voicegateway_shared.wire.routing import HealthTarget, ModelHealth, RoutingAnswer

MINI, OSS, CLAUDE = "openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b", "anthropic/claude-haiku-4-5"
KEYS = {"OPENAI_API_KEY": "sk-1", "GROQ_API_KEY": "gsk-1", "ANTHROPIC_API_KEY": "ak-1", "DEEPGRAM_API_KEY": "dg-1"}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    resolving._said.clear()


def _chain(*models: Any, **how: Any) -> Routing:
    return parse_routing({"chains": {"llm": {"fast": {"models": list(models), **how}}}})


@asynccontextmanager
async def _resolver(tmp_path: Path, routing: Routing | None = None) -> AsyncIterator[Meter]:
    async with metering(tmp_path, routing=routing or Routing()) as meter:
        yield meter


def _route(plugin: Any) -> Any:
    return plugin._voicegateway_route


def _models(plugin: Any) -> list[str]:
    return [member.model for member in _route(plugin).members]


async def test_chain_is_the_native_plugin_of_its_first_and_the_others_stand_behind_it(tmp_path: Path) -> None:
    routing = _chain(MINI, {"model": OSS, "weight": 3, "options": {"temperature": 0.2}}, hedge=True)
    async with _resolver(tmp_path, routing) as meter:
        llm = meter.gateway.llm("fast", temperature=0.9)
        second = _route(llm).members[1]

    assert isinstance(llm, openai.LLM)
    assert isinstance(second.plugin, groq.LLM)
    assert (_models(llm), _route(llm).chain, _route(llm).is_hedged, second.weight) == ([MINI, OSS], "fast", True, 3)
    assert (llm._opts.temperature, second.plugin._opts.temperature) == (0.9, 0.2)
    assert second.facts.model_string == OSS


async def test_one_model_by_itself_is_a_plain_plugin_and_its_troubles_are_said_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _resolver(tmp_path) as meter:
        llm = meter.gateway.llm(MINI)
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(MissingKey):
            meter.gateway.llm(MINI)
        with pytest.raises(UnknownModel, match="no llm chain is declared"):
            meter.gateway.llm("fast")

    assert _route(llm) is None


async def test_who_cannot_serve_at_all_is_left_out_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    async with _resolver(tmp_path, _chain(MINI, OSS, CLAUDE)) as meter:
        with caplog.at_level(logging.WARNING, "voicegateway"):
            llm, again = meter.gateway.llm("fast"), meter.gateway.llm("fast")
        positions = [member.position for member in _route(llm).members]
        only = meter.gateway.llm(["nobody/x", OSS])

    assert isinstance(again, groq.LLM)
    assert (_models(llm), positions) == ([OSS, CLAUDE], [1, 2])
    [warning] = [each.message for each in caplog.records if "chain 'fast' goes without" in each.message]
    assert "llm chain 'fast' goes without openai/gpt-4.1-mini: missing_key" in warning
    assert "OPENAI_API_KEY" in warning
    assert isinstance(only, groq.LLM)
    assert _route(only) is None


async def test_where_nobody_can_serve_each_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    routing = _chain(MINI, "nobody/x", {"model": OSS, "options": {"no_such": 1}})
    async with _resolver(tmp_path, routing) as meter:
        with pytest.raises(NoCandidate) as refused:
            meter.gateway.llm("fast")

    reasons: list[Any] = list(refused.value.rejections)
    assert [(each.model, each.reason) for each in reasons] == [
        (MINI, "missing_key"),
        ("nobody/x", "unknown_model"),
        (OSS, "refused_argument"),
    ]
    assert "llm: nobody of chain 'fast' can serve: openai/gpt-4.1-mini: missing_key" in str(refused.value)


async def test_arguments_go_to_each_that_takes_them_and_a_language_by_the_name_it_has_there(tmp_path: Path) -> None:
    async with _resolver(tmp_path) as meter:
        llm = meter.gateway.llm([MINI, CLAUDE], temperature=0.3, parallel_tool_calls=False)
        stt = meter.gateway.stt(["deepgram/nova-3", "groq/whisper-large-v3"], language="de", punctuate=False)
        same = meter.gateway.llm([MINI, "openai/gpt-4.1"], api_key="sk-2")

    claude = _route(llm).members[1].plugin
    assert isinstance(claude, anthropic.LLM)
    assert (llm._opts.temperature, claude._opts.temperature) == (0.3, 0.3)
    assert isinstance(stt, deepgram.STT)
    assert (stt._opts.language, stt._opts.punctuate) == ("de", False)
    assert _route(stt).members[1].plugin._opts.languages == ["de"]
    assert {member.facts.key_id for member in _route(same).members} == {same._voicegateway_facts.key_id}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"api_key": "sk"}, "api_key=… cannot be meant for groq, openai alike: give it to one model"),
        ({"base_url": "http://x"}, "base_url=… cannot be meant for groq, openai alike"),
        ({"client": object()}, "client=… cannot be meant for"),
        ({"temprature": 1}, "none of the candidates takes temprature=…"),
    ],
)
async def test_an_argument_that_cannot_be_meant_for_all_or_is_nobodys_is_refused(
    tmp_path: Path, arguments: dict[str, Any], reason: str
) -> None:
    async with _resolver(tmp_path) as meter:
        with pytest.raises(ConfigurationError) as refused:
            meter.gateway.llm([MINI, OSS], **arguments)

    assert reason in str(refused.value)


async def test_a_model_with_options_of_its_own_may_be_asked_inline(tmp_path: Path) -> None:
    async with _resolver(tmp_path) as meter:
        llm = meter.gateway.llm([ChainModel(model=MINI, options={"temperature": 0.1}), OSS], temperature=0.7)

    assert [member.plugin._opts.temperature for member in _route(llm).members] == [0.1, 0.7]


async def test_whose_vendor_is_down_is_not_the_front_and_still_there(tmp_path: Path) -> None:
    async with _resolver(tmp_path, _chain(MINI, OSS)) as meter:
        target = target_of(meter.gateway.llm(MINI)._voicegateway_facts, "gpt-4.1-mini")
        for _ in range(3):
            meter.runtime.health.observe(target, outcome="failed")
        llm = meter.gateway.llm("fast")

    assert isinstance(llm, groq.LLM)
    assert (_models(llm), _route(llm).front.model) == ([MINI, OSS], OSS)


async def test_where_all_are_down_the_first_is_asked_all_the_same(tmp_path: Path) -> None:
    async with _resolver(tmp_path, _chain(MINI, "openai/gpt-4.1")) as meter:
        target = target_of(meter.gateway.llm(MINI)._voicegateway_facts, "gpt-4.1-mini")
        meter.runtime.health.observe(target, outcome="unauthorized")
        llm = meter.gateway.llm("fast")

    assert isinstance(llm, openai.LLM)
    assert _route(llm).front.model == MINI


async def test_who_is_switched_off_by_hand_is_not_asked_even_where_it_is_the_only_one(tmp_path: Path) -> None:
    off = ModelHealth(target=HealthTarget(provider="openai"), state="open", cause="disabled")
    async with _resolver(tmp_path, _chain(MINI, OSS)) as meter:
        meter.runtime.health.answered(RoutingAnswer(health_version=1, health=(off,)), sent_ns=1)
        llm = meter.gateway.llm("fast")
        with pytest.raises(NoCandidate, match=r"gpt-4.1-mini: disabled \(switched off by hand\)"):
            meter.gateway.llm(MINI)

    assert isinstance(llm, groq.LLM)


async def test_sticky_is_the_same_for_all_that_a_session_resolves(tmp_path: Path) -> None:
    models = {f"deepgram/{name}" for name in ("nova-3", "nova-2", "nova-2-phonecall")}
    ears = {"models": sorted(models), "strategy": "sticky"}
    async with _resolver(tmp_path, parse_routing({"chains": {"stt": {"ears": ears}}})) as meter:
        stuck = {_route(meter.gateway.stt("ears")).front.model for _ in range(20)}
        drawn = {_route(meter.gateway.stt("ears", strategy="weighted")).front.model for _ in range(60)}
        with job("AJ_1"):
            one = [_route(meter.gateway.stt("ears")).front.model for _ in range(3)]
        others = set()
        for number in range(2, 30):
            with job(f"AJ_{number}"):
                others.add(_route(meter.gateway.stt("ears")).front.model)

    assert len(stuck) == len(set(one)) == 1
    assert drawn == others == models


async def test_project_says_whose_chain_and_whose_default_it_is(tmp_path: Path) -> None:
    routing = parse_routing(
        {
            "chains": {"llm": {"fast": [MINI]}},
            "stacks": {"both": {"stt": "deepgram/nova-3", "llm": "fast"}},
            "defaults": {"llm": "fast"},
            "projects": {"acme": {"chains": {"llm": {"fast": [OSS]}}}},
        }
    )
    async with _resolver(tmp_path, routing) as meter:
        everybodys, acmes = meter.gateway.llm(), meter.gateway.llm(project="acme")
        stack = {**meter.gateway.stack("both", project="acme")}
        with pytest.raises(ConfigurationError, match="project 'default' has no default"):
            meter.gateway.tts()

    assert (type(everybodys).__mro__[1], type(acmes).__mro__[1]) == (openai.LLM, groq.LLM)
    assert isinstance(stack["stt"], deepgram.STT)
    assert isinstance(stack["llm"], groq.LLM)
    assert stack["llm"]._voicegateway_facts.project == "acme"  # type: ignore[attr-defined]  # set by us


async def test_error_of_ours_in_what_is_known_keeps_nobody_from_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _resolver(tmp_path, _chain(MINI, OSS)) as meter:

        def breaks(*_: object) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(meter.runtime, "health_of", breaks)
        llm = meter.gateway.llm("fast")
        errors = meter.runtime.hook_errors

    assert isinstance(llm, openai.LLM)
    assert errors == 2


def _turns(plugin: Any) -> list[str]:
    """Who would be asked for a request that is made now, first to last."""
    return [member.model for member in _route(plugin).begin().journey.members]


async def test_prices_that_come_after_the_plugin_was_made_decide_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices: dict[str, int] = {}
    async with _resolver(tmp_path, _chain(MINI, OSS, strategy="cheapest")) as meter:
        monkeypatch.setattr(meter.runtime, "cost_of", lambda target, usage, at: prices.get(target.provider))
        llm = meter.gateway.llm("fast")
        unknown = _turns(llm)
        prices.update(openai=5, groq=3)
        known = _turns(llm)

    assert (unknown, known) == ([MINI, OSS], [OSS, MINI])


async def test_limit_or_budget_that_is_used_up_puts_a_model_last_at_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _resolver(tmp_path, _chain(MINI, OSS, CLAUDE)) as meter:
        llm = meter.gateway.llm("fast")
        assert meter.runtime.limits is not None
        assert meter.runtime.money is not None
        refusal = Refusal(pool="chats:requests_per_min", retry_after_ms=1_500, reason="limit")
        monkeypatch.setattr(
            meter.runtime.limits.book, "stopped", lambda target, _: refusal if target.provider == "openai" else None
        )
        monkeypatch.setattr(
            meter.runtime.money.book, "stopped", lambda target, _: "acme-day" if target.provider == "groq" else None
        )
        journey = _route(llm).begin().journey

    assert [member.model for member in journey.members] == [CLAUDE, MINI, OSS]
    assert [str(each) for each in journey.decision.rejections] == [
        f"{MINI}: limit (chats:requests_per_min is used up; again in 1.5 s)",
        f"{OSS}: budget (acme-day is used up)",
    ]


async def test_first_request_tells_of_those_who_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    async with _resolver(tmp_path) as meter:
        kwargs = meter.sims.openai.plugin_kwargs()
        members = [ChainModel(model=model, options=dict(kwargs)) for model in (MINI, "openai/gpt-4.1")]
        llm = meter.gateway.llm([CLAUDE, *members])
        await ask(llm)
        await ask(llm)
        await llm.aclose()
        first, second = await meter.records()

    assert first[names.ROUTE_REJECTED].startswith(f"{CLAUDE}: missing_key (anthropic: no API key")
    assert first[names.ROUTE_POSITION] == 1
    assert names.ROUTE_REJECTED not in second.facts


async def test_session_is_given_a_stack_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    routing = parse_routing(
        {
            "chains": {"stt": {"ears": ["deepgram/nova-3", "groq/whisper-large-v3"]}, "llm": {"fast": [MINI, OSS]}},
            "stacks": {"premium": {"stt": "ears", "llm": "fast"}},
            "defaults": {"stack": "premium"},
        }
    )
    async with _resolver(tmp_path, routing) as meter:
        # A session warms its model up as soon as it is made.
        monkeypatch.setenv("OPENAI_BASE_URL", meter.sims.openai.base_url)
        session: AgentSession[Any] = AgentSession(**meter.gateway.stack(), vad=None)
        assert session.llm is not None
        await session.llm.aclose()

    assert isinstance(session.stt, deepgram.STT)
    assert isinstance(session.llm, openai.LLM)
    assert session.tts is None
    assert [_route(plugin).chain for plugin in (session.stt, session.llm)] == ["ears", "fast"]


async def test_name_that_nobody_here_knows_is_asked_for_and_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _resolver(tmp_path) as meter:
        meter.sink.decide_sync = lambda _: Reply(status=503)
        assert meter.runtime.limits is not None
        asked: list[str] = []
        ask_now = meter.runtime.limits.syncer.ask

        def ask_and_note() -> None:
            asked.append("now")
            ask_now()

        monkeypatch.setattr(meter.runtime.limits.syncer, "ask", ask_and_note)
        for _ in range(3):
            with pytest.raises(UnknownModel):
                meter.gateway.llm("fast")

    assert asked == ["now"]
