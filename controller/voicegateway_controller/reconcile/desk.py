"""All of reconciling that one process has, made in one place."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.alerts import Alerts
from voicegateway_controller.reconcile.accepting import Accepting
from voicegateway_controller.reconcile.asking import Asking
from voicegateway_controller.reconcile.service import Reconciliations
from voicegateway_controller.reconcile.statement import BillingSource
from voicegateway_controller.reconcile.view import ReconciliationsView
from voicegateway_shared.pricing import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Lives as long as the process; `close` ends what is under way."""

    engine: AsyncEngine
    runs: Reconciliations
    view: ReconciliationsView
    accepting: Accepting
    asking: Asking
    threshold: str

    async def close(self) -> None:
        """End the runs that this process began."""
        await self.runs.close()


def open_desk(
    engine: AsyncEngine,
    catalog: Callable[[], Catalog],
    alerts: Alerts,
    *,
    open_source: Callable[[str], BillingSource],
    threshold: str,
) -> Desk:
    """Return it; nothing is asked and nothing runs yet."""
    return Desk(
        engine=engine,
        runs=Reconciliations(engine, catalog, alerts),
        view=ReconciliationsView(engine),
        accepting=Accepting(engine),
        asking=Asking(engine, open_source),
        threshold=threshold,
    )
