"""Routings: which chains, stacks and defaults hold, declared by people, learned by every replica within a second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.configuration.layering import Merged
from voicegateway_controller.declared import Allows, Declared, DeclaredSets, SetCopy, SetTable, StoredSet
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.limits.providers import known_providers
from voicegateway_controller.routing.definitions import (
    RoutingDefinitions,
    joined,
    split,
    stored_routing,
    unheard_of,
    validated,
)
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.routing import Routing

APPLY_LOCK: Final = 0x5647_524F_5554
"""Advisory lock: sets are declared one after the other. The letters say VGROUT."""
ROUTING_SETS: Final = SetTable("routing_set", apply_lock=APPLY_LOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What came of declaring a set."""

    revision: int
    """That holds from now on."""
    is_changed: bool
    """False when this very set was in force already: no new revision was made."""
    routing: Routing
    warnings: tuple[str, ...] = ()
    """What the person who declared it should know."""


class Routings(DeclaredSets[RoutingDefinitions]):
    """The routing in force; lives as long as the process. `start` and `close` are its owner's."""

    def __init__(self, engine: AsyncEngine, copy: SetCopy) -> None:
        super().__init__("routing", engine, ROUTING_SETS, copy, revision=metrics.ROUTING_REVISION)

    def validate(self, document: object) -> Routing:
        """Return what a document would mean; BadRequest with the reason when it is wrong."""
        return validated(document, providers=known_providers())

    async def apply(self, document: Mapping[str, Any], *, by: str, expected: int | None = None) -> Applied:
        """Declare a whole set; what it means is told together with the other layers.

        Raises BadRequest with the reason when the set is wrong, Conflict when `expected` is not the revision in force,
        DatabaseUnavailable when it could not be stored: then nothing has changed.
        """
        made = await self._change(document, by=by, expected=expected)
        # A layer may name chains of the others: only together they mean something.
        routing = self.validate(made.merged[self.kind].document)
        warnings = unheard_of(routing, providers=known_providers())
        return Applied(
            revision=made.revisions[self.kind], is_changed=made.is_changed, routing=routing, warnings=warnings
        )

    def told(self, tag: str, allows: Allows) -> tuple[str, Routing | None]:
        """Return the tag of what a holder may meet, and that unless the holder named this tag.

        While nobody knows here what is declared, what the holder knows still holds.
        """
        definitions = self.known
        if definitions is None:
            return tag, None
        ours, routing = definitions.part_for(allows)
        return ours, None if tag == ours else routing

    def _written(self, sections: Sequence[Declared]) -> Any:
        return joined(sections)

    def _sections(self, document: Any) -> Sequence[Declared]:
        return split(document)

    def _check(self, document: object, merged: Merged) -> None:
        try:
            self.validate(merged.document)
        except BadRequest as error:
            # Of the whole: the layer that it is of is found by the place.
            raise ConfigurationError(str(error)) from error

    def _read(self, stored: StoredSet) -> RoutingDefinitions:
        return RoutingDefinitions(
            revision=stored.revision,
            document=stored.document,
            routing=stored_routing(stored.document),
            created_at=stored.created_at,
            created_by=stored.created_by,
        )
