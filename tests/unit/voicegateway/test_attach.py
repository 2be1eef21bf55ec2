"""Attaching: finds the plugins that do the work, whatever they are wrapped in, and never raises."""

from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import llm, stt, tts, vad
from livekit.plugins import cartesia, deepgram, openai

from voicegateway import attach
from voicegateway.instrument import is_instrumented
from voicegateway.registry import fingerprint
from voicegateway.runtime import current_runtime, reset_runtime


@pytest.fixture(autouse=True)
def own_runtime(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("VOICEGATEWAY_OUTBOX_DIR", str(tmp_path))
    reset_runtime()
    yield
    reset_runtime()


class NoVAD(vad.VAD):
    """A StreamAdapter wants one; it is never asked."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.1))

    @property
    def model(self) -> str:
        return "none"

    @property
    def provider(self) -> str:
        return "none"

    def stream(self) -> vad.VADStream:
        raise NotImplementedError


def session(**plugins: Any) -> Any:
    """As much of an `AgentSession` as attaching looks at."""
    started: list[Any] = []
    return SimpleNamespace(
        **{f"_{name}": plugins.get(name) for name in ("stt", "llm", "tts")},
        start=started.append,
        update_agent=started.append,
        started=started,
    )


async def test_plugins_inside_adapters_are_metered_one_by_one() -> None:
    stts: list[Any] = [deepgram.STT(api_key="a"), openai.STT(api_key="b")]
    llms: list[Any] = [openai.LLM(api_key="a"), openai.LLM(api_key="b", model="gpt-4.1")]
    ttses: list[Any] = [cartesia.TTS(api_key="a"), openai.TTS(api_key="b")]
    adapters = {
        "stt": stt.FallbackAdapter([stts[0], stt.StreamAdapter(stt=stts[1], vad=NoVAD())]),
        "llm": llm.FallbackAdapter(list(llms)),
        "tts": tts.FallbackAdapter([ttses[0], tts.StreamAdapter(tts=ttses[1])]),
    }

    attach(session(**adapters))

    assert all(is_instrumented(plugin) for plugin in (*stts, *llms, *ttses))
    assert not any(is_instrumented(adapter) for adapter in adapters.values())
    assert current_runtime().hook_errors == 0
    for plugin in (*stts, *llms, *ttses):
        await plugin.aclose()


@pytest.mark.parametrize("provider", ["deepgram", "openai", "cartesia"])
async def test_key_and_provider_are_read_from_the_plugin(provider: str) -> None:
    cls: Any = {"deepgram": deepgram.STT, "openai": openai.LLM, "cartesia": cartesia.TTS}[provider]
    plugin = cls(api_key="the-key")
    modality = {"deepgram": "stt", "openai": "llm", "cartesia": "tts"}[provider]

    attach(session(**{modality: plugin}), project="acme")

    facts = plugin._voicegateway_facts
    assert (facts.provider, facts.modality, facts.project) == (provider, modality, "acme")
    assert facts.key_id == fingerprint("the-key")
    await plugin.aclose()


@pytest.mark.parametrize("broken", [None, object(), SimpleNamespace(_stt=object()), 7])
def test_what_is_no_session_is_returned_as_it_was(broken: Any) -> None:
    assert attach(broken) is broken


def test_agent_that_cannot_be_looked_at_still_starts() -> None:
    class Sealed:
        __slots__ = ()

    attached, agent = attach(session()), Sealed()
    attached.start(agent)

    assert attached.started == [agent]
    assert current_runtime().hook_errors == 1
