"""What the runner repeats for alerts, each step on its own: one that fails holds up no other."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from voicegateway_controller.alerts.channels import Channel
from voicegateway_controller.alerts.delivery import Delivery
from voicegateway_controller.alerts.sources import Sources
from voicegateway_controller.fleet.presence import Presence
from voicegateway_controller.ledger import Ledger

DELIVER_INTERVAL_S: Final = 1.0
"""What an alert waits for at most before it is sent, twice: once to be routed, once to be claimed."""
LOOK_INTERVAL_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Step:
    """Something repeated."""

    name: str
    run: Callable[[], Awaitable[None]]
    interval_s: float


def alert_steps(delivery: Delivery, sources: Sources, ledger: Ledger, presence: Presence) -> Sequence[Step]:
    """Return the steps: deliver on each channel that is set up, look at everything that may have to be told."""

    async def look_at_ledger() -> None:
        await sources.look_at_ledger(ledger.pending, now=datetime.now(UTC))

    async def look_at_prices() -> None:
        await sources.look_at_prices(now=datetime.now(UTC))

    async def look_at_outboxes() -> None:
        await sources.look_at_outboxes(await presence.holders(), now=datetime.now(UTC))

    async def deliver(channel: Channel) -> None:
        await delivery.deliver(channel)

    return (
        Step("alerts.route", delivery.route, DELIVER_INTERVAL_S),
        *(
            Step(f"alerts.deliver.{channel.name}", partial(deliver, channel), DELIVER_INTERVAL_S)
            for channel in delivery.channels
        ),
        Step("alerts.ledger", look_at_ledger, LOOK_INTERVAL_S),
        Step("alerts.prices", look_at_prices, LOOK_INTERVAL_S),
        Step("alerts.outboxes", look_at_outboxes, LOOK_INTERVAL_S),
        Step("alerts.deliveries", sources.look_at_deliveries, LOOK_INTERVAL_S),
    )
