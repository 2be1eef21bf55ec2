"""Prices in a worker: what it charges to budgets is what the ledger will say, to the nano-dollar; and it is bounded."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.unit.voicegateway.records import a_record, chunk, tokens

from voicegateway.budgets import pricing
from voicegateway.budgets.most import KNOWN_AFTER, STRETCH_MS, Experience, Habit, most_of, prompt_bound
from voicegateway.budgets.pricing import (
    BOUND_FOR,
    FRESH_NS,
    TARIFFS_MAX,
    ModelTariff,
    Tariffs,
    circumstances,
    key_of,
    rating_request,
)
from voicegateway.encode import encode_span
from voicegateway.realtime_count import ResponseCount, SessionCount
from voicegateway.record import RequestRecord
from voicegateway.wire_count import WireCount
from voicegateway_controller.ledger.rules import SpanFacts, post
from voicegateway_controller.usage.columns import INDEX, Row
from voicegateway_controller.usage.decode import Decoded, decode_into
from voicegateway_shared.money import PICO_PER_USD, nano_usd_up
from voicegateway_shared.pricing import Catalog, Derivation, Managed, PlanWindow, Scope, Source, Tariff
from voicegateway_shared.pricing.rating import rate_by
from voicegateway_shared.wire import ModelName

CATALOG: Final = Catalog.builtin()
AGREED: Final = CATALOG.with_managed(
    Managed(
        derivations=tuple(
            Derivation(
                provider=provider,
                scope=scope,
                multiplier=multiplier,
                source=Source(url="contract", read_on=date(2026, 1, 1)),
                origin="contract",
            )
            for provider in ("openai", "deepgram", "cartesia", "groq")
            for scope, multiplier in (
                (Scope(layer="project", of="acme"), "0.45"),
                (Scope(layer="account", of="a"), "0.7"),
                (Scope(layer="account", of="*"), "0.95"),
            )
        ),
        plans=(PlanWindow(provider="cartesia", plan="scale", layer="project", scope="acme", rank=300),),
    )
)
AT: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AT_NS: Final = int(AT.timestamp()) * 10**9
MODELS: Final = {
    "llm": [
        ("openai", "gpt-4.1-mini"),
        ("openai", "gpt-4.1"),
        ("anthropic", "claude-haiku-5-5"),
        ("groq", "openai/gpt-oss-120b"),
        ("nobody", "unheard-of"),
    ],
    "stt": [("deepgram", "nova-3"), ("groq", "whisper-large-v3-turbo"), ("openai", "gpt-4o-transcribe")],
    "tts": [("cartesia", "sonic-3"), ("openai", "tts-1"), ("openai", "gpt-4o-mini-tts"), ("deepgram", "aura-2")],
}


@cache
def _told(provider: str, model: str, modality: str) -> Tariff:
    """Return a model's tariff as it comes over the wire."""
    found = CATALOG.model(provider=provider, model=model, modality=modality)
    tariff = Tariff.of(found, provider=provider, model=model, modality=modality, p99=0)
    return msgspec.json.decode(msgspec.json.encode(tariff), type=Tariff)


def a_tariff(provider: str, model: str, modality: str) -> ModelTariff:
    return ModelTariff(_told(provider, model, modality), learned_ns=0)


def tariff_of(record: RequestRecord) -> ModelTariff:
    return a_tariff(*key_of(record))


def ledger_nano_usd(record: RequestRecord, catalog: Catalog = CATALOG) -> int:
    """Encode a request, decode it and post it as the controller does; return what its entries add up to."""
    decoded = Decoded()
    message = SimpleNamespace(
        resource_spans=[SimpleNamespace(resource=SimpleNamespace(attributes=[]), scope_spans=[_scope(record)])]
    )
    for _ in decode_into(decoded, message, arrived_ns=AT_NS, allows=lambda project: True):
        pass
    assert decoded.refused == []
    [row] = decoded.rows
    posting = post([facts_of(row)], catalog)
    assert posting.poisoned == []
    amounts = [_pico(entry[3]) for entry in posting.entries]
    return nano_usd_up(sum(amounts))


def _scope(record: RequestRecord) -> Any:
    return SimpleNamespace(spans=[encode_span(record)])


def _pico(amount: str) -> int:
    digits, _, exponent = amount.partition("e")
    assert exponent == "-12"
    assert PICO_PER_USD == 10**12
    return int(digits)


def facts_of(row: Row) -> SpanFacts:
    """As the ledger's query makes them of the inbox's columns."""

    def text(name: str) -> str:
        return row[INDEX[name]]

    is_suspect = text("clock_suspect") == "t"
    assert not is_suspect
    return SpanFacts(
        day=AT.date().isoformat(),
        request_id=text("request_id"),
        project=text("project"),
        session_id=text("session_id"),
        agent=text("agent"),
        room=text("room"),
        provider=text("provider"),
        model=text("model"),
        modality=text("modality"),
        outcome=text("outcome"),
        estimated=text("estimated") == "t",
        ttfb_ms=None,
        started_us=int(text("started_at")),
        ended_us=int(text("ended_at")),
        charged_us=int(text("ended_at")),
        key_id=text("key_id"),
        response_id=text("response_id"),
        incarnation="",
        language=text("language"),
        voice=text("voice"),
        mode=text("mode"),
        service_tier=text("service_tier"),
        usage=text("usage"),
        attributes=text("attributes") or None,
    )


small = st.integers(0, 50)
large = st.integers(0, 2_000_000)
outcomes = st.sampled_from(["ok", "cancelled", "error", "interrupted"])


@st.composite
def chats(draw: st.DrawFn) -> RequestRecord:
    provider, model = draw(st.sampled_from(MODELS["llm"]))
    prompt = draw(large)
    cached = draw(st.integers(0, prompt))
    usage = tokens(
        prompt,
        draw(large),
        cached=cached,
        written=draw(st.integers(0, prompt - cached)),
        reasoning=draw(small),
    )
    usage.service_tier = draw(st.sampled_from([None, "default", "flex", "priority", "unheard of"]))
    record = a_record("llm", provider=provider, model=model, **_fate(draw))
    record.llm_chunks.extend(chunk("word ") for _ in range(draw(small)))
    if draw(st.booleans()):
        record.llm_chunks.append(chunk(usage=usage))
    record.untold, record.untold_chunks = draw(st.integers(0, 2)), draw(small)
    return record


@st.composite
def transcriptions(draw: st.DrawFn) -> RequestRecord:
    provider, model = draw(st.sampled_from(MODELS["stt"]))
    record = a_record("stt", provider=provider, model=model, **_fate(draw))
    record.language = draw(st.sampled_from(["", "en", "multi", "de-DE", "xx"]))
    record.mode = draw(st.sampled_from(["streaming", "batch"]))
    record.pushed, record.pushed_rate = draw(large), 16_000
    if draw(st.booleans()):
        wire = record.wire = WireCount(sample_rate=16_000)
        for _ in range(draw(st.integers(0, 3))):
            socket = object()
            add_ons = tuple(name for name in ("diarize_ms", "keyterm_ms") if draw(st.booleans()))
            wire.opened(socket, 0, add_ons)
            wire.audio(socket, 0, draw(large))
            wire.closed(socket)
    return record


@st.composite
def speeches(draw: st.DrawFn) -> RequestRecord:
    provider, model = draw(st.sampled_from(MODELS["tts"]))
    record = a_record("tts", provider=provider, model=model, **_fate(draw))
    record.voice = draw(st.sampled_from(["", "alloy", "a-voice"]))
    record.pushed = draw(st.integers(0, 20_000))
    record.is_push_whole = draw(st.booleans())
    record.received_samples, record.received_rate = draw(large), 24_000
    record.refused = draw(st.integers(0, record.attempts))
    record.silent = draw(st.integers(0, record.attempts - record.refused))
    if draw(st.booleans()):
        record.tts_tokens = (draw(small), draw(large))
    if draw(st.booleans()):
        wire = record.wire = WireCount()
        wire.characters(draw(st.integers(0, 20_000)))
        if draw(st.booleans()):
            wire.attempt_failed()
            wire.characters(draw(st.integers(0, 20_000)))
    return record


@st.composite
def told_chats(draw: st.DrawFn) -> RequestRecord:
    """Chats of a vendor whose own events are read, to their end or until they broke off."""
    fresh, read, short, long = (draw(large) for _ in range(4))
    record = a_record("llm", provider="anthropic", model="claude-haiku-5-5", **_fate(draw))
    record.llm_chunks.extend(chunk("word ") for _ in range(draw(small)))
    record.vendor_usage = {
        "input_tokens": fresh + read + short + long,
        "cache_read_tokens": read,
        "cache_write_5m_tokens": short,
        "cache_write_1h_tokens": long,
        "output_tokens": draw(large),
    }
    record.is_vendor_usage_whole = draw(st.booleans())
    return record


@st.composite
def realtime_responses(draw: st.DrawFn) -> RequestRecord:
    record = a_record("realtime", provider="openai", model="gpt-realtime", mode="realtime", **_fate(draw))
    audio = draw(small)
    count = record.realtime = ResponseCount(input_tokens=audio + draw(small), input_audio_tokens=audio, heard_ms=900)
    count.audio_bytes, count.text_characters = draw(large), draw(small)
    count.is_refused = draw(st.booleans())
    if draw(st.booleans()):
        cached_audio = draw(st.integers(0, audio))
        count.told = {
            "input_tokens": audio + 50,
            "input_audio_tokens": audio,
            "cache_read_tokens": cached_audio + draw(st.integers(0, 50)),
            "cache_read_audio_tokens": cached_audio,
            "output_tokens": 100 + draw(small),
            "output_audio_tokens": draw(st.integers(0, 100)),
        }
    return record


@st.composite
def realtime_sessions(draw: st.DrawFn) -> RequestRecord:
    model = draw(st.sampled_from(["gpt-realtime", "gpt-live-1"]))
    record = a_record("realtime", provider="openai", model=model, mode="realtime", **_fate(draw))
    record.realtime = SessionCount()
    record.realtime.audio_bytes = draw(large)
    return record


def _fate(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "outcome": draw(outcomes),
        "attempts": draw(st.integers(0, 3)),
        "started_unix_ns": AT_NS + draw(st.integers(0, 10**9)),
        "ended_ns": 5_000_000_000 + draw(st.integers(0, 10**10)),
    }


@settings(max_examples=400, deadline=None)
@given(record=st.one_of(chats(), told_chats(), transcriptions(), speeches(), realtime_responses(), realtime_sessions()))
def test_a_worker_charges_what_the_ledger_will_say(record: RequestRecord) -> None:
    record.is_settled = True

    assert tariff_of(record).cost(rating_request(record)) == ledger_nano_usd(record)


@settings(max_examples=100, deadline=None)
@given(
    record=st.one_of(chats(), transcriptions(), speeches()),
    who=st.sampled_from(["other", "acme"]),
    key=st.text("ab", max_size=1),
)
def test_a_worker_charges_contracts_as_the_ledger_will(record: RequestRecord, who: str, key: str) -> None:
    record.is_settled, record.project = True, who
    record.facts = dataclasses.replace(record.facts, key_id=key)
    name = dict(zip(("provider", "model", "modality"), key_of(record), strict=True))
    told = Tariff.of(AGREED.model_for_all(**name), **name, p99=0)
    tariff = ModelTariff(msgspec.json.decode(msgspec.json.encode(told), type=Tariff), learned_ns=0)

    assert tariff.cost(rating_request(record)) == ledger_nano_usd(record, AGREED)


def test_the_comparison_compares_money() -> None:
    record = a_record(started_unix_ns=AT_NS, is_settled=True)
    record.llm_chunks.append(chunk(usage=tokens(1_000_000, 1_000_000, cached=500_000)))

    # $0.40 and $0.10 for half a million each, $1.60 for the answer.
    assert ledger_nano_usd(record) == 200_000_000 + 50_000_000 + 1_600_000_000


def test_what_is_told_is_what_is_charged_though_a_socket_is_still_open() -> None:
    record = a_record("stt", started_unix_ns=AT_NS, is_settled=True)
    record.wire = WireCount(sample_rate=16_000)
    socket = object()
    record.wire.opened(socket, 0)
    charged = rating_request(record).usage
    record.wire.audio(socket, 0, 3_200_000)

    assert record.usage() == charged


def test_a_session_is_rated_and_costs_nothing_where_responses_are_billed() -> None:
    record = a_record("realtime", provider="openai", model="gpt-realtime", started_unix_ns=AT_NS, is_settled=True)
    record.realtime = SessionCount()
    found = CATALOG.model(provider="openai", model="gpt-realtime", modality="realtime")

    rating = rate_by(found, rating_request(record))

    assert (rating.lines, rating.is_unrated) == ((), False)


def test_a_realtime_response_costs_what_the_vendors_own_example_says() -> None:
    record = a_record("realtime", provider="openai", model="gpt-realtime", started_unix_ns=AT_NS, is_settled=True)
    count = record.realtime = ResponseCount(input_tokens=0, input_audio_tokens=0, heard_ms=0)
    count.told = {
        "input_tokens": 132,
        "input_audio_tokens": 13,
        "cache_read_tokens": 64,
        "cache_read_audio_tokens": 0,
        "output_tokens": 121,
        "output_audio_tokens": 91,
    }

    # 55 and 64 cached tokens of text, 13 of audio, in; 30 of text and 91 of audio, out.
    assert ledger_nano_usd(record) == 6_965_600


# Bounds


def test_a_realtime_response_is_bounded_by_its_conversation_and_a_minute_of_speech() -> None:
    record = a_record("realtime", provider="openai", model="gpt-realtime", outcome=None)
    record.realtime = ResponseCount(input_tokens=300, input_audio_tokens=200, heard_ms=2_000)
    first = most_of(record, Habit(), output_tokens_p99=0)
    record.owner = SimpleNamespace(_opts=SimpleNamespace(max_response_output_tokens=77))

    assert (first["input_tokens"], first["input_audio_tokens"]) == (300 + 20 + 500, 220)
    assert first["output_tokens"] == first["output_audio_tokens"] == 1_500
    assert most_of(record, Habit(), output_tokens_p99=0)["output_tokens"] == 77


@pytest.mark.parametrize("limit_name", ["max_tokens", "max_completion_tokens"])
def test_an_answer_that_has_a_limit_is_bounded_by_it(limit_name: str) -> None:
    owner = SimpleNamespace(_opts=SimpleNamespace(**{limit_name: 77}))
    record = a_record(owner=owner, outcome=None)

    assert most_of(record, Habit(), output_tokens_p99=500)["output_tokens"] == 77


def test_an_answer_without_a_limit_is_bounded_by_the_fleets_habit_then_by_our_own() -> None:
    record, habit = a_record(outcome=None), Habit()

    assert most_of(record, habit, output_tokens_p99=0)["output_tokens"] == 1_024
    assert most_of(record, habit, output_tokens_p99=300)["output_tokens"] == 300
    habit.outputs.extend([400] * (KNOWN_AFTER - 1))
    assert most_of(record, habit, output_tokens_p99=300)["output_tokens"] == 300
    habit.outputs.append(410)
    assert most_of(record, habit, output_tokens_p99=300)["output_tokens"] == 410


def test_an_answer_that_grows_beyond_its_bound_is_bounded_anew() -> None:
    record = a_record(outcome=None)
    record.llm_chunks.extend(chunk("word ") for _ in range(160))

    assert most_of(record, Habit(), output_tokens_p99=300)["output_tokens"] == 600


def test_a_prompt_is_bounded_by_its_bytes() -> None:
    from livekit.agents.llm import ChatContext, FunctionCall, FunctionCallOutput, ImageContent

    context = ChatContext.empty()
    context.add_message(role="user", content=["é" * 100, ImageContent(image="https://example.com/a.png")])
    context.items.append(FunctionCall(call_id="1", name="weather", arguments='{"city":"Rome"}'))
    context.items.append(FunctionCallOutput(call_id="1", name="weather", output="sunny", is_error=False))
    record = a_record(chat_ctx=context, tools=2)

    assert prompt_bound(record) == (8 + 2 * 256) + (8 + 200 + 3_000) + (8 + 7 + 15) + (8 + 7 + 5)


def test_a_known_ratio_is_believed_with_a_margin_and_only_downwards_at_first() -> None:
    record, habit = a_record(outcome=None), Habit()
    whole = prompt_bound(record)
    habit.ratios.extend([0.2] * (KNOWN_AFTER - 1))
    assert most_of(record, habit, output_tokens_p99=1)["input_tokens"] == whole
    habit.ratios.append(0.1)
    assert most_of(record, habit, output_tokens_p99=1)["input_tokens"] == int(whole * 0.3) + 1
    habit.ratios.append(0.9)
    assert most_of(record, habit, output_tokens_p99=1)["input_tokens"] == whole + 1


def test_a_vendor_that_counts_what_we_do_not_see_is_believed_at_once() -> None:
    record, habit = a_record(outcome=None), Habit()
    habit.ratios.append(2.0)

    assert most_of(record, habit, output_tokens_p99=1)["input_tokens"] == prompt_bound(record) * 3 + 1


def test_caches_are_written_where_the_plugin_says_so_or_it_was_seen() -> None:
    record, habit = a_record(outcome=None), Habit()
    assert most_of(record, habit, output_tokens_p99=1)["cache_write_tokens"] == 0
    cached = a_record(outcome=None, owner=SimpleNamespace(_opts=SimpleNamespace(caching="ephemeral")))
    assert "cache_write_tokens" not in most_of(cached, habit, output_tokens_p99=1)
    habit.writes_cache = True
    assert "cache_write_tokens" not in most_of(record, habit, output_tokens_p99=1)


def test_a_text_that_is_sent_whole_is_bounded_by_itself() -> None:
    record = a_record("tts", pushed=120, is_push_whole=True, outcome=None)

    assert most_of(record, Habit(), output_tokens_p99=0)["characters_sent"] == 120


def test_a_text_that_is_being_written_is_bounded_by_what_is_usual_and_by_what_came() -> None:
    record = a_record("tts", pushed=10, outcome=None)
    assert most_of(record, Habit(), output_tokens_p99=0)["characters_sent"] == 400 + 25 + 16
    record.pushed = 1_600
    assert most_of(record, Habit(), output_tokens_p99=0)["characters_sent"] == 1_600 + 100 + 16


def test_a_stream_of_audio_is_bounded_a_stretch_ahead_with_what_is_switched_on() -> None:
    record = a_record("stt", outcome=None, owner=SimpleNamespace(_opts=SimpleNamespace(enable_diarization=True)))
    wire = record.wire = WireCount(sample_rate=16_000)
    socket = object()
    wire.opened(socket, 0, ("keyterm_ms",))
    wire.audio(socket, 0, 96_000)
    most = most_of(record, Habit(), output_tokens_p99=0)

    assert most["audio_sent_ms"] == most["diarize_ms"] == most["keyterm_ms"] == 3_000 + STRETCH_MS
    plain = most_of(a_record("stt", outcome=None), Habit(), output_tokens_p99=0)
    assert (plain["diarize_ms"], plain["keyterm_ms"]) == (0, 0)


def test_a_recording_is_bounded_by_its_length() -> None:
    record = a_record("stt", mode="batch", pushed=80_000, pushed_rate=16_000, outcome=None)

    assert most_of(record, Habit(), output_tokens_p99=0)["audio_sent_ms"] == 5_000


@settings(max_examples=300, deadline=None)
@given(record=st.one_of(chats(), transcriptions(), speeches()), data=st.data())
def test_what_uses_no_more_than_the_most_costs_no_more_than_the_bound(record: RequestRecord, data: Any) -> None:
    tariff = tariff_of(record)
    request = rating_request(record)
    tariff.cost(request)
    bound = tariff.bound(record, now=AT)
    assume(bound is not None)
    assert bound is not None
    most = {meter: quantity + data.draw(small) for meter, quantity in request.usage.items()}

    assert tariff.cost(request) <= bound.nano_usd({**dict.fromkeys(bound.meters, 0), **most})


def test_a_bound_is_made_anew_before_its_time_is_over() -> None:
    tariff, record = a_tariff("openai", "gpt-4.1-mini", "llm"), a_record(outcome=None)
    first = tariff.bound(record, now=AT)

    assert tariff.bound(record, now=AT + BOUND_FOR / 2 - timedelta(seconds=1)) is first
    again = tariff.bound(record, now=AT + BOUND_FOR / 2)
    assert again is not None
    assert again.until == AT + BOUND_FOR * 3 / 2


def test_without_a_price_there_is_no_bound_and_no_cost() -> None:
    record = a_record(provider="nobody", model="unheard-of")
    tariff = tariff_of(record)

    assert not tariff.is_priced
    assert tariff.bound(record, now=AT) is None
    assert tariff.cost(rating_request(record)) == 0


def test_experience_is_of_requests_that_ended_well() -> None:
    experience = Experience()
    record = a_record()
    record.llm_chunks.append(chunk(usage=tokens(6, 40, written=3)))
    record.usage()
    experience.learn(record)
    failed = a_record(outcome="error")
    failed.llm_usage = tokens(1_000, 1_000)
    experience.learn(failed)
    habit = experience.habit(record)

    assert list(habit.outputs) == [40]
    assert habit.writes_cache
    assert list(habit.ratios) == [6 / prompt_bound(record)]


def test_a_bound_is_there_before_the_first_request_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tariffs = Tariffs()
    record = a_record("stt", outcome=None, language="de-DE")
    told = _told(*key_of(record))
    tariffs.need(key_of(record), circumstances(record))
    tariffs.learned((), (told,), now=AT)
    made = tariffs.find(key_of(record))
    assert made is not None
    monkeypatch.setattr(ModelTariff, "_made", None)

    assert made.bound(record, now=AT) is not None


# Asking


class Asked:
    """Tariffs, a clock, and a controller that answers what the test says."""

    KEY = ("openai", "gpt-4.1-mini", "llm")
    NAME = ModelName(provider="openai", model="gpt-4.1-mini", modality="llm")

    def __init__(self) -> None:
        self.now_ns = 10**12
        self.tariffs = Tariffs(now_ns=lambda: self.now_ns)

    def tariff(self) -> Tariff:
        provider, model, modality = self.KEY
        found = CATALOG.model(provider=provider, model=model, modality=modality)
        return Tariff.of(found, provider=provider, model=model, modality=modality, p99=0)


def test_a_tariff_is_asked_for_once_and_again_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "_met", {})
    it = Asked()
    it.tariffs.need(it.KEY)
    assert it.tariffs.is_due
    assert it.tariffs.wanted() == (it.NAME,)
    assert not it.tariffs.is_due
    assert it.tariffs.wanted() == ()
    it.tariffs.learned((it.NAME,), (it.tariff(),), now=AT)
    it.tariffs.need(it.KEY)
    assert it.tariffs.find(it.KEY) is not None
    assert it.tariffs.wanted() == ()
    it.now_ns += FRESH_NS

    assert not it.tariffs.is_due
    assert it.tariffs.wanted() == (it.NAME,)


def test_a_tariff_that_came_after_it_was_forgotten_is_not_asked_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    met: dict[Any, None] = {}
    monkeypatch.setattr(pricing, "_met", met)
    it = Asked()
    it.tariffs.need(it.KEY)
    asked = it.tariffs.wanted()
    for number in range(TARIFFS_MAX):
        it.tariffs.need(("openai", f"model-{number}", "llm"))
    while it.tariffs.wanted():
        pass
    it.tariffs.learned(asked, (it.tariff(),), now=AT)
    met[it.KEY] = None

    assert it.tariffs.wanted() == ()
    assert not it.tariffs.is_due


def test_prices_of_all_plugins_are_asked_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "_met", {})
    it = Asked()
    pricing.plugin_met(("cartesia", "sonic-3", "tts"))
    pricing.plugin_met(it.KEY)
    it.tariffs.need(it.KEY)

    assert it.tariffs.wanted() == (it.NAME, ModelName(provider="cartesia", model="sonic-3", modality="tts"))
    pricing.plugin_met(("deepgram", "nova-3", "stt"))
    assert not it.tariffs.is_due, "it goes with a message that leaves anyway"
    assert it.tariffs.wanted() == (ModelName(provider="deepgram", model="nova-3", modality="stt"),)


def test_who_waits_for_a_tariff_hears_of_it_or_that_it_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "_met", {})
    it = Asked()
    heard: list[str] = []
    it.tariffs.need(it.KEY)
    it.tariffs.when_known(it.KEY, lambda: heard.append("first"))
    assert heard == []
    it.tariffs.learned(it.tariffs.wanted(), (), now=AT)
    assert heard == ["first"]
    it.tariffs.when_known(it.KEY, lambda: heard.append("in vain"))
    assert heard == ["first", "in vain"]
    it.now_ns += 60 * 10**9
    assert it.tariffs.wanted() == (it.NAME,)
    it.tariffs.when_known(it.KEY, lambda: heard.append("again"))
    it.tariffs.learned((it.NAME,), (it.tariff(),), now=AT)

    assert heard == ["first", "in vain", "again"]


def test_what_was_asked_for_in_a_lost_message_is_asked_for_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "_met", {})
    it = Asked()
    heard: list[str] = []
    it.tariffs.need(it.KEY)
    it.tariffs.when_known(it.KEY, lambda: heard.append("nobody answers"))
    it.tariffs.unheard(it.tariffs.wanted())

    assert heard == ["nobody answers"]
    assert not it.tariffs.is_vain(it.KEY), "the next answer may bring it: that one is waited for"
    assert not it.tariffs.is_due, "but no message is sent for it alone"
    it.tariffs.when_known(it.KEY, lambda: None)
    assert it.tariffs.is_due, "unless somebody waits for it"
    assert it.tariffs.wanted() == (it.NAME,)


def test_a_model_without_a_price_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    it = Asked()
    unknown = Tariff(provider="nobody", model="m", modality="llm", reason="unknown_model")
    for _ in range(2):
        it.tariffs.learned((), (unknown,), now=AT)

    assert [record.getMessage() for record in caplog.records] == [
        "voicegateway: nobody/m (llm) has no price (unknown_model): budgets count what it costs as nothing"
    ]
