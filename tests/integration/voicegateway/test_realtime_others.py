"""Realtime models that do not speak OpenAI's protocol: metered by what LiveKit's own interface tells."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit.agents import llm
from livekit.agents.metrics import RealtimeModelMetrics
from tests.integration.voicegateway.metering import metering

from voicegateway.instrument import instrument
from voicegateway.record import PluginFacts
from voicegateway_shared.telemetry import attributes as names

CAPABILITIES = llm.RealtimeCapabilities(
    message_truncation=False,
    turn_detection=True,
    user_transcription=False,
    auto_tool_reply_generation=False,
    audio_output=True,
    manual_function_calls=False,
)


class Model(llm.RealtimeModel):
    """One of a vendor that nobody knows."""

    def __init__(self) -> None:
        super().__init__(capabilities=CAPABILITIES)

    @property
    def model(self) -> str:
        return "parrot-1"

    def session(self, *, turn_detection_disabled: bool = False) -> Any:
        return cast(Any, Session)(self)

    async def aclose(self) -> None:
        return None


class Session(llm.RealtimeSession[str]):
    """It answers at once."""

    def generate_reply(self, **kwargs: Any) -> Any:
        created: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        event = SimpleNamespace(response_id="r-1", user_initiated=True)
        self.emit("generation_created", event)
        created.set_result(event)
        return created

    def done(self, *, is_cancelled: bool) -> None:
        """Tell the usage, as plugins do."""
        self.emit(
            "metrics_collected",
            RealtimeModelMetrics(
                request_id="r-1",
                timestamp=0.0,
                label="parrot",
                ttft=0.25,
                cancelled=is_cancelled,
                input_tokens=100,
                output_tokens=40,
                total_tokens=140,
                input_token_details=RealtimeModelMetrics.InputTokenDetails(
                    audio_tokens=80,
                    text_tokens=20,
                    cached_tokens=30,
                    cached_tokens_details=RealtimeModelMetrics.CachedTokenDetails(audio_tokens=10, text_tokens=20),
                ),
                output_token_details=RealtimeModelMetrics.OutputTokenDetails(audio_tokens=30, text_tokens=10),
            ),
        )

    async def aclose(self) -> None:
        return None


# Of all that a session must be able to do nothing else is asked of it here.
Session.__abstractmethods__ = frozenset()


async def test_responses_are_counted_by_the_plugins_own_metrics(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        model = instrument(Model(), PluginFacts(provider="parrot", modality="realtime", project=None, key_id=""))
        session = model.session()
        await session.generate_reply()
        session.done(is_cancelled=True)
        await session.aclose()
        held, response = await meter.records()
        assert meter.runtime.hook_errors == 0

    assert isinstance(model, Model)
    assert (held.usage["requests"], held.outcome) == (0, "ok")
    assert (response.outcome, response.is_estimated, response[names.TTFB_MS]) == ("cancelled", False, 250)
    assert response.usage == {
        "input_tokens": 100,
        "input_audio_tokens": 80,
        "cache_read_tokens": 30,
        "cache_read_audio_tokens": 10,
        "output_tokens": 40,
        "output_audio_tokens": 30,
        "requests": 1,
    }


async def test_reply_that_fails_is_an_error_of_its_vendor(tmp_path: Path) -> None:
    class Silent(Session):
        def generate_reply(self, **kwargs: Any) -> Any:
            failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            failed.set_exception(llm.RealtimeError("generate_reply timed out."))
            return failed

    class SilentModel(Model):
        def session(self, *, turn_detection_disabled: bool = False) -> Any:
            return cast(Any, Silent)(self)

    async with metering(tmp_path) as meter:
        model = instrument(SilentModel(), PluginFacts(provider="parrot", modality="realtime", project=None, key_id=""))
        session = model.session()
        with pytest.raises(llm.RealtimeError):
            await session.generate_reply()
        await session.aclose()
        _, response = await meter.records()

    assert (response.outcome, response[names.ERROR_TYPE]) == ("error", "RealtimeError")
