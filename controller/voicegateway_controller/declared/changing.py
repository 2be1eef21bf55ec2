"""Changing a layer: of one kind or several at once, all in one transaction with the version that it makes."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit.record import Change as Audited
from voicegateway_controller.audit.record import record_change
from voicegateway_controller.configuration.layering import Difference, Layer, Merged
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.declared.store import LOCK, TIMEOUT_S, StoredSet
from voicegateway_controller.errors import Conflict

if TYPE_CHECKING:
    from voicegateway_controller.declared.service import DeclaredSets

CHANGE_LOCK: Final = 0x5647_434F_4E46
"""Advisory lock: versions are made one after the other. The letters say VGCONF. Taken before any set's own."""
SUMMARY_NAMES_MAX: Final = 5
"""Resources named in a version's summary; of more only how many."""

_NEWEST: Final = "SELECT coalesce(max(number), 0) FROM configuration_version"
_INSERT_VERSION: Final = """
INSERT INTO configuration_version (number, actor, layer, kinds, summary, reason, origin, rollback_of)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_INSERT_LAYER: Final = """
INSERT INTO configuration_layer (version, kind, layer, revision, document) VALUES ($1, $2, $3, $4, $5::json)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """What somebody wants a layer to say from now on; immutable."""

    layer: Layer
    documents: Mapping[str, Any]
    """By kind; None: nothing. A kind that is not named stays as it is."""
    by: str
    """A token's id, or whose file it is; never a secret."""
    expected: Mapping[str, int] = field(default_factory=dict)
    """The revisions that it was decided on, by kind."""
    expected_version: int | None = None
    reason: str = ""
    origin: str = ""
    rollback_of: int | None = None

    @property
    def verb(self) -> str:
        """What the audit log calls it."""
        if self.rollback_of is not None:
            return "rollback"
        return "declare" if self.layer == "db" else "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One kind's part of a change, read and checked and not yet made; immutable."""

    sets: "DeclaredSets[Any]"
    before: StoredSet | None
    layers: Mapping[Layer, Any]
    """As they would be."""
    said: Any
    """What the layer said before."""
    merged: Merged
    is_changed: bool
    changes: tuple[Difference, ...] = ()
    """Of the layer."""
    effective_changes: tuple[Difference, ...] = ()
    """Of what holds."""

    @property
    def revision(self) -> int:
        """The revision in force before it."""
        return 0 if self.before is None else self.before.revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What came of a change, or would come of it; immutable."""

    version: int
    """In force from now on."""
    is_changed: bool
    revisions: Mapping[str, int]
    """In force from now on, of the kinds that were named."""
    merged: Mapping[str, Merged]
    changes: tuple[Difference, ...] = ()
    effective_changes: tuple[Difference, ...] = ()


async def change_layer(
    engine: AsyncEngine, kinds: Sequence["DeclaredSets[Any]"], wanted: LayerChange, *, is_dry_run: bool = False
) -> Changed:
    """Let a layer say something else, of these kinds; what already holds makes no new version.

    Raises BadRequest with the place and the reason when what would hold is wrong, Conflict when it was decided on
    something that no longer holds, DatabaseUnavailable when it could not be stored: then nothing has changed.
    """
    made: list[tuple[Planned, StoredSet]] = []
    async with AsyncExitStack() as stack:
        for sets in kinds:
            await stack.enter_async_context(sets.taking)
        async with raw_connection(engine) as connection, connection.transaction():
            await connection.execute(LOCK, CHANGE_LOCK, timeout=TIMEOUT_S)
            version: int = await connection.fetchval(_NEWEST, timeout=TIMEOUT_S)
            if wanted.expected_version is not None and wanted.expected_version != version:
                raise Conflict(
                    f"the configuration is at version {version}, not {wanted.expected_version}: "
                    "read it and decide again"
                )
            plans = [await sets.plan(connection, wanted) for sets in kinds]
            changed = [plan for plan in plans if plan.is_changed]
            if changed:
                version += 1
            if changed and not is_dry_run:
                made = await _make(connection, changed, wanted, version)
        for plan, stored in made:
            plan.sets.adopt(stored)
    for plan, stored in made:
        await plan.sets.tell(stored, wanted)
    revisions: dict[str, int] = {plan.sets.kind: plan.revision for plan in plans}
    return Changed(
        version=version,
        is_changed=bool(changed),
        revisions={**revisions, **{plan.sets.kind: stored.revision for plan, stored in made}},
        merged={plan.sets.kind: plan.merged for plan in plans},
        changes=tuple(each for plan in plans for each in plan.changes),
        effective_changes=tuple(each for plan in plans for each in plan.effective_changes),
    )


async def _make(
    connection: Connection, plans: Sequence[Planned], wanted: LayerChange, version: int
) -> list[tuple[Planned, StoredSet]]:
    await connection.execute(
        _INSERT_VERSION,
        version,
        wanted.by,
        wanted.layer,
        [plan.sets.kind for plan in plans],
        summary([each for plan in plans for each in plan.changes]),
        wanted.reason,
        wanted.origin,
        wanted.rollback_of,
        timeout=TIMEOUT_S,
    )
    made = []
    for plan in plans:
        stored = await plan.sets.store(connection, plan, by=wanted.by)
        document = msgspec.json.encode(plan.layers.get(wanted.layer)).decode()
        kind = plan.sets.kind
        await connection.execute(
            _INSERT_LAYER, version, kind, wanted.layer, stored.revision, document, timeout=TIMEOUT_S
        )
        made.append((plan, stored))
    # Last, for until the transaction ends every other change waits for its turn in the log.
    for plan in plans:
        await record_change(
            connection,
            Audited(
                actor=wanted.by,
                action=f"{plan.sets.kind}.{wanted.verb}",
                resource=plan.sets.kind if wanted.layer == "db" else f"config/{wanted.layer}/{plan.sets.kind}",
                before=plan.said,
                after=plan.layers.get(wanted.layer),
                reason=wanted.reason or wanted.origin,
            ),
        )
    return made


def summary(changes: Sequence[Difference]) -> str:
    """Return what a change does, in one line: `limits: + openai, ~ groq; routing: - stacks.old`."""
    marks = {"added": "+", "changed": "~", "removed": "-"}
    told = []
    for section in dict.fromkeys(each.section for each in changes):
        own = [f"{marks[each.change]} {each.id}" for each in changes if each.section == section]
        more = [f"{len(own) - SUMMARY_NAMES_MAX} more"] if len(own) > SUMMARY_NAMES_MAX else []
        told.append(f"{section}: {', '.join([*own[:SUMMARY_NAMES_MAX], *more])}")
    return "; ".join(told) or "nothing is declared differently"
