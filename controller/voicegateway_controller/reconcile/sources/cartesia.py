"""Cartesia's own account of a month: credits, by model, and once more by key. It tells no money at all."""

from datetime import date, datetime, timedelta
from typing import Final

from voicegateway_controller.reconcile.exact import NotExact, plain
from voicegateway_controller.reconcile.sources.answers import Answers, Window, midnight
from voicegateway_controller.reconcile.sources.vendor_api import VendorApi
from voicegateway_controller.reconcile.statement import VendorLine, VendorStatement

PROVIDER: Final = "cartesia"
URL: Final = "https://api.cartesia.ai"
VERSION: Final = "2026-08-14"
REFUSAL: Final = (
    "its usage needs an admin key (sk_car_admin_…), which an admin of the organisation makes at "
    "https://play.cartesia.ai/keys; set it as VOICEGATEWAY_BILLING_CARTESIA_KEY"
)
RESTATED_DAYS: Final = 2
"""Our assumption: the vendor states no delay."""
GRAINS: Final = ("day", "sku", "model")
NOTE: Final = "the vendor tells credits and no money: what a credit costs depends on the plan"


class CartesiaBilling:
    """Cartesia's credits; a BillingSource."""

    def __init__(self, key: str, *, url: str = URL, edge_days: int = 0) -> None:
        self._key = key
        self._url = url
        self._edge_days = edge_days

    @property
    def provider(self) -> str:
        """Our id of the vendor."""
        return PROVIDER

    async def fetch(self, month: date, *, now: datetime) -> VendorStatement:
        """Return credits by model, and the same credits by key as counts."""
        window = Window(month, edge_days=self._edge_days)
        api = VendorApi(
            PROVIDER,
            url=self._url,
            headers={"Authorization": f"Bearer {self._key}", "Cartesia-Version": VERSION},
            secret=self._key,
            refusal=REFUSAL,
            now=now,
        )
        async with api:
            lines = [*await _credits(api, window, "model"), *await _credits(api, window, "api_key")]
        return VendorStatement(
            provider=PROVIDER,
            month=window.month,
            lines=window.kept(lines),
            documents=tuple(api.documents),
            settled_until=now.date() - timedelta(days=RESTATED_DAYS),
            grains=GRAINS,
            has_amounts=False,
            notes=(NOTE,),
        )


async def _credits(api: VendorApi, window: Window, grouped: str) -> list[VendorLine]:
    """Credits by model are the bill; by key they are the same ones, seen from another side."""
    read = Answers(api)
    answer = await api.get(
        "/usage/credits",
        [
            ("start_ts", f"{midnight(window.start):%Y-%m-%dT%H:%M:%SZ}"),
            ("end_ts", f"{midnight(window.end):%Y-%m-%dT%H:%M:%SZ}"),
            ("interval", "day"),
            ("group_by", grouped),
        ],
    )
    is_bill = grouped == "model"
    lines = []
    for group in read.items(answer, "data"):
        name = read.text(group, "id")
        for bucket in read.items(group, "buckets"):
            number = read.number(bucket, "credits")
            if not number:
                continue
            try:
                told = plain(number)
            except NotExact as error:
                raise api.unreadable(str(error)) from error
            lines.append(
                VendorLine(
                    provider=PROVIDER,
                    day=read.instant(bucket, "start_ts").date(),
                    sku=(name or "(no model)") if is_bill else "",
                    credential="" if is_bill else name,
                    model=name if is_bill else "",
                    credits=told,
                    document=len(api.documents) - 1,
                )
            )
    return lines
