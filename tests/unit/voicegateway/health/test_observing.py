"""What the end of an attempt says of its vendor, and what it does not."""

import asyncio
from typing import Any

import pytest
from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError
from tests.unit.voicegateway.records import IDENTITY

from voicegateway.health.observing import observe_attempt, outcome_of_status
from voicegateway.instrument import request
from voicegateway.record import PluginFacts, RequestRecord
from voicegateway_shared.wire import HealthTarget

TARGET = HealthTarget(provider="openai", model="gpt-4.1-mini", modality="llm", account="k1", region="eu.example")


class Heard:
    """A runtime as far as observing is concerned."""

    def __init__(self) -> None:
        self.health = self
        self.seen: list[tuple[HealthTarget, dict[str, Any]]] = []

    def observe(self, target: HealthTarget, **what: Any) -> None:
        self.seen.append((target, what))

    def settle(self, record: RequestRecord, outcome: str) -> None:
        self.guards = self

    def ended(self, record: RequestRecord) -> None:
        """As a guard hears it."""

    def hook_failed(self, where: str, error: BaseException) -> None:
        raise error


def record(modality: Any = "llm", **changes: Any) -> RequestRecord:
    facts = PluginFacts(provider="openai", modality=modality, project=None, key_id="k1", region="eu.example")
    return RequestRecord(facts=facts, identity=IDENTITY, project="acme", model="gpt-4.1-mini", attempts=1, **changes)


def seen(of: RequestRecord, error: BaseException | None) -> list[tuple[HealthTarget, dict[str, Any]]]:
    heard = Heard()
    observe_attempt(of, heard, error)  # type: ignore[arg-type]  # what observing needs of a runtime
    return heard.seen


def outcomes(of: RequestRecord, error: BaseException | None) -> list[str]:
    return [what["outcome"] for _, what in seen(of, error)]


def test_a_success_tells_the_time_from_asking_the_vendor() -> None:
    answered = record(ttfb_ns=350_000_000, admission_wait_ns=50_000_000)

    assert seen(answered, None) == [(TARGET, {"outcome": "ok", "ttfb_ns": 300_000_000, "retry_after_ms": 0})]


ERRORS = {
    "500": (APIStatusError("", status_code=500), ["failed"]),
    "529": (APIStatusError("", status_code=529), ["failed"]),
    "401": (APIStatusError("", status_code=401), ["unauthorized"]),
    "402": (APIStatusError("", status_code=402), ["unauthorized"]),
    "429": (APIStatusError("", status_code=429), ["limited"]),
    "504": (APIStatusError("", status_code=504), ["timed_out"]),
    "timeout": (APITimeoutError(), ["timed_out"]),
    "connection": (APIConnectionError(), ["failed"]),
    "socket": (ConnectionResetError(), ["failed"]),
    "nonsense": (APIError("no such event"), ["failed"]),
    "socket died": (APIStatusError("", status_code=-1), ["failed"]),
    "socket closed by a restart": (APIStatusError("", status_code=1012), ["failed"]),
    "bad request": (APIStatusError("", status_code=400), []),
    "no such model": (APIStatusError("", status_code=404), []),
    "closed by the client": (APIStatusError("", status_code=499), []),
    "audio that it cannot read": (APIStatusError("", status_code=1007), []),
    "a bug of a plugin": (KeyError("choices"), []),
    "cancelled": (asyncio.CancelledError(), []),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_only_what_is_the_vendors_doing_counts(name: str) -> None:
    error, expected = ERRORS[name]

    assert outcomes(record(), error) == expected


def test_a_cancelled_request_that_had_its_first_byte_went_well() -> None:
    assert outcomes(record(ttfb_ns=1), asyncio.CancelledError()) == ["ok"]


def test_a_stream_that_was_asked_for_nothing_says_nothing() -> None:
    assert [outcomes(record(modality), None) for modality in ("tts", "stt", "llm")] == [[], [], []]


def test_what_no_task_of_ours_made_is_observed_when_it_is_settled() -> None:
    heard = Heard()
    for outcome in ("ok", "cancelled", "error"):
        request.settle(record("realtime", ttfb_ns=200_000_000), heard, outcome)  # type: ignore[arg-type]  # see above

    assert [(what["outcome"], what["ttfb_ns"]) for _, what in heard.seen] == [("ok", 200_000_000)] * 2


def test_what_is_said_twice_of_an_attempt_counts_once() -> None:
    heard, one = Heard(), record("stt", chunks=1)
    for error in (None, None, APIConnectionError(), APIConnectionError()):
        observe_attempt(one, heard, error)  # type: ignore[arg-type]  # what observing needs of a runtime

    assert [what["outcome"] for _, what in heard.seen] == ["ok", "failed"]


def test_the_time_for_which_a_vendor_wants_us_away_is_found_behind_the_plugins_error() -> None:
    class Answered(Exception):
        def __init__(self) -> None:
            self.status, self.headers = 429, {"retry-after": "7"}

    error = APIStatusError("", status_code=429)
    error.__cause__ = Answered()

    assert seen(record(), error)[0][1]["retry_after_ms"] == 7_000


def test_every_status_and_code_says_something_or_nothing() -> None:
    assert {outcome_of_status(code) for code in range(-1, 5_000)} == {
        None, "failed", "timed_out", "limited", "unauthorized",
    }  # fmt: skip
