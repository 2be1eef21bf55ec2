"""Cartesia's `GET /usage/credits`: credits by UTC day, no money.

Shapes are those of docs.cartesia.ai/api-reference/usage/credits.md. A character costs one credit (1.5 with a
professional voice clone), a second of audio 1 (ink-whisper) or 3 (ink-2), half of that in a batch.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from fractions import Fraction
from typing import Any, ClassVar, Final

from aiohttp import web

from voicegateway.testing.vendors.billing.buckets import Window, grouped
from voicegateway.testing.vendors.billing.charges import Charge
from voicegateway.testing.vendors.billing.server import BadQuery, BillingServer, instant, many
from voicegateway.testing.vendors.credentials import credential

YEAR: Final = timedelta(days=366)
_DAY: Final = timedelta(days=1)
_DIMENSIONS: Final = ("capability", "model", "voice", "api_key")
_LABELS: Final = {"tts": "Text-to-Speech", "stt": "Speech-to-Text"}


class CartesiaBilling(BillingServer):
    """Cartesia's books over HTTP. Takes `Authorization: Bearer sk_car_admin_…` and `Cartesia-Version`."""

    vendor: ClassVar[str] = "cartesia"

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the one endpoint that tells credits of models."""
        return [web.get("/usage/credits", self._credits)]

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        """Return Cartesia's error."""
        titles = {401: "Unauthorized", 403: "Forbidden", 429: "Too many requests", 500: "Internal error"}
        return {"title": titles.get(status, "Invalid request"), "message": message, "status_code": status}

    async def _credits(self, request: web.Request) -> web.Response:
        query = request.query
        if not request.headers.get("Cartesia-Version"):
            raise BadQuery("the Cartesia-Version header is required")
        if query.get("interval", "day") != "day":
            raise BadQuery("interval must be day")
        groups = many(query, "group_by")
        if len(groups) > 1 or set(groups) - set(_DIMENSIONS):
            raise BadQuery(f"group_by takes one of {', '.join(_DIMENSIONS)}")
        start = _midnight(instant(query.get("start_ts"), "start_ts"))
        end = _midnight(instant(query.get("end_ts"), "end_ts") + _DAY - timedelta(microseconds=1))
        if not start < end or end - start > YEAR:
            raise BadQuery("end_ts must be after start_ts, and at most a year later")
        keys = many(query, "api_key")
        asks = f"{request.path}?{sorted(query.items())}"
        charges = [
            charge
            for charge in self.books.shown(asks)
            if charge.category == "usage"
            and start <= charge.at < end
            and (not keys or credential("cartesia", charge.key) in keys)
        ]
        if not groups:
            return self.answer({"data": _buckets(charges, start, end)})
        by = groups[0]
        data = [
            {"id": value, "label": _label(by, value), "buckets": _buckets(group, start, end)}
            for value, group in grouped(charges, lambda charge: _value(charge, by)).items()
        ]
        return self.answer({"group_by": by, "data": data})


def credits_of(charge: Charge) -> Fraction:
    """Return the credits that a charge takes."""
    is_batch = charge.context.get("mode") == "batch"
    total = Fraction()
    for meter in charge.meters:
        if meter.meter == "characters_sent":
            total += meter.quantity * (Fraction(3, 2) if charge.context.get("voice_class") == "pvc" else 1)
        elif meter.meter == "audio_sent_ms":
            rate = 3 if charge.model.startswith("ink-2") else Fraction(1, 2) if is_batch else 1
            total += Fraction(meter.quantity, 1000) * rate
    return total


def _buckets(charges: Sequence[Charge], start: datetime, end: datetime) -> list[dict[str, Any]]:
    days = (end - start) // _DAY
    buckets, _ = Window(start=start, end=end, width=_DAY, limit=days, offset=0).buckets(charges)
    return [
        {"start_ts": _text(bucket.start), "end_ts": _text(bucket.end), "credits": _plain(bucket.charges)}
        for bucket in buckets
    ]


def _plain(charges: Sequence[Charge]) -> int | float:
    total = sum((credits_of(charge) for charge in charges), Fraction())
    return total.numerator if total.denominator == 1 else float(total)


def _value(charge: Charge, by: str) -> str:
    match by:
        case "capability":
            return charge.modality
        case "voice":
            return charge.context.get("voice", "")
        case "api_key":
            return credential("cartesia", charge.key)
        case _:
            return charge.model


def _label(by: str, value: str) -> str:
    if by == "capability":
        return _LABELS.get(value, value)
    return value.replace("-", " ").title() if by == "model" else value


def _midnight(at: datetime) -> datetime:
    return datetime.combine(at.date(), time(), at.tzinfo)


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
