"""Voices that are hedged, and those that stand behind a front to which they are not alike."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIError
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import NO_RETRY
from tests.integration.voicegateway.calls import (
    GOODBYE,
    VOICE,
    call,
    listening_to_the_voice,
    quiet_logs,
    refusal,
    refusing,
)
from tests.integration.voicegateway.metering import Meter, metering, total
from tests.integration.voicegateway.plugin_use import AUDIO_MS, TEXT
from tests.integration.voicegateway.test_failover_tts import CHARACTERS, HIGH, REPLY
from tests.integration.voicegateway.voices import (
    OPENAI,
    SONIC,
    fault,
    listening,
    listening_to_openai,
    route_of,
    say,
    say_whole,
    sonic,
    speech_fault,
    told,
)

from voicegateway.budgets.refusal import BudgetRefused
from voicegateway.instrument import admission, stand_together
from voicegateway.record import RequestRecord
from voicegateway.routing.route import Member, Route
from voicegateway.runtime import Runtime
from voicegateway.testing.vendors import CartesiaOptions, FaultRule, OpenAIOptions
from voicegateway.testing.vendors.cartesia_connection import CartesiaConnection
from voicegateway_shared.telemetry import attributes as names

SLOW = CartesiaOptions(first_chunk_ms=300, chunk_every_ms=2)
SLOW_REPLY = OpenAIOptions(replies=("It is here.",), ttft_ms=300, token_ms=1)
SECONDS: Any = pytest.approx(AUDIO_MS / 1000, abs=0.05)


def hedged(meter: Meter, monkeypatch: pytest.MonkeyPatch, *models: Any, usual_s: float = 0.05) -> Any:
    """Return the front of a route whose vendor's usual time is known."""
    monkeypatch.setattr(Route, "usual_ttfb_s", lambda self, member: usual_s)
    return route_of(meter, *models, is_hedged=True)


async def test_slow_voice_is_overtaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with metering(tmp_path, faults=(fault("stall", stall_s=60),)) as meter:
        voice = hedged(meter, monkeypatch, *SONIC)
        events = listening(voice)
        heard = await say(voice, [f"{word} " for word in TEXT.split()], pause_s=0.03)
        await voice.aclose()
        first, second = await meter.records()
        bills = await meter.bills()

    assert heard.seconds == SECONDS
    assert (heard.rates, heard.finals) == ({HIGH}, 1)
    assert told([first, second]) == [("sonic-3", "cancelled", 1), ("sonic-2", "ok", 1)]
    assert second[names.ROUTE_CAUSE] == "hedge"
    assert [record.usage["characters_sent"] for record in (first, second)] == [
        bill.usage["characters_sent"] for bill in bills
    ]
    assert events.errors == []
    assert [each.metadata.model_name for each in events.metrics] == ["sonic-2"]


async def test_slow_voice_may_still_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with metering(tmp_path, cartesia=SLOW) as meter:
        voice = hedged(meter, monkeypatch, *SONIC, usual_s=0.2)
        heard = await say(voice, TEXT)
        await voice.aclose()
        records, bills = await meter.records(), await meter.bills()

    assert heard.seconds == SECONDS
    assert told(records) == [("sonic-3", "ok", 1), ("sonic-2", "cancelled", 1)]
    sent = [record.usage["characters_sent"] for record in records]
    assert sum(sent) == total(bills, *CHARACTERS)["characters_sent"]


async def test_whole_speech_is_hedged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with metering(tmp_path, faults=(speech_fault("stall", stall_s=60),)) as meter:
        voice = hedged(meter, monkeypatch, OPENAI, "cartesia/sonic-3")
        heard = await say_whole(voice, TEXT)
        await voice.aclose()
        first, second = await meter.records()

    assert heard.seconds == SECONDS
    assert told([first, second]) == [("gpt-4o-mini-tts", "cancelled", 1), ("sonic-3", "ok", 1)]
    assert first.is_estimated


async def test_hedge_that_breaks_off_is_followed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = (fault("stall", nth=1, stall_s=60), fault("abort_mid_stream", nth=2))
    async with metering(tmp_path, faults=faults) as meter:
        voice = hedged(meter, monkeypatch, *SONIC, "cartesia/sonic-turbo")
        with listening_to_the_voice() as spoken:
            heard = await say(voice, REPLY)
        await voice.aclose()
        records = await meter.records()

    assert spoken.texts == [REPLY, REPLY, REPLY[len("Your ") :]]
    assert heard.told == REPLY
    assert [record.outcome for record in records][1:] == ["error", "ok"]


async def test_voice_that_breaks_off_after_the_last_word_leaves_nothing_to_say(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("abort_mid_stream", after_chunks=14),)) as meter:
        voice = sonic(meter, *SONIC)
        with listening_to_the_voice() as spoken:
            async with voice.stream(conn_options=NO_RETRY) as stream:
                stream.push_text(TEXT)
                stream.flush()
                heard = [await anext(stream)]
                await eventually(lambda: len(meter.runtime._open) == 2)
                stream.end_input()
                heard += [audio async for audio in stream]
        await voice.aclose()
        records = await meter.records()

    assert [audio.is_final for audio in heard].count(True) == 1
    assert heard[-1].is_final
    assert sum(audio.frame.duration for audio in heard) == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert spoken.texts[0] == TEXT
    assert "".join(spoken.texts[1:]) == ""
    assert [record.outcome for record in records] == ["error", "ok"]


@pytest.fixture
def breaks_off_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that breaks the simulated Cartesia's connection leaves it open, and nothing more comes."""

    async def hang(self: CartesiaConnection, rule: FaultRule) -> None:
        self.fault_outcome, self._is_mute = rule.outcome, True

    monkeypatch.setattr(CartesiaConnection, "fail", hang)


@pytest.mark.usefixtures("breaks_off_without_a_word")
async def test_voice_that_stalls_in_mid_sentence_is_followed_by_the_next(tmp_path: Path) -> None:
    faults = (fault("close_mid_stream", nth=1), fault("close_mid_stream", nth=2))
    async with metering(tmp_path, faults=faults) as meter:
        voice = route_of(meter, *SONIC, "cartesia/sonic-turbo", attempt_timeout_ms=200)
        with listening_to_the_voice() as spoken:
            heard = await say(voice, REPLY)
        await voice.aclose()
        records = await meter.records()

    assert spoken.texts == [REPLY, REPLY[len("Your ") :], REPLY[len("Your parcel ") :]]
    assert heard.told == REPLY
    assert [record.outcome for record in records] == ["error", "cancelled", "ok"]
    assert records[0][names.ERROR_TYPE] == "APITimeoutError"


@pytest.mark.usefixtures("breaks_off_without_a_word")
async def test_voice_that_waits_for_the_rest_of_the_text_does_not_stall(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = route_of(meter, *SONIC, attempt_timeout_ms=100)
        one, two = "So. ", "It is here, and it has been here all the time."
        heard = await say(voice, [one, two[:10], two[10:]], pause_s=0.4)
        await voice.aclose()
        records = await meter.records()

    assert heard.told == one + two
    assert told(records) == [("sonic-3", "ok", 1)]


async def test_vendor_that_does_not_even_answer_the_handshake_is_given_up(tmp_path: Path) -> None:
    async def be_mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async with metering(tmp_path) as meter, await asyncio.start_server(be_mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        mute = ("cartesia/sonic-3", {"base_url": f"http://127.0.0.1:{port}"})
        voice = route_of(meter, mute, "cartesia/sonic-2", attempt_timeout_ms=200)
        heard = await say(voice, TEXT)
        await voice.aclose()
        records = await meter.records()
        server.close()

    assert heard.seconds == SECONDS
    assert told(records) == [("sonic-3", "error", 1), ("sonic-2", "ok", 1)]


async def switched(meter: Meter, *models: Any, **options: Any) -> Any:
    """Return a route whose first voice has failed once, so that the session has the second one's."""
    voice = route_of(meter, *models, **options)
    await (say if voice.capabilities.streaming else say_whole)(voice, TEXT)
    return voice


async def test_voice_of_another_rate_speaks_through_the_front(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("server_error", "tts_socket"),)) as meter:
        voice = await switched(meter, "cartesia/sonic-3", ("cartesia/sonic-2", {"sample_rate": 16_000}))
        events = listening(voice)
        stream = voice.stream(conn_options=NO_RETRY)
        assert type(stream) is type(voice.stream(conn_options=NO_RETRY))
        await stream.aclose()
        heard = await say(voice, [f"{word} " for word in TEXT.split()])
        await voice.aclose()
        records = await meter.records()
        bills = await meter.bills()

    assert (heard.rates, heard.finals, heard.told) == ({HIGH}, 1, TEXT)
    assert heard.seconds == SECONDS
    assert told(records)[-1] == ("sonic-2", "ok", 1)
    assert {model for model, _, _ in told(records)[1:]} == {"sonic-2"}, "the front is not asked"
    assert names.ROUTE_ORIGIN not in records[-1].facts
    assert len(bills) == 2
    assert events.errors == []
    assert [each.metadata.model_name for each in events.metrics] == ["sonic-2"]
    assert meter.runtime.hook_errors == 0


async def test_voice_that_cannot_stream_speaks_through_the_front(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("server_error", "tts_socket"),)) as meter:
        voice = await switched(meter, "cartesia/sonic-3", OPENAI)
        events = listening(voice)
        with listening_to_openai() as texts, listening_to_the_voice() as spoken:
            heard = await say(voice, [f"{word} " for word in REPLY.split()])
        await voice.aclose()
        records = await meter.records()

    assert " ".join(texts) == REPLY
    assert spoken.texts == []
    assert (heard.rates, heard.told) == ({HIGH}, REPLY)
    assert told(records)[-2:] == [("gpt-4o-mini-tts", "ok", 1)] * 2
    assert events.errors == []
    assert sum(each.characters_count for each in events.metrics) == sum(map(len, texts))


async def test_each_sentence_has_a_journey_of_its_own(tmp_path: Path) -> None:
    faults = (fault("server_error", "tts_socket"), speech_fault("server_error", nth=3))
    async with metering(tmp_path, faults=faults) as meter:
        voice = await switched(meter, "cartesia/sonic-3", OPENAI)
        events = listening(voice)
        with listening_to_openai() as texts:
            heard = await say(voice, REPLY)
        await voice.aclose()
        records = await meter.records()

    assert heard.seconds == pytest.approx(len(REPLY) / 14, abs=0.4)
    assert texts == [REPLY[: REPLY.index(".") + 1]]
    assert told(records)[-2:] == [("gpt-4o-mini-tts", "error", 1), ("sonic-3", "ok", 1)]
    assert events.errors == []


async def test_whole_speech_of_another_rate_speaks_through_the_front(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(speech_fault("server_error"),)) as meter:
        voice = await switched(meter, OPENAI, ("cartesia/sonic-3", {"sample_rate": 44_100}))
        heard = await say_whole(voice, TEXT)
        await voice.aclose()
        records = await meter.records()

    assert heard.seconds == SECONDS
    assert heard.rates == {HIGH}
    assert told(records) == [("gpt-4o-mini-tts", "error", 1), ("sonic-3", "ok", 1), ("sonic-3", "ok", 1)]


async def test_one_behind_a_front_hands_over_and_tells_its_error_once(tmp_path: Path) -> None:
    faults = (
        fault("server_error", "tts_socket", nth=1),
        fault("vendor_error", nth=2),
        fault("unauthorized", "tts_socket", nth=3),
    )
    async with metering(tmp_path, faults=faults) as meter:
        voice = await switched(meter, "cartesia/sonic-3", ("cartesia/sonic-2", {"sample_rate": 16_000}))
        events = listening(voice)
        with pytest.raises(APIError):
            await say(voice, TEXT)
        await voice.aclose()
        records = await meter.records()

    assert [error.recoverable for error in events.errors] == [False]
    assert told(records)[2:] == [("sonic-2", "error", 1), ("sonic-3", "error", 1)]


@pytest.mark.parametrize("part", ["llm", "tts"])
async def test_budget_that_refuses_a_hedge_ends_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    asks = admission.ask

    def ask(record: RequestRecord, runtime: Runtime) -> Any:
        if record.passage is not None and record.passage.cause == "hedge":
            raise BudgetRefused(refusal())
        return asks(record, runtime)

    monkeypatch.setattr(admission, "ask", ask)
    monkeypatch.setattr(Route, "usual_ttfb_s", lambda self, member: 0.02)
    async with metering(tmp_path, cartesia=SLOW, openai=SLOW_REPLY) as meter:
        models = ["openai/gpt-4.1", "openai/gpt-4.1-mini"] if part == "llm" else SONIC
        simulator: Any = meter.sims.openai if part == "llm" else meter.sims.cartesia
        make = getattr(meter.gateway, part)
        members = [
            Member(plugin=make(model, **simulator.plugin_kwargs()), model=model, position=position)
            for position, model in enumerate(models)
        ]
        stand_together(Route(members, runtime=lambda: meter.runtime, is_hedged=True))
        plugins: dict[str, Any] = {part: members[0].plugin}
        async with call(meter, is_heard=part == "tts", **plugins) as held:
            if part == "llm":
                await held.session.run(user_input="Hello?")
            else:
                await held.session.say("Hi.")
            assert held.closings == []
        records = await meter.records()

    assert held.said == [SLOW_REPLY.replies[0] if part == "llm" else "Hi."]
    assert [(record.outcome, record.attempts) for record in records] == [("ok", 1), ("error", 0)]
    assert held.errors == []


def refused_call(kind: str) -> tuple[FaultRule, ...]:
    """The socket that is opened ahead is refused, and so is the one that is needed."""
    return tuple(fault(kind, "tts_socket", nth=nth) for nth in (1, 2))


async def test_call_hears_the_sentence_once_and_no_error(tmp_path: Path) -> None:
    async with metering(tmp_path, cartesia=VOICE, faults=refused_call("rate_limited")) as meter:
        voice = sonic(meter, *SONIC)
        with quiet_logs():
            async with call(meter, tts=voice) as held:
                await held.session.say(TEXT)
                used: list[Any] = [*held.session.usage.model_usage]
        records = await meter.records()

    assert held.errors == []
    assert held.said == [TEXT]
    assert held.ear.heard_s == SECONDS
    assert len(held.ear.first_sound_s) == 1
    assert told(records) == [("sonic-3", "error", 1), ("sonic-2", "ok", 1)]
    assert [(each.model, each.characters_count) for each in used] == [("sonic-2", len(TEXT))]


async def test_call_whose_voice_breaks_off_hears_all_of_it(tmp_path: Path) -> None:
    async with metering(tmp_path, cartesia=VOICE, faults=(fault("abort_mid_stream"),)) as meter:
        voice = route_of(meter, "cartesia/sonic-3", OPENAI)
        with quiet_logs(but=("Cartesia connection closed",)):
            async with call(meter, tts=voice) as held:
                await held.session.say(TEXT)
        records = await meter.records()

    assert held.errors == []
    assert held.said == [TEXT]
    assert held.ear.heard_s == pytest.approx(len(TEXT) / 14, abs=0.5)
    assert [record.outcome for record in records] == ["error", "ok"]


async def test_interrupted_call_leaves_nothing_behind(tmp_path: Path) -> None:
    async with metering(tmp_path, cartesia=VOICE, faults=refused_call("unauthorized")) as meter:
        voice = sonic(meter, *SONIC)
        with quiet_logs():
            async with call(meter, tts=voice) as held:
                speech = held.session.say(REPLY * 3)
                await held.until("speaking")
                await asyncio.sleep(0.2)
                speech.interrupt()
                await speech
        records, bills = await meter.records(), await meter.bills()

    assert held.errors == []
    assert told(records) == [("sonic-3", "error", 1), ("sonic-2", "cancelled", 1)]
    assert records[1].billed(*CHARACTERS) == total(bills, *CHARACTERS)


async def test_goodbye_is_spoken_by_the_next_voice_whatever_budgets_say(tmp_path: Path) -> None:
    async with metering(tmp_path, cartesia=VOICE, faults=refused_call("server_error")) as meter:
        voice = sonic(meter, *SONIC)
        with refusing("llm", "tts"), listening_to_the_voice() as spoken, quiet_logs():
            async with call(meter, llm=meter.llm(), tts=voice) as held:
                held.session.generate_reply(user_input="Where is my parcel?")
                await held.until_closed()
        records = await meter.records()

    assert spoken.texts == [GOODBYE]
    assert held.said == [GOODBYE]
    assert held.errors == []
    assert held.ear.heard_s == pytest.approx(len(GOODBYE) / 14, abs=0.3)
    assert told(records)[-2:] == [("sonic-3", "error", 1), ("sonic-2", "ok", 1)]
    assert meter.runtime.hook_errors == 0
