"""Routes: the first model serves, the cheapest one while a budget throttles, and the session hears of both."""

from pathlib import Path

import pytest
from tests.integration.voicegateway.calls import REPLY, VOICE, call, quiet_logs
from tests.integration.voicegateway.metering import Meter, broken, metering
from tests.integration.voicegateway.plugin_use import ask
from tests.unit.voicegateway.records import a_record

from voicegateway import ConfigurationError
from voicegateway.identity import current_identity
from voicegateway_shared.budgets import BudgetSpec, Guards
from voicegateway_shared.limits import Selector
from voicegateway_shared.routing.chain import MODELS_MAX
from voicegateway_shared.telemetry import attributes as names

MODELS = ["openai/gpt-4.1", "openai/gpt-4.1-mini"]


def throttle(meter: Meter) -> None:
    """Let the first request that costs anything throttle its session."""
    meter.runtime.guards.know(
        [
            BudgetSpec(
                id="acme-month",
                selector=Selector(),
                amount_nano_usd=10**12,
                window="month",
                action="throttle",
                guards=Guards(max_cost_nano_usd=1),
            )
        ]
    )


async def test_throttled_session_goes_on_with_the_cheaper_model(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY, cartesia=VOICE) as meter:
        throttle(meter)
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        with quiet_logs():
            async with call(meter, llm=llm, is_heard=False) as held:
                await held.session.run(user_input="Where is my parcel?")
                meter.runtime.guards.priced(a_record(identity=current_identity()), 1)
                await held.session.run(user_input="And when?")
                models = {usage.model for usage in held.session.usage.model_usage}
        records = await meter.records()

    assert [record[names.REQUEST_MODEL] for record in records] == ["gpt-4.1", "gpt-4.1-mini"]
    assert [record.outcome for record in records] == ["ok", "ok"]
    assert models == {"gpt-4.1", "gpt-4.1-mini"}
    assert held.said == [REPLY.replies[0]] * 2


async def test_who_listens_to_the_first_hears_the_others_too(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        heard: list[object] = []
        llm.on("metrics_collected", heard.append)
        other = llm._voicegateway_route.members[1].plugin
        await ask(other)
        await llm.aclose()
        record = await meter.record()

    assert record[names.REQUEST_MODEL] == "gpt-4.1-mini"
    assert len(heard) == 1


async def test_error_of_ours_leaves_the_first_one_serving(tmp_path: Path) -> None:
    async with metering(tmp_path, openai=REPLY) as meter:
        llm = meter.gateway.llm(MODELS, **meter.sims.openai.plugin_kwargs())
        with broken(meter.runtime, "is_throttled") as raised:
            assert await ask(llm) == REPLY.replies[0]
        await llm.aclose()
        [record] = await meter.records()

    assert len(raised) == meter.runtime.hook_errors == 1
    assert record[names.REQUEST_MODEL] == "gpt-4.1"


@pytest.mark.parametrize("models", [[], ["openai/gpt-4.1"] * (MODELS_MAX + 1)])
async def test_none_and_too_many_are_refused(tmp_path: Path, models: list[str]) -> None:
    async with metering(tmp_path) as meter:
        with pytest.raises(ConfigurationError, match="give 1 to 8 models"):
            meter.gateway.llm(models)
