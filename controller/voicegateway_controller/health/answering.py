"""Answering: the part of a sync that is about routing. It never fails a message that carries leases."""

from collections.abc import Callable
from typing import Protocol

from voicegateway_controller import metrics
from voicegateway_controller.health.board import HealthBoard
from voicegateway_controller.logs import get_logger
from voicegateway_shared.routing.chain import Routing
from voicegateway_shared.wire import RoutingAnswer, RoutingReport

_log = get_logger(__name__)


class Chains(Protocol):
    """The declared chains, as far as a sync is concerned."""

    def told(self, tag: str, allows: Callable[[str], bool]) -> tuple[str, Routing | None]:
        """Return the tag of what a holder may meet, and that unless the holder named this tag."""
        ...


class RoutingAnswering:
    """Lives as long as the process. Holds nothing that needs closing."""

    def __init__(self, health: HealthBoard, chains: Chains | None = None) -> None:
        self._health, self._chains = health, chains

    async def answer(
        self, holder: str, report: RoutingReport, *, allows: Callable[[str], bool]
    ) -> RoutingAnswer | None:
        """Take a report and answer it; None when something went wrong that nobody foresaw: it is said again."""
        try:
            number = await self._health.take(holder, report)
            version, health = self._health.told(holder, report.health_version)
            tag, routing = ("", None) if self._chains is None else self._chains.told(report.tag, allows)
        except Exception as error:  # noqa: BLE001 - leases and money are answered all the same
            metrics.UNEXPECTED_ERRORS.inc()
            _log.error("routing.crashed", exc_info=error)
            return None
        return RoutingAnswer(tag=tag, routing=routing, health_version=version, health=health, number=number)
