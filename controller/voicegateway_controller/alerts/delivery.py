"""Deliver alerts: written down, claimed, sent, settled; retried for hours, then given up where people see it.

A runner that dies between sending and settling leaves its claim to run out, and the alert is sent again: at least once,
with an id that stays the same. Nothing is ever lost.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.alerts import store
from voicegateway_controller.alerts.channels import Channel
from voicegateway_controller.alerts.outcome import ERROR_CHARS_MAX, NotDelivered, next_attempt
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.logs import get_logger

CLAIM_S: Final = 120.0
"""Longer than any channel may take (30 s) and any settling after it (some seconds)."""
TOGETHER_MAX: Final = 4
"""Attempts at once on one channel: a slow receiver is not flooded, a backlog of hundreds is gone in minutes."""
ROUTE_MAX: Final = 500
UNSET_AFTER_S: Final = 3_600.0
"""A channel that no runner has had for an hour is gone, rather than being rolled out."""

_log = get_logger(__name__)


class Delivery:
    """Delivers for one runner; any number may work on one database. Holds nothing that needs closing."""

    def __init__(
        self, engine: AsyncEngine, channels: Sequence[Channel], *, chance: Callable[[], float] = random.random
    ) -> None:
        self._engine = engine
        self._channels = channels
        self._chance = chance

    @property
    def channels(self) -> Sequence[Channel]:
        """The channels that are set up."""
        return self._channels

    async def route(self) -> None:
        """Write down to which channels fresh alerts go, and give up what waits for a channel that is gone."""
        names = [channel.name for channel in self._channels]
        async with raw_connection(self._engine) as connection:
            while await store.route(connection, names, limit=ROUTE_MAX) == ROUTE_MAX:
                pass
            gone = await store.abandon(
                connection, names, error="no runner has this channel set up any more", after_s=UNSET_AFTER_S
            )
        if gone:
            _log.error("alert.channel_gone", deliveries=gone)

    async def deliver(self, channel: Channel) -> int:
        """Deliver what is due on a channel, until nothing is; return how many attempts there were."""
        attempts = 0
        while True:
            async with raw_connection(self._engine) as connection:
                claimed = await store.claim(connection, channel.name, limit=TOGETHER_MAX, for_s=CLAIM_S)
            if not claimed:
                return attempts
            attempts += len(claimed)
            # Each to its end, whatever becomes of the others: what was sent should be settled.
            ended = await asyncio.gather(*(self._attempt(channel, each) for each in claimed), return_exceptions=True)
            for failure in ended:
                if failure is not None:
                    raise failure

    async def _attempt(self, channel: Channel, claimed: store.Claimed) -> None:
        error = await _send(channel, claimed)
        if error is None:
            await self._settle(channel, claimed, "delivered", "")
            return
        retry = next_attempt(error, attempts=claimed.attempts, chance=self._chance)
        if retry is None:
            await self._settle(channel, claimed, "dead", str(error))
        else:
            await self._settle(channel, claimed, "pending", str(error), again_in_s=retry.after_s)

    async def _settle(
        self, channel: Channel, claimed: store.Claimed, state: store.State, error: str, *, again_in_s: float = 0.0
    ) -> None:
        async with raw_connection(self._engine) as connection:
            is_ours = await store.settle(
                connection, claimed, channel.name, state=state, error=error[:ERROR_CHARS_MAX], again_in_s=again_in_s
            )
        result = "retried" if state == "pending" else state
        metrics.ALERT_DELIVERIES.labels(channel.name, result).inc()
        facts = {"alert_id": str(claimed.alert.id), "channel": channel.name, "attempts": claimed.attempts}
        if not is_ours:
            _log.warning("alert.claim_lost", result=result, **facts)
        elif state == "delivered":
            _log.info("alert.delivered", **facts)
        elif state == "dead":
            _log.error("alert.given_up", error=error, **facts)
        else:
            _log.warning("alert.not_delivered", error=error, again_in_s=round(again_in_s), **facts)


async def _send(channel: Channel, claimed: store.Claimed) -> NotDelivered | None:
    try:
        await channel.send(claimed.alert)
    except NotDelivered as error:
        return error
    # The outermost loop of a delivery: a defect of ours in one alert must not hold up the others.
    except Exception as error:  # noqa: BLE001
        metrics.UNEXPECTED_ERRORS.inc()
        _log.error("alert.crashed", channel=channel.name, alert_id=str(claimed.alert.id), exc_info=error)
        return NotDelivered(f"an error of ours: {type(error).__name__}", is_final=False)
    return None
