"""A voice that fails is replaced by the next of its route: all is said, nothing twice, and each bills its own."""

import asyncio
from pathlib import Path

import pytest
from livekit.agents import APIConnectionError, APIError, APIStatusError
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY
from tests.integration.voicegateway.calls import listening_to_the_voice, refusing
from tests.integration.voicegateway.metering import metering, total
from tests.integration.voicegateway.plugin_use import AUDIO_MS, TEXT
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

from voicegateway_shared.telemetry import attributes as names

REPLY = "Your parcel is on its way. It left the warehouse in Rotterdam early this morning, and it will be here soon."
CHARACTERS = ("characters_sent", "characters_failed")
HIGH = (24_000, 1)


@pytest.mark.parametrize(
    ("kind", "status"), [("rate_limited", 429), ("unauthorized", 401), ("server_error", 503), ("server_error", 500)]
)
async def test_refused_handshake_is_mended_by_the_next_voice(tmp_path: Path, kind: str, status: int) -> None:
    async with metering(tmp_path, faults=(fault(kind, "tts_socket", status=status),)) as meter:
        voice = sonic(meter, *SONIC)
        events = listening(voice)
        with listening_to_the_voice() as spoken:
            heard = await say(voice, TEXT, options=RETRY)
        await voice.aclose()
        first, second = await meter.records()
        bills = await meter.bills()

    assert spoken.texts == [TEXT]
    assert heard.seconds == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert (heard.rates, heard.finals, len(heard.request_ids)) == ({HIGH}, 1, 1)
    assert heard.told == TEXT
    assert told([first, second]) == [("sonic-3", "error", 1), ("sonic-2", "ok", 1)]
    assert first[names.STATUS_CODE] == status
    assert first.billed(*CHARACTERS) == {"characters_sent": 0, "characters_failed": 0}
    assert second.billed(*CHARACTERS) == total(bills, *CHARACTERS)
    assert second[names.ROUTE_ORIGIN] == first[names.REQUEST_ID]
    assert (second[names.ROUTE_CAUSE], second[names.ROUTE_POSITION]) == ("failover", 1)
    assert events.errors == [], "what another voice mended is no error of the session's"
    assert [(each.metadata.model_name, each.characters_count) for each in events.metrics] == [("sonic-2", len(TEXT))]
    assert meter.runtime.hook_errors == 0


@pytest.mark.parametrize("kind", ["vendor_error", "close_mid_stream", "abort_mid_stream"])
async def test_voice_that_breaks_before_any_sound_costs_nothing(tmp_path: Path, kind: str) -> None:
    async with metering(tmp_path, faults=(fault(kind, after_chunks=0),)) as meter:
        voice = sonic(meter, *SONIC)
        events = listening(voice)
        heard = await say(voice, TEXT)
        await voice.aclose()
        first, second = await meter.records()
        bills = await meter.bills()

    assert heard.seconds == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert told([first, second]) == [("sonic-3", "error", 1), ("sonic-2", "ok", 1)]
    assert [bill.billed for bill in bills] == [False, True]
    assert first.usage["characters_sent"] == first.usage["characters_failed"] > 0
    assert (
        first.usage["characters_sent"] + second.usage["characters_sent"] == total(bills, *CHARACTERS)["characters_sent"]
    )
    assert events.errors == []


async def test_whole_speech_is_mended_too(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(speech_fault("rate_limited"),)) as meter:
        voice = route_of(meter, OPENAI, "cartesia/sonic-3")
        events = listening(voice)
        heard = await say_whole(voice, TEXT)
        await voice.aclose()
        first, second = await meter.records()
        bills = await meter.bills()

    assert heard.seconds == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert told([first, second]) == [("gpt-4o-mini-tts", "error", 1), ("sonic-3", "ok", 1)]
    assert second.billed(*CHARACTERS) == total(bills, *CHARACTERS)
    assert second.usage["characters_sent"] == len(TEXT)
    assert events.errors == []
    assert [each.metadata.model_name for each in events.metrics] == ["sonic-3"]


async def test_other_rate_is_heard_at_the_promised_one(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("server_error", "tts_socket"),)) as meter:
        voice = route_of(meter, "cartesia/sonic-3", ("cartesia/sonic-2", {"sample_rate": 16_000}))
        heard = await say(voice, TEXT)
        await voice.aclose()
        first, second = await meter.records()

    assert heard.rates == {HIGH}
    assert heard.seconds == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert second.usage["audio_received_ms"] == pytest.approx(AUDIO_MS, abs=15)
    assert "audio_received_ms" not in first.usage


async def test_voice_that_cannot_stream_says_it_sentence_by_sentence(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("unauthorized", "tts_socket"),)) as meter:
        voice = route_of(meter, "cartesia/sonic-3", OPENAI)
        events = listening(voice)
        with listening_to_openai() as texts:
            heard = await say(voice, REPLY)
        await voice.aclose()
        first, *others = await meter.records()

    assert " ".join(texts) == REPLY
    assert len(texts) == 2
    assert heard.seconds == pytest.approx(len(REPLY) / 14, abs=0.4)
    assert (heard.rates, heard.told) == ({HIGH}, REPLY)
    assert told([first, *others]) == [("sonic-3", "error", 1)] + [("gpt-4o-mini-tts", "ok", 1)] * 2
    assert {record[names.ROUTE_ORIGIN] for record in others} == {first[names.REQUEST_ID]}
    assert events.errors == []
    assert sum(each.characters_count for each in events.metrics) == sum(map(len, texts))


async def test_tokens_pushed_after_the_failure_reach_the_next_voice(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("server_error", "tts_socket"),)) as meter:
        voice = sonic(meter, *SONIC)
        with listening_to_the_voice() as spoken:
            heard = await say(voice, [f"{word} " for word in REPLY.split()], pause_s=0.02)
        await voice.aclose()
        await meter.records()

    assert " ".join(spoken.texts[0].split()) == REPLY
    assert len(spoken.texts) == 1
    assert heard.told == REPLY


async def test_three_in_a_row(tmp_path: Path) -> None:
    faults = (fault("rate_limited", "tts_socket", nth=1), fault("server_error", "tts_socket", nth=2))
    async with metering(tmp_path, faults=faults) as meter:
        voice = route_of(meter, *SONIC, "cartesia/sonic-turbo")
        heard = await say(voice, TEXT)
        await voice.aclose()
        records = await meter.records()

    assert heard.seconds == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert told(records) == [("sonic-3", "error", 1), ("sonic-2", "error", 1), ("sonic-turbo", "ok", 1)]


async def test_when_all_fail_the_framework_tries_another_round(tmp_path: Path) -> None:
    faults = tuple(fault("server_error", "tts_socket", nth=nth) for nth in (1, 2))
    async with metering(tmp_path, faults=faults) as meter:
        voice = sonic(meter, *SONIC)
        events = listening(voice)
        heard = await say(voice, TEXT, options=RETRY)
        await voice.aclose()
        first, second = await meter.records()

    assert heard.seconds == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert told([first, second]) == [("sonic-3", "ok", 2), ("sonic-2", "error", 1)]
    assert first.usage["characters_pushed"] == len(TEXT)
    assert [error.recoverable for error in events.errors] == [True]


async def test_when_all_fail_for_good_the_error_is_the_first_ones_and_told_once(tmp_path: Path) -> None:
    faults = (fault("unauthorized", "tts_socket", nth=1), fault("server_error", "tts_socket", nth=2))
    async with metering(tmp_path, faults=faults) as meter:
        voice = sonic(meter, *SONIC)
        events = listening(voice)
        with pytest.raises(APIStatusError) as raised:
            await say(voice, TEXT)
        await voice.aclose()
        records = await meter.records()

    assert raised.value.status_code == 401
    assert [error.recoverable for error in events.errors] == [False]
    assert told(records) == [("sonic-3", "error", 1), ("sonic-2", "error", 1)]


@pytest.mark.parametrize("kind", ["close_mid_stream", "abort_mid_stream"])
async def test_voice_that_breaks_off_is_followed_by_one_that_says_the_rest(tmp_path: Path, kind: str) -> None:
    async with metering(tmp_path, faults=(fault(kind, after_chunks=3),)) as meter:
        voice = sonic(meter, *SONIC)
        events = listening(voice)
        with listening_to_the_voice() as spoken:
            heard = await say(voice, REPLY, options=RETRY)
        await voice.aclose()
        first, second = await meter.records()
        bills = await meter.bills()

    # 600 ms are eight letters of a voice that says fourteen a second.
    assert spoken.texts[1] == REPLY[len("Your ") :]
    assert heard.seconds == pytest.approx(0.6 + len(spoken.texts[1]) / 14, abs=0.2)
    assert (heard.rates, heard.finals, len(heard.request_ids)) == ({HIGH}, 1, 1)
    assert told([first, second]) == [("sonic-3", "error", 1), ("sonic-2", "ok", 1)]
    assert first.usage["audio_received_ms"] == pytest.approx(600, abs=20)
    assert [record.billed(*CHARACTERS) for record in (first, second)] == [total([bill], *CHARACTERS) for bill in bills]
    assert events.errors == []
    assert heard.told == REPLY


async def test_timed_words_tell_where_a_voice_broke_off(tmp_path: Path) -> None:
    two = REPLY.split(". ", 1)[1]
    async with metering(tmp_path, faults=(fault("abort_mid_stream", after_chunks=13),)) as meter:
        voice = sonic(meter, *SONIC)
        with listening_to_the_voice() as spoken:
            heard = await say(voice, REPLY)
        await voice.aclose()
        first, second = await meter.records()

    # The words of the first sentence came with its 1.85 s; of the second 600 ms were heard.
    assert spoken.texts[1] == two[len("It left ") :]
    assert heard.told == REPLY
    starts = [word.start_time for word in heard.words]
    assert starts == sorted(starts)
    assert starts[-1] < heard.seconds < starts[-1] + 1
    assert [first.outcome, second.outcome] == ["error", "ok"]


async def test_rest_is_said_by_a_voice_of_another_vendor_and_rate(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("abort_mid_stream", after_chunks=3),)) as meter:
        voice = route_of(meter, ("cartesia/sonic-3", {"sample_rate": 16_000}), OPENAI)
        with listening_to_openai() as texts:
            heard = await say(voice, REPLY)
        await voice.aclose()
        first, *others = await meter.records()

    assert " ".join(texts) == REPLY[len("Your ") :]
    assert heard.rates == {(16_000, 1)}
    assert heard.told == REPLY
    assert told([first, *others]) == [("sonic-3", "error", 1)] + [("gpt-4o-mini-tts", "ok", 1)] * 2
    assert [record.usage["characters_pushed"] for record in others] == list(map(len, texts))


async def test_rest_of_whole_speech_is_said_by_the_next(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(speech_fault("abort_mid_stream", after_chunks=5),)) as meter:
        voice = route_of(meter, OPENAI, "cartesia/sonic-3")
        with listening_to_the_voice():
            heard = await say_whole(voice, REPLY)
        await voice.aclose()
        first, second = await meter.records()

    rest = second.usage["characters_sent"]
    assert REPLY[-rest - 1] == " "
    assert 0.6 < first.usage["audio_received_ms"] / 1000 < 1.1
    assert heard.seconds == pytest.approx(len(REPLY) / 14, abs=0.7)
    assert (heard.rates, len(heard.request_ids)) == ({HIGH}, 1)


async def test_nothing_is_said_again_when_nobody_can_go_on(tmp_path: Path) -> None:
    faults = (fault("abort_mid_stream", nth=1), fault("vendor_error", nth=2))
    async with metering(tmp_path, faults=faults) as meter:
        voice = sonic(meter, *SONIC)
        events = listening(voice)
        with pytest.raises(APIError), listening_to_the_voice() as spoken:
            await say(voice, REPLY, options=RETRY)
        await voice.aclose()
        records = await meter.records()

    assert len(spoken.texts) == 2
    assert [error.recoverable for error in events.errors] == [False]
    assert told(records) == [("sonic-3", "error", 1), ("sonic-2", "error", 1)]


async def test_second_one_that_breaks_off_is_followed_by_a_third(tmp_path: Path) -> None:
    faults = (fault("abort_mid_stream", nth=1), fault("abort_mid_stream", nth=2))
    async with metering(tmp_path, faults=faults) as meter:
        voice = route_of(meter, *SONIC, "cartesia/sonic-turbo")
        with listening_to_the_voice() as spoken:
            heard = await say(voice, REPLY)
        await voice.aclose()
        records = await meter.records()

    assert spoken.texts == [REPLY, REPLY[len("Your ") :], REPLY[len("Your parcel ") :]]
    assert heard.told == REPLY
    assert [record.outcome for record in records] == ["error", "error", "ok"]


async def test_silent_voice_is_given_up(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("stall", stall_s=60),)) as meter:
        voice = route_of(meter, *SONIC, attempt_timeout_ms=150)
        heard = await say(voice, TEXT)
        await voice.aclose()
        first, second = await meter.records()

    assert heard.seconds == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert told([first, second]) == [("sonic-3", "error", 1), ("sonic-2", "ok", 1)]
    assert first[names.ERROR_TYPE] == "APITimeoutError"


async def test_voice_that_has_nothing_to_say_yet_is_not_silent(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = route_of(meter, *SONIC, attempt_timeout_ms=100)
        async with voice.stream(conn_options=NO_RETRY) as stream:
            stream.push_text("It will be ")
            await asyncio.sleep(0.25)
            stream.push_text("here soon.")
            stream.end_input()
            heard = [audio async for audio in stream]
        await voice.aclose()
        records = await meter.records()

    assert heard
    assert told(records) == [("sonic-3", "ok", 1)]


async def test_silent_one_in_anothers_place_is_given_up_too(tmp_path: Path) -> None:
    faults = (fault("vendor_error", nth=1), fault("stall", nth=2, stall_s=60))
    async with metering(tmp_path, faults=faults) as meter:
        voice = route_of(meter, *SONIC, "cartesia/sonic-turbo", attempt_timeout_ms=150)
        heard = await say(voice, TEXT)
        await voice.aclose()
        records = await meter.records()

    assert heard.seconds == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert [record.outcome for record in records] == ["error", "cancelled", "ok"]
    assert records[1][names.REQUEST_MODEL] == "sonic-2"


async def test_interrupted_while_another_serves(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("rate_limited", "tts_socket"),)) as meter:
        voice = sonic(meter, *SONIC)
        stream = voice.stream(conn_options=NO_RETRY)
        stream.push_text(TEXT * 20)
        stream.flush()
        await anext(stream)
        await stream.aclose()
        await voice.aclose()
        records, bills = await meter.records(), await meter.bills()

    assert told(records) == [("sonic-3", "error", 1), ("sonic-2", "cancelled", 1)]
    assert records[1].billed(*CHARACTERS) == total(bills, *CHARACTERS)
    assert [task.get_name() for task in asyncio.all_tasks() if "voicegateway feed" in task.get_name()] == []


async def test_voice_stays_once_it_was_heard(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("server_error", "tts_socket"),)) as meter:
        voice = sonic(meter, *SONIC)
        for _ in range(2):
            await say(voice, TEXT)
        await voice.aclose()
        records = await meter.records()

    assert told(records) == [("sonic-3", "error", 1), ("sonic-2", "ok", 1), ("sonic-2", "ok", 1)]


async def test_budget_of_the_first_lets_the_second_serve(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = sonic(meter, *SONIC)
        events = listening(voice)
        with refusing("tts", at_most=1):
            heard = await say(voice, TEXT)
        await voice.aclose()
        records = await meter.records()

    assert heard.seconds == pytest.approx(AUDIO_MS / 1000, abs=0.05)
    assert told(records) == [("sonic-3", "error", 0), ("sonic-2", "ok", 1)]
    assert events.errors == []


async def test_budget_of_all_refuses(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        voice = sonic(meter, *SONIC)
        with refusing("tts"), pytest.raises(APIStatusError) as raised:
            await say(voice, TEXT)
        await voice.aclose()
        records = await meter.records()

    assert raised.value.status_code == 402
    assert [record.outcome for record in records] == ["error", "error"]
    assert meter.runtime.hook_errors == 0


async def test_one_alone_fails_as_ever(tmp_path: Path) -> None:
    async with metering(tmp_path, faults=(fault("close_mid_stream"),)) as meter:
        voice = sonic(meter, *SONIC[:1])
        events = listening(voice)
        with pytest.raises((APIConnectionError, APIStatusError)):
            await say(voice, TEXT)
        await voice.aclose()
        [record] = await meter.records()

    assert [error.recoverable for error in events.errors] == [False]
    assert (record.outcome, record.attempts) == ("error", 1)
