"""Whatever befalls three voices of a route: all is said once and billed as vendors bill it, or one error is told."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIError
from tests.integration.testing_vendors.bench import NO_RETRY, RETRY
from tests.integration.voicegateway.metering import metering, total
from tests.integration.voicegateway.test_failover_tts import HIGH, REPLY
from tests.integration.voicegateway.voices import OPENAI, fault, listening, route_of, say, speech_fault

from voicegateway.routing.route import Route
from voicegateway.testing.vendors import CartesiaOptions, FaultRule
from voicegateway.testing.vendors.cartesia_connection import CartesiaConnection
from voicegateway_shared.telemetry import attributes as names

SEEDS = (11, 23, 37, 41, 58, 76)
LENGTH_S = len(REPLY) / 14


def troubles(dice: random.Random) -> tuple[FaultRule, ...]:
    """What goes wrong, with the first requests of each kind."""
    found = []
    for nth in (1, 2, 3):
        if dice.random() < 0.6:
            kind = dice.choice(["vendor_error", "close_mid_stream", "abort_mid_stream", "stall"])
            when: dict[str, Any] = {"stall_s": 60} if kind == "stall" else {"after_chunks": dice.randrange(30)}
            found.append(fault(kind, nth=nth, **when))
        if dice.random() < 0.25:
            found.append(fault(dice.choice(["server_error", "rate_limited"]), "tts_socket", nth=nth))
        if dice.random() < 0.3:
            found.append(speech_fault("abort_mid_stream", nth=nth, after_chunks=dice.randrange(20)))
    return tuple(found)


@pytest.mark.parametrize("seed", SEEDS)
async def test_all_is_said_once_or_an_error_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    fail = CartesiaConnection.fail

    async def fail_or_hang(self: CartesiaConnection, rule: FaultRule) -> None:
        if (rule.after_chunks or 0) % 3 == 2:
            self.fault_outcome, self._is_mute = rule.outcome, True
        else:
            await fail(self, rule)

    monkeypatch.setattr(CartesiaConnection, "fail", fail_or_hang)
    monkeypatch.setattr(Route, "usual_ttfb_s", lambda self, member: 0.06)
    pace = CartesiaOptions(first_chunk_ms=5, chunk_every_ms=dice.choice([0, 2, 5]))
    async with metering(tmp_path, faults=troubles(dice), cartesia=pace) as meter:
        others = [("cartesia/sonic-2", {"sample_rate": dice.choice([16_000, 24_000])}), OPENAI]
        dice.shuffle(others)
        voice = route_of(meter, "cartesia/sonic-3", *others, attempt_timeout_ms=300, is_hedged=dice.random() < 0.4)
        events = listening(voice)
        parts = [f"{word} " for word in REPLY.split()] if dice.random() < 0.6 else REPLY
        heard = None
        try:
            async with asyncio.timeout(20):
                heard = await say(voice, parts, options=dice.choice([RETRY, NO_RETRY]), pause_s=dice.choice([0, 0.01]))
        except APIError:
            assert [error.recoverable for error in events.errors][-1:] == [False]
        await voice.aclose()
        records, bills = await meter.records(), await meter.bills()

    if heard is not None:
        assert all(error.recoverable for error in events.errors)
        assert LENGTH_S - 0.9 < heard.seconds < LENGTH_S + 1.2
        assert (heard.rates, heard.finals) == ({HIGH}, 1)
        assert heard.told in ("", REPLY)
    sent = [record.usage.get("characters_sent", 0) for record in records if "sonic" in record[names.REQUEST_MODEL]]
    assert (
        sum(sent) == total([bill for bill in bills if bill.vendor == "cartesia"], "characters_sent")["characters_sent"]
    )
    assert meter.runtime.hook_errors == 0
    left = [task.get_name() for task in asyncio.all_tasks()]
    assert [name for name in left if name.startswith(("voicegateway feed", "AudioEmitter", "TTS._"))] == []
