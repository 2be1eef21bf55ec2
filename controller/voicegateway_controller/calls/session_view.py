"""One whole call: every entry the books have of it, in order, and the legs that go on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.access.rules import Access, reachable
from voicegateway_controller.calls import schemas
from voicegateway_controller.calls.open_legs import open_legs
from voicegateway_controller.calls.telephony import Telephony
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.db.sqlfile import load_sql
from voicegateway_controller.errors import NotFound, RedisUnavailable
from voicegateway_controller.fleet import Fleet
from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog

ITEMS_MAX: Final = 5_000
"""Requests listed; the sums hold all of them."""
OPEN_LEGS_MAX: Final = 500
PENDING_LOOKED_AT_MAX: Final = 20_000
"""Waiting requests that are looked through for this call's."""
TIMEOUT_S: Final = 15.0
SLACK: Final = timedelta(minutes=5)
"""A request that ended before it began, by its worker's clock, is charged a little outside its session."""
PARTS: Final = ("stt", "llm", "tts", "realtime", "transport", "telephony", "recording")
_ALWAYS: Final = (datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_RATINGS: Final = ("usage", "rerate")


class SessionView:
    """Shows calls, for one process; lives as long as it."""

    def __init__(
        self, engine: AsyncEngine, fleet: Fleet, find_catalog: Callable[[], Catalog], telephony: Telephony
    ) -> None:
        self._engine = engine
        self._fleet = fleet
        self._find_catalog = find_catalog
        self._telephony = telephony

    async def session(self, access: Access, session_id: str) -> schemas.Session:
        """Return one call, ended or live. Raises NotFound: unknown, or in no project that the token reaches."""
        projects = reachable(access, None)
        live = await self._live(access, session_id)
        async with (
            raw_connection(self._engine) as connection,
            # One snapshot: sums, entries and open legs of the same instant.
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            rows = await _fetch(connection, "session_rows", session_id, projects)
            span = _span(rows)
            parts = await _fetch(connection, "session_parts", session_id, projects, *span)
            if sum(row["amount_usd"] for row in parts) != sum(row["amount_usd"] for row in rows):
                # Entries outside the session's own time: slower, and all of them.
                span = _ALWAYS
                parts = await _fetch(connection, "session_parts", session_id, projects, *span)
            entries = await _fetch(connection, "session_entries", session_id, projects, *span, ITEMS_MAX)
            pending: int = await connection.fetchval(
                load_sql(__package__ or "", "session_pending"), session_id, projects, PENDING_LOOKED_AT_MAX,
                timeout=TIMEOUT_S,
            )  # fmt: skip
            legs = await _fetch(connection, "session_legs", session_id, OPEN_LEGS_MAX)
        present = dict.fromkeys([*(row["project"] for row in rows), *(each.project for each in live or ())])
        if access.projects is not None:
            # Whose legs these are is known from who carries the call; before anybody said, from its requests.
            legs = [
                row
                for row in legs
                if (access.allows(row["present_project"]) if row["present_project"] else bool(present))
            ]
        if not rows and not parts and not live and not pending and not legs:
            raise NotFound(f"no session {session_id!r} is known: `voicegw sessions list` shows those that are live")
        return self._shown(session_id, list(present), rows, parts, entries, pending, legs, live)

    def _shown(
        self, session_id: str, projects: list[str], rows: Sequence[asyncpg.Record], parts: Sequence[asyncpg.Record],
        entries: Sequence[asyncpg.Record], pending: int, legs: Sequence[asyncpg.Record], live: Any,
    ) -> schemas.Session:  # fmt: skip
        items = [_item(list(lines)) for _, lines in groupby(entries, key=lambda row: row["request_id"])]
        items.sort(key=lambda item: item.started_at or item.ended_at)
        total = sum((row["amount_usd"] for row in parts), Decimal(0))
        shown_legs, open_pico_usd = open_legs(
            legs, self._telephony, self._find_catalog(), now=datetime.now(UTC), project=projects[0] if projects else ""
        )
        by_part: Mapping[str, Any] = {row["modality"]: row for row in parts}
        first = live[0] if live else None
        return schemas.Session(
            session_id=session_id,
            projects=projects or sorted({row["present_project"] for row in legs} - {""}),
            agent=next((row["agent"] for row in rows if row["agent"]), first.agent if first else ""),
            room=next((row["room"] for row in rows if row["room"]), first.room if first else ""),
            started_at=min((row["first_started_at"] for row in rows), default=_first_start(legs)),
            ended_at=max((row["last_ended_at"] for row in rows), default=None),
            is_live=None if live is None else bool(live),
            requests=sum(row["requests"] for row in parts),
            estimated_requests=sum(row["estimated"] for row in parts),
            unrated_requests=sum(row["unrated"] for row in parts),
            corrected_requests=sum(row["corrected"] for row in parts),
            total_usd=_plain(total),
            parts=[
                schemas.PartSum(
                    part=part, requests=by_part[part]["requests"], amount_usd=_plain(by_part[part]["amount_usd"])
                )
                for part in sorted(by_part, key=_place)
            ],
            items=items,
            left_out=sum(row["items"] for row in parts) - len(items),
            pending=pending,
            open_legs=shown_legs,
            so_far_usd=_plain(total + Decimal(format_usd(open_pico_usd))),
        )

    async def _live(self, access: Access, session_id: str) -> list[Any] | None:
        """Return what workers say of the session now; None while nobody can know."""
        try:
            found = await self._fleet.live_sessions(allows=access.allows)
        except RedisUnavailable:
            return None
        return [session for (its_id, _), session in found.items() if its_id == session_id]


def _item(lines: list[asyncpg.Record]) -> schemas.Item:
    first = lines[0]
    newest: dict[str, int] = {}
    for line in lines:
        if line["kind"] in _RATINGS:
            newest[line["meter"]] = max(newest.get(line["meter"], 0), line["revision"])
    return schemas.Item(
        request_id=first["request_id"],
        project=first["project"],
        part=first["modality"],
        provider=first["provider"],
        model=first["model"],
        started_at=first["started_at"],
        ended_at=first["ended_at"] or first["charged_at"],
        outcome=first["outcome"],
        direction=first["direction"],
        amount_usd=_plain(sum((line["amount"] for line in lines), Decimal(0))),
        is_estimated=any(line["estimated"] and line["kind"] == "usage" for line in lines),
        is_unrated=any(
            line["unrated_reason"] is not None and line["kind"] in _RATINGS
            and line["revision"] == newest[line["meter"]]
            for line in lines
        ),
        is_corrected=any(line["kind"] != "usage" for line in lines),
        lines=[schemas.Line(**{name: line[name] for name in schemas.Line.model_fields}) for line in lines],
    )  # fmt: skip


def _span(rows: Iterable[asyncpg.Record]) -> tuple[datetime, datetime]:
    """Return when entries of these were charged: the index on that instant finds them."""
    found = list(rows)
    if not found:
        return _ALWAYS[0], _ALWAYS[0]
    return (
        min(row["first_started_at"] for row in found) - SLACK,
        max(row["last_ended_at"] for row in found) + SLACK,
    )


def _first_start(legs: Iterable[asyncpg.Record]) -> datetime | None:
    return min((row["started_at"] for row in legs if row["started_at"] is not None), default=None)


def _place(part: str) -> tuple[int, str]:
    return (PARTS.index(part), "") if part in PARTS else (len(PARTS), part)


def _plain(amount: Decimal) -> str:
    """Return the amount without an exponent and without zeros at its end, as the other reports write it."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text


async def _fetch(connection: Connection, name: str, *arguments: Any) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(
        load_sql(__package__ or "", name), *arguments, timeout=TIMEOUT_S
    )
    return rows
