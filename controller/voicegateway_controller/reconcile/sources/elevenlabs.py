"""ElevenLabs' own account of a month, in dollars or in credits: which of the two depends on the workspace."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from voicegateway_controller.reconcile.errors import VendorRefused
from voicegateway_controller.reconcile.exact import NotExact, Number, pico_usd, plain, whole
from voicegateway_controller.reconcile.sources.answers import Answers, Window, unix_s
from voicegateway_controller.reconcile.sources.vendor_api import Answer, VendorApi
from voicegateway_controller.reconcile.statement import VendorLine, VendorStatement

PROVIDER: Final = "elevenlabs"
URL: Final = "https://api.elevenlabs.io"
REFUSAL: Final = (
    "its analytics need an API key of a workspace admin with the right to read usage and analytics, made at "
    "https://elevenlabs.io/app/settings/api-keys; set it as VOICEGATEWAY_BILLING_ELEVENLABS_KEY"
)
RESTATED_DAYS: Final = 2
"""Our assumption: the vendor states no delay."""
GRAINS: Final = ("day", "credential", "sku", "model", "meter")
DAY_S: Final = 86_400
COST_PATH: Final = "/v1/workspace/analytics/usage"
CREDIT_PATH: Final = "/v1/workspace/analytics/query/usage-by-product-over-time"
GROUPED: Final = ("model", "hashed_xi_api_key")
OTHER_REGIME: Final = frozenset({400, 404, 405, 409, 422})
"""How a workspace of the other regime is told; 401 and 403 are about the key."""
NOTE_CREDITS: Final = "the workspace is billed in credits: quantities and credits are compared, money is not"

_TIMES: Final = ("timestamp", "time", "start_time", "bucket", "date")
_CREDITS: Final = ("credits", "total_credits", "credits_used", "total_usage", "usage")
_MS_MIN: Final = 10**11
"""A time above it is in milliseconds: as seconds it would be the year 5138."""


class ElevenLabsBilling:
    """ElevenLabs' workspace analytics; a BillingSource."""

    def __init__(self, key: str, *, url: str = URL, edge_days: int = 0) -> None:
        self._key = key
        self._url = url
        self._edge_days = edge_days

    @property
    def provider(self) -> str:
        """Our id of the vendor."""
        return PROVIDER

    async def fetch(self, month: date, *, now: datetime) -> VendorStatement:
        """Return cost, or credits, by model and key."""
        window = Window(month, edge_days=self._edge_days)
        api = VendorApi(
            PROVIDER, url=self._url, headers={"xi-api-key": self._key}, secret=self._key, refusal=REFUSAL, now=now
        )
        async with api:
            answer, is_cost = await self._ask(api, window)
            lines = _Table(api, answer).lines(is_cost=is_cost)
        kept = window.kept(lines)
        return VendorStatement(
            provider=PROVIDER,
            month=window.month,
            lines=kept,
            documents=tuple(api.documents),
            settled_until=now.date() - timedelta(days=RESTATED_DAYS),
            grains=GRAINS,
            has_amounts=is_cost,
            notes=() if is_cost else (NOTE_CREDITS,),
        )

    async def _ask(self, api: VendorApi, window: Window) -> tuple[Answer, bool]:
        body = {
            "start_time": unix_s(window.start) * 1_000,
            "end_time": unix_s(window.end) * 1_000,
            "interval_seconds": DAY_S,
            "group_by": list(GROUPED),
            "filters": [],
        }
        try:
            return await api.post(COST_PATH, body), True
        except VendorRefused as refused:
            if refused.status not in OTHER_REGIME:
                raise
            try:
                return await api.post(CREDIT_PATH, body), False
            except VendorRefused as again:
                raise again from refused


class _Table:
    """Rows and the columns that say what stands where; their order is not promised, and labels come between."""

    def __init__(self, api: VendorApi, answer: Answer) -> None:
        self._api = api
        self._read = Answers(api)
        self._columns = self._read.texts(answer, "columns")
        units = answer.get("column_units")
        self._units = dict(zip(self._columns, units, strict=False)) if isinstance(units, list) else {}
        rows = answer.get("rows")
        if rows is not None and not (isinstance(rows, list) and all(isinstance(each, list) for each in rows)):
            raise api.unreadable("'rows' is no list of lists")
        self._rows: Sequence[Sequence[Any]] = rows or []

    def lines(self, *, is_cost: bool) -> list[VendorLine]:
        if not self._rows:
            return []
        time = self._column(*_TIMES)
        money = self._column("total_cost") if is_cost else self._column(*_CREDITS)
        unit = str(self._units.get(money) or "").lower()
        if is_cost and unit not in ("", "usd", "$"):
            raise self._api.unreadable(f"costs in {unit!r}; only US dollars are known")
        found = []
        for row in self._rows:
            if len(row) != len(self._columns):
                raise self._api.unreadable(f"a row of {len(row)} cells below {len(self._columns)} columns")
            cells = dict(zip(self._columns, row, strict=True))
            found.append(self._line(cells, self._day(cells, time), money, is_cost=is_cost))
        return found

    def _line(self, cells: Mapping[str, Any], day: date, money: str, *, is_cost: bool) -> VendorLine:
        model = self._read.text(cells, "model")
        value = self._read.number(cells, money)
        charged = self._read.number(cells, "total_charge_count") if "total_charge_count" in cells else None
        meter = meter_of(model)
        try:
            return VendorLine(
                provider=PROVIDER,
                day=day,
                sku=model or "(no model)",
                credential=self._read.text(cells, "hashed_xi_api_key") if "hashed_xi_api_key" in cells else "",
                model=model,
                meter=meter,
                context={} if is_cost else {"regime": "credits"},
                # What a charge counts is not documented beyond speech, where it is characters.
                quantity=whole(charged) if charged is not None and meter == "characters_sent" else None,
                amount_pico_usd=_pico(value) if is_cost else None,
                credits=plain(value) if not is_cost and value is not None else None,
                document=len(self._api.documents) - 1,
            )
        except NotExact as error:
            raise self._api.unreadable(str(error)) from error

    def _column(self, *names: str) -> str:
        for name in names:
            if name in self._columns:
                return name
        raise self._api.unreadable(f"no column is called {' or '.join(names)}: there are {', '.join(self._columns)}")

    def _day(self, cells: Mapping[str, Any], name: str) -> date:
        found = cells[name]
        if isinstance(found, int | Decimal) and not isinstance(found, bool):
            seconds = int(found) // 1_000 if found >= _MS_MIN else int(found)
            try:
                return datetime.fromtimestamp(seconds, tz=UTC).date()
            except (ValueError, OverflowError, OSError) as error:
                raise self._api.unreadable(f"{name!r} is no instant") from error
        return self._read.instant(cells, name).date()


def meter_of(model: str) -> str:
    """The meter of a model by its family's name; empty for those that are billed by several."""
    if model.startswith("scribe"):
        return "audio_sent_ms"
    return "characters_sent" if model.startswith("eleven_") and not model.startswith("eleven_realtime") else ""


def _pico(value: Number | None) -> int | None:
    return None if value is None else pico_usd(value)
