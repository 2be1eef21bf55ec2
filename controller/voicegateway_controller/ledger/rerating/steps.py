"""What the runner repeats for re-rating."""

from collections.abc import Iterator

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.alerts.steps import Step
from voicegateway_controller.catalog import PriceBook
from voicegateway_controller.ledger.rerating import arrival, work
from voicegateway_controller.ledger.rerating.arrival import PriceArrival
from voicegateway_controller.ledger.rerating.prices import PricesAsOf
from voicegateway_controller.ledger.rerating.work import Rerater


def rerating_steps(engine: AsyncEngine, prices: PriceBook) -> Iterator[Step]:
    """Work on the runs; begin one when a price arrives for what had none."""
    yield Step("rerating", Rerater(engine, PricesAsOf(engine, prices)).step, work.INTERVAL_S)
    yield Step("rerating.arrival", PriceArrival(engine, prices.current).step, arrival.INTERVAL_S)
