"""From truth records to what a vendor charges for them: pure, and exact in whole pico-dollars."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from voicegateway.testing.vendors.billing.switches import ChargeCategory
from voicegateway.testing.vendors.credentials import key_fact
from voicegateway.testing.vendors.truth import KEY_FACT, TAGS_FACT, TruthRecord
from voicegateway_shared.pricing import Catalog, RatingRequest, rate


class ChargedMeter(msgspec.Struct, frozen=True):
    """One meter of one charge: how much of it is charged, in its base unit, and for how much."""

    meter: str
    quantity: int
    pico_usd: int


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One request on a bill, or one line that no request caused."""

    vendor: str
    request_id: str
    at: datetime
    """UTC: the instant whose day it is on."""
    model: str
    modality: str
    meters: tuple[ChargedMeter, ...]
    usage: Mapping[str, int] = {}
    context: Mapping[str, str] = {}
    key: str = ""
    """The key's fact; empty for none."""
    account: str = ""
    """The vendor's project or workspace; empty for its default one."""
    tags: tuple[str, ...] = ()
    category: ChargeCategory = "usage"
    sku: str = ""
    """The vendor's words, where the charge is not spelled after its model."""
    copy: int = 0
    """1 on a line that is on the bill a second time, which is told beside the first and not added to it."""

    @property
    def pico_usd(self) -> int:
        """All meters together."""
        return sum(meter.pico_usd for meter in self.meters)


def charges_of(
    records: Sequence[TruthRecord], catalog: Catalog, *, accounts: Mapping[str, str], includes_unbilled: bool = False
) -> list[Charge]:
    """Return what the vendors charge for these records, by list price; `accounts` is by presented key.

    Raises:
        ValueError: a record has no price.
    """
    account_of = {key_fact(key): account for key, account in accounts.items()}
    return [
        _charge(record, catalog, account_of)
        for record in records
        if record.billed or (includes_unbilled and record.usage)
    ]


def _charge(record: TruthRecord, catalog: Catalog, account_of: Mapping[str, str]) -> Charge:
    at = datetime.fromisoformat(record.at).astimezone(UTC)
    rating = rate(
        RatingRequest(
            provider=record.vendor,
            model=record.model,
            modality=record.modality,
            at=at,
            usage=record.usage,
            context=record.context,
        ),
        catalog,
    )
    if rating.is_unrated:
        raise ValueError(f"{record.vendor} {record.request_id}: {rating.lines} has no price")
    key = str(record.facts.get(KEY_FACT, ""))
    return Charge(
        vendor=record.vendor,
        request_id=record.request_id,
        at=at,
        model=record.model,
        modality=record.modality,
        meters=tuple(ChargedMeter(line.meter, line.billed_quantity, line.amount_pico_usd) for line in rating.lines),
        usage=record.usage,
        context=record.context,
        key=key,
        account=account_of.get(key, ""),
        tags=tuple(str(record.facts.get(TAGS_FACT, "")).split()),
    )
