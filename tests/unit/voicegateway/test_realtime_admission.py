"""A realtime reply that waits for its admission: whoever asked hears of whatever becomes of it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from voicegateway.instrument import realtime_admission


class Meter:
    """What the admission needs of a session's meter."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_ended = False
        self.settled: list[str] = []

    def response(self) -> Any:
        return SimpleNamespace(outcome=None)

    def asks(self, record: Any) -> None:
        """Nobody counts here."""

    def settle(self, record: Any, outcome: str) -> None:
        self.settled.append(outcome)


async def test_plugin_that_raises_after_the_wait_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async def soon(*_: Any) -> None:
        await asyncio.sleep(0)

    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("no such voice")

    meter: Any = Meter()
    monkeypatch.setattr(realtime_admission, "_ask", lambda record, meter: object())
    monkeypatch.setattr(realtime_admission, "_admit", soon)

    with pytest.raises(ValueError, match="no such voice"):
        async with asyncio.timeout(5):
            await realtime_admission.asked_first(broken, meter)()

    assert meter.settled == ["error"]
