"""ElevenLabs' analytics: a workspace is billed in dollars (`analytics/usage`) or in credits (`analytics/query/…`).

Shapes are those of ElevenLabs' SDK 2.78.0: tables whose columns are found by name. Names of columns other than
`total_cost` and `total_charge_count` are not public; they continue the names of dimensions.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Literal

from aiohttp import web

from voicegateway.testing.vendors.billing.books import VendorBooks
from voicegateway.testing.vendors.billing.charges import Charge
from voicegateway.testing.vendors.billing.server import BadQuery, BillingServer, known
from voicegateway.testing.vendors.credentials import credential

Regime = Literal["cost", "credits"]
WHOLE_DAYS_S: Final = (86_400, 604_800)
RESTRICTED: Final = (
    "user_id", "hashed_xi_api_key", "region", "reporting_workspace_id", "billing_group_id", "product_type", "surface",
    "actor",
)  # fmt: skip
"""At most two of these; two need a filter on one of them."""
_FREE: Final = ("model", "request_source", "fiat_charge_type", "fiat_currency")
_CREDIT_FREE: Final = (*_FREE, "voice_id", "voice_multiplier", "request_queue_type")
_LABELLED: Final = {"hashed_xi_api_key": "api_key_name", "user_id": "user_email"}
"""Columns of ids, and the columns of their names that are added at the end."""
_HALF_CREDIT_MODELS: Final = ("eleven_flash", "eleven_turbo")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS_MAX: Final = 100_000


class ElevenLabsBilling(BillingServer):
    """ElevenLabs' books over HTTP. Takes `xi-api-key`."""

    vendor: ClassVar[str] = "elevenlabs"

    def __init__(self, books: VendorBooks, *, admin_key: str, regime: Regime = "cost") -> None:
        super().__init__(books, admin_key=admin_key)
        self._regime = regime
        self._random = random.Random(0)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return both regimes' endpoints, and the subscription."""
        return [
            web.post("/v1/workspace/analytics/usage", self._usage),
            web.post("/v1/workspace/analytics/query/usage-by-product-over-time", self._credits),
            web.get("/v1/user/subscription", self._subscription),
        ]

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        """Return ElevenLabs' error."""
        words = {401: "invalid_api_key", 403: "missing_permissions", 429: "rate_limit_exceeded", 500: "internal_error"}
        return {"detail": {"status": words.get(status, "invalid_request"), "message": message}}

    async def _usage(self, request: web.Request) -> web.Response:
        if self._regime != "cost":
            raise BadQuery("this workspace is billed in credits; query usage-by-product-over-time")
        asked = await _body(request, _FREE)
        if asked.interval_s not in WHOLE_DAYS_S:
            raise BadQuery("interval_seconds must be 86400 or 604800")
        return self._table(
            asked,
            {"total_cost": "usd", "total_charge_count": None},
            lambda group: [
                self.books.dollars([charge.pico_usd for charge in group]),
                sum(_count(charge) for charge in group),
            ],
        )

    async def _credits(self, request: web.Request) -> web.Response:
        if self._regime != "credits":
            raise BadQuery("this workspace is billed by cost; query analytics/usage")
        asked = await _body(request, _CREDIT_FREE)
        return self._table(
            asked, {"credits": "credits"}, lambda group: [_plain(sum(twice_credits(charge) for charge in group), 2)]
        )

    async def _subscription(self, request: web.Request) -> web.Response:
        now = self.books.now()
        used = [
            charge
            for charge in self.books.shown("subscription")
            if (charge.at.year, charge.at.month) == (now.year, now.month)
        ]
        return self.answer(
            {
                "tier": "scale",
                "character_count": -(-sum(twice_credits(charge) for charge in used) // 2),
                "character_limit": 2_000_000,
                "current_overage": {"amount": "0", "currency": "usd"},
                "status": "active",
                "currency": "usd",
                "billing_period": "monthly_period",
                "next_invoice": {
                    "amount_due_cents": -(-sum(charge.pico_usd for charge in used) // 10**10),
                    "next_payment_attempt_unix": int(_next_month(now).timestamp()),
                },
                "open_invoices": [],
            }
        )

    def _table(self, asked: "_Query", sums: Mapping[str, str | None], sums_of: Any) -> web.Response:
        charges = [charge for charge in self.books.shown(asked.text) if asked.takes(charge)]
        groups: dict[tuple[Any, ...], list[Charge]] = {}
        for charge in charges:
            values = _values(charge)
            since_s = int((charge.at - asked.start).total_seconds())
            start_ms = asked.start_ms + since_s // asked.interval_s * asked.interval_s * 1000
            groups.setdefault((start_ms, *(values[name] for name in asked.group_by), charge.copy), []).append(charge)
        labels = [name for name in asked.group_by if name in _LABELLED]
        rows = [
            [*key, *sums_of(group), *(_label(key[1 + asked.group_by.index(name)]) for name in labels)]
            for (*key, _), group in groups.items()
        ]
        columns = ["timestamp", *asked.group_by, *sums, *(_LABELLED[name] for name in labels)]
        types = [
            "DateTime64(3)",
            *["String"] * len(asked.group_by),
            *["Float64"] * len(sums),
            *["String"] * len(labels),
        ]
        units = [None, *[None] * len(asked.group_by), *sums.values(), *[None] * len(labels)]
        order = list(range(len(columns)))
        if self.books.traps.shuffles_columns:
            self._random.shuffle(order)
        return self.answer(
            {
                "columns": [columns[place] for place in order],
                "column_types": [types[place] for place in order],
                "column_units": [units[place] for place in order],
                "rows": [[row[place] for place in order] for row in rows[:_ROWS_MAX]],
            }
        )


class _Query:
    """One question of analytics. Raises BadQuery for one that the vendor would not answer."""

    def __init__(self, body: Any, free: Sequence[str]) -> None:
        if not isinstance(body, dict):
            raise BadQuery("the body must be a JSON object")
        self.text = repr(sorted(body.items()))
        self.start_ms, self.end_ms = _number(body, "start_time"), _number(body, "end_time")
        if self.start_ms >= self.end_ms:
            raise BadQuery("end_time must be after start_time")
        self.start = _EPOCH + timedelta(milliseconds=self.start_ms)
        self.end = _EPOCH + timedelta(milliseconds=self.end_ms)
        self.interval_s = _number(body, "interval_seconds") if "interval_seconds" in body else WHOLE_DAYS_S[0]
        if self.interval_s <= 0:
            raise BadQuery("interval_seconds must be positive")
        self.group_by = known(body.get("group_by") or [], (*RESTRICTED, *free), "group_by")
        self.filters = [self._filter(each, (*RESTRICTED, *free)) for each in body.get("filters") or []]
        restricted = [name for name in self.group_by if name in RESTRICTED]
        if len(restricted) > 2:
            raise BadQuery(f"group_by: at most two of {', '.join(RESTRICTED)}")
        if len(restricted) == 2 and not any(column in restricted for column, _ in self.filters):
            raise BadQuery("group_by: two of these dimensions need a filter on one of them")

    def takes(self, charge: Charge) -> bool:
        """Say whether a charge is asked for."""
        values = _values(charge)
        return self.start <= charge.at < self.end and all(values[column] in wanted for column, wanted in self.filters)

    @staticmethod
    def _filter(each: Any, columns: Sequence[str]) -> tuple[str, list[str]]:
        if not isinstance(each, dict) or each.get("operation", "in") not in ("eq", "in"):
            raise BadQuery("filters: each has a column, an operation (eq or in) and values")
        (column,) = known([str(each.get("column"))], columns, "filters")
        return column, [str(value) for value in each.get("values") or []]


async def _body(request: web.Request, free: Sequence[str]) -> _Query:
    try:
        return _Query(await request.json(), free)
    except ValueError as error:
        raise BadQuery("the body is not JSON") from error


def twice_credits(charge: Charge) -> int:
    """Return two times the credits of a charge: a character is one, with the fast models half of one."""
    if charge.category != "usage" or charge.modality != "tts":
        return 0
    return _count(charge) * (1 if charge.model.startswith(_HALF_CREDIT_MODELS) else 2)


def _values(charge: Charge) -> dict[str, str]:
    products = {"tts": "text_to_speech", "stt": "speech_to_text"}
    return {
        "model": charge.model or charge.sku,
        "hashed_xi_api_key": credential("elevenlabs", charge.key),
        "user_id": "user-simulated" if charge.key else "",
        "region": "us",
        "reporting_workspace_id": charge.account or "workspace-simulated",
        "billing_group_id": "default",
        "product_type": products.get(charge.modality, charge.category),
        "surface": "api",
        "actor": "api_key" if charge.key else "",
        "request_source": "api",
        "fiat_charge_type": charge.category,
        "fiat_currency": "usd",
        "voice_id": charge.context.get("voice", ""),
        "voice_multiplier": "1",
        "request_queue_type": "default",
    }


def _count(charge: Charge) -> int:
    """Return what the charge counts: characters, or seconds of audio."""
    if charge.modality == "tts":
        return sum(meter.quantity for meter in charge.meters)
    return sum(meter.quantity for meter in charge.meters) // 1000


def _plain(numerator: int, denominator: int) -> int | float:
    return numerator // denominator if numerator % denominator == 0 else numerator / denominator


def _label(value: str) -> str:
    return f"Simulated {value[:6]}" if value else ""


def _number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int):
        raise BadQuery(f"{name} must be a whole number")
    return value


def _next_month(now: datetime) -> datetime:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)
