"""Call legs: what LiveKit Cloud and telephone companies bill. One file a vendor, beside the truth logs."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from voicegateway.testing.vendors.billing.charges import Charge, ChargedMeter
from voicegateway_shared.pricing import Catalog, RatingRequest, rate

LEGS_SUFFIX: Final = ".legs"


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One resource of one call, from when it began until it ended; billed on the day of its end."""

    vendor: Literal["livekit", "twilio"]
    leg_id: str
    call_id: str
    """The room or call that it belongs to."""
    product: str
    """As in the price list: `agent-session`, `sip-third-party`, `us-local-inbound`."""
    started_at: datetime
    ended_at: datetime
    account: str = ""
    """LiveKit's project or Twilio's sub-account."""
    plan: str = ""

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None or self.ended_at.tzinfo is None or self.ended_at < self.started_at:
            raise ValueError(f"leg {self.leg_id}: it needs instants with a zone, and to end after it starts")

    @property
    def duration_ms(self) -> int:
        """How long it lasted, in whole milliseconds, rounded down."""
        lasted = self.ended_at - self.started_at
        return (lasted.days * 86_400 + lasted.seconds) * 1000 + lasted.microseconds // 1000


def write_legs(directory: Path, legs: Iterable[Leg]) -> None:
    """Add legs to the files of a truth directory."""
    directory.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[bytes]] = {}
    for leg in legs:
        lines.setdefault(leg.vendor, []).append(msgspec.json.encode(leg) + b"\n")
    for vendor, encoded in lines.items():
        with (directory / f"{vendor}{LEGS_SUFFIX}").open("ab") as file:
            file.write(b"".join(encoded))


def read_legs(path: Path) -> list[Leg]:
    """Return the legs of one file, ordered by their ends. Raises ValueError, naming the line, for what is none."""
    legs = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            legs.append(msgspec.json.decode(line, type=Leg))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ValueError(f"{path}:{number} is not a leg: {error}") from error
    return sorted(legs, key=lambda leg: leg.ended_at)


def charges_of_legs(legs: Iterable[Leg], catalog: Catalog) -> list[Charge]:
    """Return what the legs come to by list price: each is rounded up to whole minutes by itself.

    Raises:
        ValueError: a product has no price.
    """
    return [_charge(leg, catalog) for leg in legs]


def _charge(leg: Leg, catalog: Catalog) -> Charge:
    modality = "transport" if leg.product == "agent-session" else "telephony"
    at = leg.ended_at.astimezone(UTC)
    usage: Mapping[str, int] = {"participant_ms": leg.duration_ms}
    context = {"plan": leg.plan} if leg.plan else {}
    rating = rate(
        RatingRequest(provider=leg.vendor, model=leg.product, modality=modality, at=at, usage=usage, context=context),
        catalog,
    )
    if rating.is_unrated:
        raise ValueError(f"{leg.vendor} {leg.leg_id}: {leg.product} has no price")
    return Charge(
        vendor=leg.vendor,
        request_id=leg.leg_id,
        at=at,
        model=leg.product,
        modality=modality,
        meters=tuple(ChargedMeter(line.meter, line.billed_quantity, line.amount_pico_usd) for line in rating.lines),
        usage=usage,
        context=context,
        account=leg.account,
        tags=(leg.call_id,),
    )
