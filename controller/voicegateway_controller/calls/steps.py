"""What the runner does about calls, over and over."""

from collections.abc import Iterator

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.alerts.steps import Step
from voicegateway_controller.calls.livekit_server import open_presences
from voicegateway_controller.calls.lost import INTERVAL_S as LOST_INTERVAL_S
from voicegateway_controller.calls.lost import Lost
from voicegateway_controller.calls.owners import INTERVAL_S as OWNERS_INTERVAL_S
from voicegateway_controller.calls.owners import Owners
from voicegateway_controller.calls.settling import INTERVAL_S as SETTLING_INTERVAL_S
from voicegateway_controller.calls.settling import Settling
from voicegateway_controller.calls.telephony import Telephony
from voicegateway_controller.fleet.presence import Presence
from voicegateway_controller.settings import Settings


def call_steps(engine: AsyncEngine, settings: Settings, telephony: Telephony, presence: Presence) -> Iterator[Step]:
    """Return the runner's steps: legs into the inbox, who pays for live ones, those whose end nobody told."""
    yield Step(
        "calls.settling", Settling(engine, telephony, settle_s=settings.calls_settle_s).step, SETTLING_INTERVAL_S
    )
    yield Step("calls.owners", Owners(engine, presence.holders).step, OWNERS_INTERVAL_S)
    yield Step("calls.lost", Lost(engine, open_presences(settings)).step, LOST_INTERVAL_S)
