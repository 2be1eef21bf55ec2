"""Contract with livekit-agents: the names inside it that full metering leans on, for the version installed."""

import asyncio
import importlib
import inspect
from importlib import metadata
from typing import Any

import aiohttp
import pytest
from livekit.agents import JobContext, llm, stt, tts, utils
from livekit.agents.voice import agent_activity, agent_session, audio_recognition, speech_handle
from livekit.plugins import cartesia, deepgram, openai
from opentelemetry.context import _RUNTIME_CONTEXT

from voicegateway import _attach, sessions
from voicegateway.instrument import farewell, instrument, is_instrumented, owner, surface, understudy
from voicegateway.instrument.current import CURRENT
from voicegateway.record import PluginFacts
from voicegateway.routing.journey import PASSAGE
from voicegateway.runtime import reset_runtime
from voicegateway_shared.usage import Modality

KEY = "a-key"
PLUGINS: list[tuple[Modality, type[Any], dict[str, Any]]] = [
    ("stt", deepgram.STT, {"api_key": KEY}),
    ("stt", deepgram.STTv2, {"api_key": KEY}),
    ("stt", openai.STT, {"api_key": KEY}),
    ("stt", cartesia.STT, {"api_key": KEY}),
    ("llm", openai.LLM, {"api_key": KEY}),
    ("llm", openai.responses.LLM, {"api_key": KEY}),
    ("tts", deepgram.TTS, {"api_key": KEY}),
    ("tts", openai.TTS, {"api_key": KEY}),
    ("tts", cartesia.TTS, {"api_key": KEY}),
]
HOOKS = {
    "stt": ("emit", "recognize", "_recognize_impl"),
    "llm": ("emit", "chat"),
    "tts": ("emit", "synthesize", "prewarm"),
}


def test_the_version_is_the_one_this_was_read_against() -> None:
    assert metadata.version("livekit-agents").startswith("1.8.")


@pytest.mark.parametrize("modality", ["stt", "llm", "tts"])
def test_no_name_is_missing(modality: str) -> None:
    assert surface.missing(modality) == ()


@pytest.mark.parametrize("modality", ["stt", "llm", "tts"])
def test_a_missing_name_would_be_noticed(modality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {base: (*names, "_gone") for base, names in surface.STREAM_ATTRIBUTES[modality].items()}
    monkeypatch.setitem(surface.STREAM_ATTRIBUTES, modality, names)
    surface.missing.cache_clear()
    try:
        assert surface.missing(modality) == tuple(f"{base}._gone" for base in names)
    finally:
        surface.missing.cache_clear()


@pytest.mark.parametrize(
    ("base", "names"),
    [item for bases in surface.STREAM_ATTRIBUTES.values() for item in bases.items()],
)
def test_each_name_is_set_on_streams_or_defined_by_their_class(base: str, names: tuple[str, ...]) -> None:
    cls: type[Any] = {**vars(llm), **vars(stt), **vars(tts)}[base]
    assigned = inspect.getsource(vars(cls)["__init__"])

    for name in names:
        assert f"self.{name}" in assigned or name in vars(cls), name


async def test_sessions_take_a_websocket_class_of_their_own() -> None:
    async with aiohttp.ClientSession() as session:
        assert session._ws_response_class is aiohttp.ClientWebSocketResponse

    # A pooled socket that was opened before becomes a metered one in place.
    class Metered(aiohttp.ClientWebSocketResponse):
        pass

    assert Metered.__basicsize__ == aiohttp.ClientWebSocketResponse.__basicsize__
    assert "__dict__" in dir(aiohttp.ClientWebSocketResponse)


@pytest.mark.parametrize("cls", [deepgram.STT, cartesia.TTS])
async def test_websocket_plugins_tell_their_session(cls: type[Any]) -> None:
    async with utils.http_context.open():
        plugin = cls(api_key=KEY)

        assert plugin._ensure_session() is plugin._ensure_session() is utils.http_context.http_session()


def test_pool_of_sockets_is_where_it_was() -> None:
    pool: utils.ConnectionPool[object] = utils.ConnectionPool()

    assert pool._connections == {}


def test_streams_in_disguise_are_known() -> None:
    from livekit.agents.tts import tts as module

    assert issubclass(module._ChunkedStreamFromStream, tts.ChunkedStream)


def test_speech_a_request_belongs_to_is_in_a_context_variable() -> None:
    assert agent_activity._SpeechHandleContextVar.get(None) is None


def test_adapters_keep_their_plugins_where_attach_looks() -> None:
    sources = {
        "_stt_instances": stt.FallbackAdapter,
        "_llm_instances": llm.FallbackAdapter,
        "_tts_instances": tts.FallbackAdapter,
        "_stt": stt.StreamAdapter,
        "_wrapped_tts": tts.StreamAdapter,
    }

    assert set(sources) <= {*_attach._INNER, *_attach._WRAPPED}
    for name, cls in sources.items():
        assert f"self.{name} =" in inspect.getsource(vars(cls)["__init__"])


def test_sessions_and_agents_have_what_attach_hooks() -> None:
    for name in ("start", "update_agent", "_update_activity"):
        assert callable(getattr(agent_session.AgentSession, name))
    source = inspect.getsource(agent_session.AgentSession.__init__)
    assert all(f"self._{name}" in source for name in ("stt", "llm", "tts"))


@pytest.mark.parametrize(("modality", "cls", "kwargs"), PLUGINS, ids=[f"{cls.__module__}" for _, cls, _ in PLUGINS])
async def test_each_class_of_the_installed_plugins_can_be_instrumented(
    modality: Modality, cls: type[Any], kwargs: dict[str, Any]
) -> None:
    async with utils.http_context.open():
        plugin = cls(**kwargs)
        label, before, name = plugin.label, dict(vars(plugin)), repr(cls)
        facts = PluginFacts(provider="x", modality=modality, project=None, key_id="")

        once = instrument(plugin, facts)
        kind = type(plugin)
        twice = instrument(plugin, PluginFacts(provider="y", modality=modality, project=None, key_id=""))

        assert once is twice is plugin
        assert is_instrumented(plugin)
        assert type(plugin) is kind is not cls
        assert isinstance(plugin, cls)
        assert (plugin.label, repr(type(plugin))) == (label, name)
        assert {key: vars(plugin)[key] for key in before} == before
        assert set(vars(plugin)) - set(before) == {"_voicegateway_facts"}
        assert plugin._voicegateway_facts is facts
        assert set(HOOKS[modality]) <= set(vars(kind))
        await plugin.aclose()
        await asyncio.sleep(0)


async def test_instances_of_one_class_share_one_subclass() -> None:
    facts = PluginFacts(provider="openai", modality="llm", project=None, key_id="")
    first, second = (instrument(openai.LLM(api_key=KEY), facts) for _ in range(2))

    assert type(first) is type(second)
    await first.aclose()
    await second.aclose()


def test_what_cannot_be_instrumented_is_left_alone() -> None:
    class Slotted:
        __slots__ = ()

    plugin = Slotted()

    assert instrument(plugin, PluginFacts(provider="x", modality="llm", project=None, key_id="")) is plugin
    assert type(plugin) is Slotted
    reset_runtime()


def test_whose_session_a_request_is_can_be_found() -> None:
    owner._variables.cache_clear()
    farewell.speech_variable.cache_clear()

    activity, pipeline = owner._variables()
    names = {variable.name for variable in (activity, pipeline, farewell.speech_variable())}
    names |= {CURRENT.name, PASSAGE.name, _RUNTIME_CONTEXT._current_context.name}  # type: ignore[attr-defined]  # OpenTelemetry's own

    assert names == set(sessions._OF_ONE_REQUEST)
    assert "_stt_node" in inspect.getsource(audio_recognition._STTPipeline.__init__)
    assert "_primary_agent_session" in inspect.getsource(JobContext.__init__)
    assert "_activity" in inspect.getsource(agent_session.AgentSession.__init__)


async def test_audio_that_waits_can_be_put_back() -> None:
    channel: utils.aio.Chan[int] = utils.aio.Chan()
    channel.send_nowait(2)

    channel._queue.extendleft([1])

    assert [channel.recv_nowait(), channel.recv_nowait()] == [1, 2]


@pytest.mark.parametrize("stream", [llm.LLMStream, stt.RecognizeStream, tts.SynthesizeStream, tts.ChunkedStream])
def test_who_serves_in_anothers_place_is_given_connection_options(stream: type[Any]) -> None:
    source = inspect.getsource(stream.__init__)

    assert "self._conn_options = conn_options" in source
    assert "_conn_options" in inspect.getsource(stream._main_task)


def test_a_first_word_is_told_from_a_silence() -> None:
    assert "send_nowait" in vars(llm.llm._LLMEventChannel)


async def test_a_voices_emitter_can_become_anothers() -> None:
    """What `instrument.speech` does to LiveKit's own, at the end of a round."""
    destination: utils.aio.Chan[tts.SynthesizedAudio] = utils.aio.Chan()
    framework, own = (tts.AudioEmitter(label="x", dst_ch=destination) for _ in range(2))
    own.initialize(request_id="1", sample_rate=24_000, num_channels=1, mime_type="audio/pcm", stream=True)
    own.start_segment(segment_id="1")
    own.push(bytes(9_600))
    vars(framework).update(vars(own))
    framework.end_input()
    await framework.join()
    await framework.aclose()

    assert framework.pushed_duration() == pytest.approx(0.2)
    assert framework.num_segments == 1
    assert [framework._started, framework._dst_ch] == [True, destination]
    assert framework._audio_durations is own._audio_durations


def test_what_was_pushed_to_a_voice_is_kept() -> None:
    source = inspect.getsource(tts.SynthesizeStream)

    for line in ("self._input_buffer.append(token)", "self._input_buffer.append(sentinel)", "self._input_ended = True"):
        assert line in source
    assert "_current_attempt_has_error" in inspect.getsource(tts.SynthesizeStream._metrics_monitor_task)
    assert "_current_attempt_has_error" in inspect.getsource(tts.ChunkedStream._metrics_monitor_task)
    assert all(callable(cls._emit_error) for cls in (tts.SynthesizeStream, tts.ChunkedStream))
    assert "_input_text" in inspect.getsource(tts.ChunkedStream.__init__)


@pytest.mark.parametrize(
    ("name", "is_said"), [("cartesia", True), ("deepgram", True), ("elevenlabs", True), ("assemblyai", False)]
)
def test_it_is_known_which_plugins_say_when_they_send(name: str, is_said: bool) -> None:
    module = importlib.import_module(f"livekit.plugins.{name}.tts")

    assert understudy._says_when_it_sends(module.SynthesizeStream) is is_said


@pytest.mark.parametrize(
    ("adapter", "modality"), [(llm.FallbackAdapter, "llm"), (stt.FallbackAdapter, "stt"), (tts.FallbackAdapter, "tts")]
)
def test_members_of_an_adapter_can_be_found(adapter: type[Any], modality: str) -> None:
    assert f"_{modality}_instances" in inspect.getsource(adapter.__init__)


@pytest.mark.parametrize(
    "name", ["say", "shutdown", "interrupt", "current_speech", "agent_state", "on", "once", "off", "current_agent"]
)
def test_a_session_can_be_ended_by_its_public_methods(name: str) -> None:
    assert hasattr(agent_session.AgentSession, name)


@pytest.mark.parametrize("name", ["allow_interruptions", "interrupt", "add_done_callback", "chat_items", "scheduled"])
def test_a_speech_can_be_waited_for(name: str) -> None:
    assert hasattr(speech_handle.SpeechHandle, name)
