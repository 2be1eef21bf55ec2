"""Leased keys: models resolve without a key of the worker's own, and no request uses one that was revoked."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIStatusError
from tests.fixtures.job import job
from tests.fixtures.key_controller import KeyController, leased
from tests.fixtures.waiting import eventually
from tests.integration.testing_vendors.bench import NO_RETRY
from tests.integration.voicegateway.metering import Meter, metering
from tests.integration.voicegateway.plugin_use import ask, converse, stream_speech, transcribe, utterance

from voicegateway import ChainModel, MissingKey, NoCandidate
from voicegateway.instrument.lent_key import LOAN
from voicegateway.keys import keyring
from voicegateway.limits.lease import boot_ns
from voicegateway.registry import fingerprint
from voicegateway.testing.vendors.credentials import key_fact
from voicegateway_shared.telemetry import attributes as names
from voicegateway_shared.wire import KeysAnswer, KeysReport

VARIABLES = ("OPENAI_API_KEY", "DEEPGRAM_API_KEY", "CARTESIA_API_KEY", "GROQ_API_KEY")
SECRETS = ("sk-planted-one-0123456789", "sk-planted-two-0123456789")
ONE, TWO = (leased("openai", secret) for secret in SECRETS)


@pytest.fixture(autouse=True)
def _no_keys_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def leasing(path: Path, controller: KeyController, **options: Any) -> AsyncIterator[Meter]:
    """Meter with this controller; nothing of ours may go wrong, and no secret may be said back."""
    async with metering(path, **options) as meter:
        meter.sink.decide_sync = controller
        yield meter
        assert meter.runtime.hook_errors == 0
        assert controller.said(SECRETS) == []


def model(meter: Meter, name: Any = "openai/gpt-4.1-mini", **options: Any) -> Any:
    """Resolve without a key."""
    address = meter.sims.openai.plugin_kwargs()["base_url"]
    return meter.gateway.llm(name, base_url=address, **options)


def chain(meter: Meter) -> list[ChainModel]:
    """Two vendors' models, each at its simulator."""
    return [
        ChainModel(model=name, options={"base_url": vendor.plugin_kwargs()["base_url"]})
        for name, vendor in (
            ("openai/gpt-4.1-mini", meter.sims.openai),
            ("groq/llama-3.3-70b-versatile", meter.sims.groq),
        )
    ]


async def hear(meter: Meter) -> None:
    """Let the controller be asked of everything, now."""
    limits, keys = meter.runtime.limits, meter.runtime.keys
    assert limits is not None
    assert keys is not None
    since_ns = boot_ns()
    keys.need()
    meter.runtime.start()
    limits.syncer.ask()
    assert await asyncio.to_thread(keys.wait, "*", 10, since_ns=since_ns)


async def keys_used(meter: Meter) -> list[str]:
    """By which keys the vendors were asked, in order."""
    return [str(record.facts["key"]) for record in await meter.sims.settled()]


async def test_models_of_three_vendors_resolve_and_serve_without_a_key_of_their_own(tmp_path: Path) -> None:
    vendors = {"openai": SECRETS[0], "deepgram": "dg-secret-0123456789", "cartesia": "ca-secret-0123456789"}
    controller = KeyController(*(leased(vendor, secret) for vendor, secret in vendors.items()))
    async with leasing(tmp_path, controller) as meter:
        stt = meter.gateway.stt("deepgram/nova-3", base_url=meter.sims.deepgram.plugin_kwargs()["base_url"])
        llm = model(meter)
        tts = meter.gateway.tts("cartesia/sonic-3", base_url=meter.sims.cartesia.plugin_kwargs()["base_url"])
        await converse(stt, options=NO_RETRY)
        await ask(llm)
        await stream_speech(tts)
        for plugin in (stt, llm, tts):
            await plugin.aclose()
        records = await meter.records()
        used = await keys_used(meter)

    assert sorted(used) == sorted(key_fact(secret) for secret in vendors.values())
    assert {record[names.KEY_ID] for record in records} == {fingerprint(secret) for secret in vendors.values()}
    assert controller.needs[:1] == [("deepgram",)]


async def test_key_of_the_environment_or_of_an_argument_wins_and_nothing_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    controller = KeyController(ONE)
    async with leasing(tmp_path, controller) as meter:
        plugins = [model(meter), model(meter, api_key="sk-argument")]
        for plugin in plugins:
            await ask(plugin)
            assert getattr(plugin, LOAN, None) is None
            await plugin.aclose()
        used = await keys_used(meter)

    assert used == [key_fact("sk-environment"), key_fact("sk-argument")]
    assert controller.needs == []


async def test_rotated_key_is_used_by_the_next_request_of_a_plugin_that_lives_on(tmp_path: Path) -> None:
    controller = KeyController(ONE)
    async with leasing(tmp_path, controller) as meter:
        llm = model(meter)
        await ask(llm)
        controller.keys = (leased("openai", SECRETS[1], version=2),)
        await hear(meter)
        await ask(llm)
        await llm.aclose()
        used, records = await keys_used(meter), await meter.records()

    assert used == [key_fact(secret) for secret in SECRETS]
    assert [record[names.KEY_ID] for record in records] == [fingerprint(secret) for secret in SECRETS]


async def test_pooled_socket_of_a_revoked_key_is_not_used_again(tmp_path: Path) -> None:
    controller = KeyController(leased("cartesia", SECRETS[0]))
    async with leasing(tmp_path, controller) as meter:
        tts = meter.gateway.tts("cartesia/sonic-3", base_url=meter.sims.cartesia.plugin_kwargs()["base_url"])
        await stream_speech(tts)
        controller.keys = (leased("cartesia", SECRETS[1], id="other"),)
        await hear(meter)
        await stream_speech(tts)
        await tts.aclose()
        used = await keys_used(meter)

    assert used == [key_fact(secret) for secret in SECRETS]


async def test_revoked_key_without_a_successor_is_refused_before_the_vendor_hears_of_it(tmp_path: Path) -> None:
    controller = KeyController(ONE)
    async with leasing(tmp_path, controller) as meter:
        llm = model(meter)
        await ask(llm)
        controller.keys = ()
        await hear(meter)
        with pytest.raises(APIStatusError) as refused:
            await ask(llm)
        with pytest.raises(MissingKey, match="nor does the controller lend one"):
            model(meter)
        await llm.aclose()
        used, records = await keys_used(meter), await meter.records()

    assert (refused.value.status_code, refused.value.retryable) == (401, False)
    assert "was revoked or has expired" in str(refused.value)
    assert "planted" not in f"{refused.value!r}{refused.value.body!r}"
    assert used == [key_fact(SECRETS[0])]
    assert [(record.outcome, record.attempts) for record in records] == [("ok", 1), ("error", 0)]
    assert records[1][names.ERROR_TYPE] == "key_gone"


async def test_stream_that_was_made_before_a_rotation_asks_by_the_new_key(tmp_path: Path) -> None:
    controller = KeyController(leased("deepgram", SECRETS[0]))
    async with leasing(tmp_path, controller) as meter:
        keys = meter.runtime.keys
        assert keys is not None
        stt = meter.gateway.stt("deepgram/nova-3", base_url=meter.sims.deepgram.plugin_kwargs()["base_url"])
        async with stt.stream(conn_options=NO_RETRY) as stream:
            # Its task has not begun.
            keys.report()
            keys.answered(KeysAnswer(keys=(leased("deepgram", SECRETS[1], version=2),)), sent_ns=boot_ns())
            await transcribe(stream, utterance())
        await stt.aclose()
        used, record = await keys_used(meter), await meter.record()

    assert used == [key_fact(SECRETS[1])]
    assert record[names.KEY_ID] == fingerprint(SECRETS[1])


async def test_realtime_session_is_begun_with_the_newest_key_or_not_at_all(tmp_path: Path) -> None:
    controller = KeyController(ONE)
    async with leasing(tmp_path, controller) as meter:
        model_of_speech = meter.gateway.realtime(
            "openai/gpt-realtime", base_url=meter.sims.openai.plugin_kwargs()["base_url"], conn_options=NO_RETRY
        )
        controller.keys = (leased("openai", SECRETS[1], version=2),)
        await hear(meter)
        session = model_of_speech.session()
        await session.generate_reply()
        await session.aclose()
        controller.keys = ()
        await hear(meter)
        with pytest.raises(APIStatusError, match="was revoked"):
            model_of_speech.session()
        used = await keys_used(meter)

    assert set(used) == {key_fact(SECRETS[1])}


async def test_chain_goes_on_with_the_next_when_a_key_is_revoked(tmp_path: Path) -> None:
    controller = KeyController(ONE, leased("groq", "gq-secret-0123456789"))
    async with leasing(tmp_path, controller) as meter:
        llm = meter.gateway.llm(chain(meter))
        await ask(llm)
        controller.keys = controller.keys[1:]
        await hear(meter)
        await ask(llm)
        await llm.aclose()
        records = await meter.records()

    assert [(record[names.REQUEST_MODEL], record.outcome) for record in records] == [
        ("gpt-4.1-mini", "ok"),
        ("gpt-4.1-mini", "error"),
        ("llama-3.3-70b-versatile", "ok"),
    ]


async def test_chain_leaves_out_whom_nobody_lends_a_key_for(tmp_path: Path) -> None:
    controller = KeyController(leased("groq", "gq-secret-0123456789"))
    async with leasing(tmp_path, controller) as meter:
        llm = meter.gateway.llm(chain(meter))
        assert llm.model == "llama-3.3-70b-versatile"
        controller.keys = ()
        await hear(meter)
        with pytest.raises(NoCandidate, match="openai: no API key"):
            meter.gateway.llm(chain(meter))
        await llm.aclose()


async def test_each_project_uses_its_own_key(tmp_path: Path) -> None:
    mine = leased("openai", SECRETS[1], id="acme", projects=("acme",))
    async with leasing(tmp_path, KeyController(ONE, mine)) as meter:
        for project in ("acme", "globex"):
            with job(f"AJ_{project}", attributes={names.PROJECT: project}):
                llm = model(meter)
                await ask(llm)
                await llm.aclose()
        used = await keys_used(meter)

    assert used == [key_fact(SECRETS[1]), key_fact(SECRETS[0])]


async def test_with_the_controller_down_calls_go_on_until_the_keys_expire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_ns = 0
    clock = boot_ns
    monkeypatch.setattr(keyring, "boot_ns", lambda: clock() + passed_ns)
    controller = KeyController(leased("openai", SECRETS[0], ttl_ms=900_000))
    async with leasing(tmp_path, controller) as meter:
        llm = model(meter)
        await ask(llm)
        controller.is_down = True
        passed_ns = 14 * 60 * 10**9
        await ask(llm)
        again = model(meter)
        await ask(again)
        passed_ns += 61 * 10**9
        with pytest.raises(APIStatusError, match="has expired"):
            await ask(llm)
        with pytest.raises(MissingKey):
            model(meter)
        for each in (llm, again):
            await each.aclose()
        used = await keys_used(meter)

    assert used == [key_fact(SECRETS[0])] * 3


async def test_locked_vault_takes_no_key_away(tmp_path: Path) -> None:
    controller = KeyController(ONE)
    async with leasing(tmp_path, controller) as meter:
        llm = model(meter)
        controller.is_locked = True
        await hear(meter)
        await ask(llm)
        await llm.aclose()


@pytest.mark.parametrize("is_down", [True, False], ids=["down", "silent"])
async def test_resolving_waits_a_moment_and_says_what_is_missing(
    is_down: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "WORD_WITHIN_S", 0.2)
    controller = KeyController(ONE)
    controller.is_down = is_down
    if not is_down:
        controller.hold.clear()
    async with leasing(tmp_path, controller) as meter:
        with pytest.raises(MissingKey, match="set OPENAI_API_KEY or pass api_key=…; nor does the controller lend one"):
            model(meter)
        controller.is_down = False
        controller.hold.set()
        await hear(meter)
        await model(meter).aclose()


async def test_detached_worker_waits_for_nobody(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        meter.runtime.keys = None
        began = time.monotonic()
        with pytest.raises(MissingKey, match=r"pass api_key=…$"):
            model(meter)
        assert time.monotonic() - began < keyring.WORD_WITHIN_S


async def test_key_that_is_about_to_be_needed_is_there_before(tmp_path: Path) -> None:
    controller = KeyController(ONE)
    async with leasing(tmp_path, controller) as meter:
        answers = [await meter.gateway.ready(), await meter.gateway.ready()]
        asked = len(controller.messages)
        llm = model(meter)
        await llm.aclose()
        assert len(controller.messages) == asked

    assert answers == [True, True]
    assert controller.needs[0] == ("*",)


async def test_prewarmed_process_holds_keys_and_asks_for_them_while_it_is_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "RENEW_S", 0.05)
    controller = KeyController(ONE)
    async with leasing(tmp_path, controller) as meter:
        met: list[Any] = []
        meter.gateway.prewarm(met.append)("process")
        meter.gateway.prewarm()
        await eventually(lambda: len(controller.needs) >= 4)
        llm = model(meter)
        await llm.aclose()

    assert met == ["process"]
    assert {message.keys for message in controller.messages[:1]} == {KeysReport(needs=("*",))}


async def test_secrets_are_in_no_log_and_no_span(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    controller = KeyController(ONE)
    async with leasing(tmp_path, controller) as meter:
        llm = model(meter)
        await ask(llm)
        controller.keys = (leased("openai", SECRETS[1], version=2),)
        await hear(meter)
        await ask(llm)
        controller.keys = ()
        await hear(meter)
        with pytest.raises(APIStatusError):
            await ask(llm)
        await llm.aclose()
        records = await meter.records()
        kept = b"".join(path.read_bytes() for path in (tmp_path / "outbox").rglob("*") if path.is_file())

    told = f"{records!r}{[record.facts for record in records]!r}{caplog.text}"
    assert [secret for secret in SECRETS if secret in told or secret.encode() in kept] == []
    assert "was revoked" in caplog.text
