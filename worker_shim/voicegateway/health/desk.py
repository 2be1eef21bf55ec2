"""Desk: what the syncer says of routing and what it hears, handed on to health and to the chains."""

from collections.abc import Callable
from typing import Protocol

from voicegateway.health.book import HealthBook
from voicegateway_shared.routing.chain import Routing
from voicegateway_shared.wire import RoutingAnswer, RoutingReport


class Chains(Protocol):
    """The declared chains, as far as the syncer is concerned."""

    @property
    def tag(self) -> str:
        """Of the chains that are known; empty when none were told."""
        ...

    def take(self, tag: str, routing: Routing | None) -> None:
        """The controller told others; None: what is known under this tag still holds."""
        ...


class Desk:
    """Called from the syncer's thread; lives as long as its runtime."""

    def __init__(self, book: HealthBook, chains: Chains | None = None) -> None:
        self._book, self._chains = book, chains
        self.on_due: Callable[[], None] = lambda: None
        book.told_to(lambda: self.on_due())

    def look(self) -> None:
        """Forget what is over."""
        self._book.tick()

    def due_ns(self) -> int | None:
        """When the next message should be sent; None: it need not."""
        return self._book.due_ns()

    def report(self) -> RoutingReport:
        """What to say now."""
        number, observations = self._book.report()
        return RoutingReport(
            tag="" if self._chains is None else self._chains.tag,
            health_version=self._book.version,
            number=number,
            observations=observations,
        )

    def answered(self, answer: RoutingAnswer | None, *, sent_ns: int) -> None:
        """The controller answered; None: not of routing."""
        if answer is None:
            self._book.failed()
            return
        self._book.answered(answer, sent_ns=sent_ns)
        if self._chains is not None:
            self._chains.take(answer.tag, answer.routing)

    def failed(self) -> None:
        """It did not answer."""
        self._book.failed()
