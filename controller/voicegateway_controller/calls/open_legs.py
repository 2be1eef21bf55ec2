"""What legs that are not in the books yet have cost so far, by the prices of now."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from voicegateway_controller.calls import schemas
from voicegateway_controller.calls.legs import LIVEKIT, METER, MODALITIES, SHORTEST_MS, EndedLeg, billed_as
from voicegateway_controller.calls.telephony import Telephony
from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog, RatingRequest, rate


def open_legs(
    rows: Sequence[asyncpg.Record], telephony: Telephony, catalog: Catalog, *, now: datetime, project: str
) -> tuple[list[schemas.OpenLeg], int]:
    """Return the legs as they are shown, one for each who bills them, and their sum in pico-USD."""
    shown: list[schemas.OpenLeg] = []
    total = 0
    for row in rows:
        leg = _leg(row, now=now)
        started = min(leg.started_at or leg.end_at, leg.end_at)
        duration_ms = max((leg.end_at - started) // timedelta(milliseconds=1), SHORTEST_MS)
        for provider, model, _ in billed_as(leg, telephony):
            rating = rate(
                RatingRequest(
                    provider=provider,
                    model=model,
                    modality=MODALITIES[leg.kind],
                    at=now,
                    usage={METER: duration_ms},
                    context={"plan": telephony.plan} if telephony.plan and provider == LIVEKIT else {},
                    project=project or telephony.default_project,
                ),
                catalog,
            )
            total += rating.amount_pico_usd
            shown.append(
                schemas.OpenLeg(
                    part=MODALITIES[leg.kind],
                    provider=provider,
                    model=model,
                    started_at=row["started_at"],
                    ended_at=row["end_at"],
                    duration_ms=duration_ms,
                    amount_usd=format_usd(rating.amount_pico_usd),
                    is_unrated=rating.is_unrated,
                )
            )
    return shown, total


def _leg(row: asyncpg.Record, *, now: datetime) -> EndedLeg:
    return EndedLeg(
        leg_id=row["leg_id"],
        kind=row["kind"],
        resource_id=row["resource_id"],
        direction=row["direction"],
        livekit_model=row["livekit_model"],
        carrier_provider=row["carrier_provider"],
        carrier_model=row["carrier_model"],
        call_id=row["call_id"],
        carrier_call_id=row["carrier_call_id"],
        is_connected=row["is_connected"],
        is_unanswered=row["is_unanswered"],
        is_estimated=row["is_estimated"],
        is_end_guessed=row["end_at"] is None,
        is_lost=False,
        started_at=row["started_at"],
        end_at=row["end_at"] or now,
        room_name=row["room_name"],
        session_id="",
        project="",
        agent="",
    )
