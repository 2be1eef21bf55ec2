"""Books what allowances give and cost: the difference between what is due and what is booked, as often as asked."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.allowances import store
from voicegateway_controller.allowances.declaration import Allowance, parse_allowances
from voicegateway_controller.allowances.drawing import draw, month_of
from voicegateway_controller.allowances.due import NAMESPACE, Due, Group, due, posting
from voicegateway_controller.audit import Change, record_change
from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.errors import Conflict
from voicegateway_controller.ledger.books import Correction, book, record_correction
from voicegateway_controller.limits.providers import known_providers
from voicegateway_controller.logs import get_logger
from voicegateway_shared.money import format_usd

INTERVAL_S: Final = 3_600.0
ACTOR: Final = "runner"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What one posting changed of one allowance in one month."""

    name: str
    what: str
    kind: str
    month: date
    entries: int
    pico_usd: int


class AllowancePosting:
    """Posts for one process; lives as long as it. In a fleet one posts at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def step(self) -> None:
        """Post this month and the last, for usage that came late. Raises DatabaseUnavailable."""
        now = datetime.now(UTC)
        this = month_of(now)
        try:
            posted = await self.post(first=(this - timedelta(days=1)).replace(day=1), last=this, now=now, actor=ACTOR)
        except Conflict:
            # Somebody else is at it.
            return
        for each in posted:
            _log.info("allowances.posted", name=each.name, what=each.what, usd=format_usd(each.pico_usd))

    async def post(self, *, first: date, last: date, now: datetime, actor: str) -> list[Posted]:
        """Make the books of some months say what the allowances gave; return what that changed.

        Raises Conflict while somebody else posts, DatabaseUnavailable when Postgres is away: then a part may be done,
        and the next posting does the rest.
        """
        async with raw_connection(self._engine) as holder, holder.transaction():
            if not await holder.fetchval(store.TRY_LOCK, store.POST_LOCK):
                raise Conflict("credits are being posted already: ask again in a minute")
            stored = await store.ALLOWANCE_SETS.newest(holder)
            declared = stored.document if stored is not None else ()
            named = {each["provider"] for each in declared if isinstance(each.get("provider"), str)}
            allowances = parse_allowances(declared, providers=known_providers() | named)
            async with raw_connection(self._engine) as reader:
                drawn = await draw(reader, allowances, first=first, last=last)
            groups = due(allowances, drawn, first=first, last=last, today=now.astimezone(UTC).date())
            posted = [await self._group(group, each, actor) for group, each in sorted(groups.items())]
        return [each for each in posted if each is not None]

    async def _group(self, group: Group, wanted: Sequence[Due], actor: str) -> Posted | None:
        """Book what is missing of one group, in a transaction of its own: it locks few sums, and not for long."""
        name, what, kind, month = group
        async with raw_connection(self._engine) as connection, connection.transaction():
            held = await store.booked(connection, [(each.day, each.request_id) for each in wanted])
            differences = [
                (each, each.pico_usd - held.get(each.request_id, (0, 0))[0])
                for each in wanted
                if each.pico_usd != held.get(each.request_id, (0, 0))[0]
            ]
            if not differences:
                return None
            revision = max((newest for _, newest in held.values()), default=-1) + 1
            correction = _why(wanted[0].allowance, group, actor)
            await record_correction(connection, correction)
            made = posting(differences)
            await book(connection, made, kind=kind, revision=revision, correction_id=correction.id)
            if actor != ACTOR:
                change = Change(
                    actor=actor,
                    action="allowances.post",
                    resource=f"allowances/{name}",
                    project=wanted[0].allowance.project or "",
                    after={"correction_id": correction.id, "entries": len(differences), "month": f"{month:%Y-%m}"},
                    reason=correction.reason,
                )
                await record_change(connection, change)
        total = sum(pico_usd for _, pico_usd in differences)
        return Posted(name=name, what=what, kind=kind, month=month, entries=len(differences), pico_usd=total)


def _why(allowance: Allowance, group: Group, actor: str) -> Correction:
    """One reason for each group and wording of the declaration: what was meant stays known when it is declared anew."""
    name, what, kind, month = group
    evidence = {"allowance": name, "month": f"{month:%Y-%m}", "declared": _declared(allowance)}
    text = msgspec.json.encode(evidence).decode()
    return Correction(
        id=uuid.uuid5(NAMESPACE, f"{what}:{kind}:{text}"),
        kind=what,
        reason=f"{_SENTENCE[what, kind]} {name}, {month:%Y-%m}",
        actor=actor,
        evidence=evidence,
    )


_SENTENCE: Final = {
    ("allowance", "credit"): "usage covered by allowance",
    ("prepaid", "credit"): "usage drawn from pack",
    ("prepaid", "purchase"): "bought pack",
    ("subscription", "purchase"): "fee of",
}


def _declared(allowance: Allowance) -> dict[str, object]:
    shown = {
        "provider": allowance.provider,
        "models": allowance.models,
        "meters": allowance.meters,
        "project": allowance.project,
        "quantity": str(allowance.quantity) if allowance.quantity is not None else "",
        "usd": format_usd(allowance.pico_usd) if allowance.pico_usd else "",
        "fee": format_usd(allowance.fee_pico_usd) if allowance.fee_pico_usd else "",
        "price": format_usd(allowance.price_pico_usd) if allowance.price_pico_usd else "",
        "bought_on": allowance.bought_on,
        "expires_on": allowance.expires_on,
    }
    return {key: value for key, value in shown.items() if value}
