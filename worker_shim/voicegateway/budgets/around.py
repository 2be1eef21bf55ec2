"""What is around a cashier in a process: its sessions and their guards, its outbox, and where errors are counted."""

from collections.abc import Callable, Iterable

from voicegateway.guards import SessionGuards
from voicegateway.outbox import Outbox
from voicegateway.record import RequestRecord
from voicegateway.sessions import Sessions
from voicegateway_shared.budgets import BudgetSpec
from voicegateway_shared.wire import Directive


class ProcessAround:
    """Lives as long as its runtime. Called from the syncer's thread."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        guards: SessionGuards,
        outbox: Outbox,
        hook_failed: Callable[[str, BaseException], None],
    ) -> None:
        self._sessions, self._guards, self._outbox = sessions, guards, outbox
        self._hook_failed = hook_failed

    def hook_failed(self, where: str, error: BaseException) -> None:
        """Count an error of our own."""
        self._hook_failed(where, error)

    def priced(self, record: RequestRecord, cost_nano_usd: int) -> None:
        """Tell the guards of the request's session."""
        self._guards.priced(record, cost_nano_usd)

    def know(self, budgets: Iterable[BudgetSpec]) -> None:
        """Tell the guards, which budgets declare."""
        self._guards.know(budgets)

    def spent(self, budget: BudgetSpec, session_id: str) -> None:
        """End the session whose budget it is, or all that the budget is about."""
        reason = f"budget {budget.id!r} is spent"
        if session_id:
            self._sessions.end(session_id, budget.sentence, reason, budget_id=budget.id)
        else:
            self._sessions.end_under(budget, reason)

    def directed(self, directives: Iterable[Directive]) -> None:
        """Obey."""
        self._sessions.obey(directives)

    def done(self) -> tuple[str, ...]:
        """Directives that were obeyed, by id; told once, for those whose word is lost are given again."""
        return self._sessions.done()

    @property
    def is_done(self) -> bool:
        """Whether there are any."""
        return self._sessions.is_done

    def recovered(self) -> tuple[str, ...]:
        """Incarnations that died on this host and of whose spans every one has been acknowledged."""
        return self._outbox.recovered()

    def forget_recovered(self, incarnations: Iterable[str]) -> None:
        """The controller knows of them."""
        self._outbox.forget_recovered(incarnations)
