"""What must stand in the books because of an allowance: pure. Each line is one entry that no request caused."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

from voicegateway_controller.allowances.declaration import Allowance
from voicegateway_controller.allowances.drawing import Drawn, months
from voicegateway_controller.ledger.books import SHARED_PROJECT
from voicegateway_controller.ledger.rules import HOUR_US, HourSums, Posting
from voicegateway_controller.months import next_month

NAMESPACE: Final = uuid.UUID("6f0c9a3e-5b1d-4c86-9d57-0a7e2b1f4c30")
What = Literal["allowance", "prepaid", "subscription"]
"""The kind of the correction, and the meter word of its entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One entry as it must stand: its amount is negative for a credit."""

    allowance: Allowance
    what: What
    kind: Literal["credit", "purchase"]
    day: date
    pico_usd: int

    @property
    def request_id(self) -> uuid.UUID:
        """The id of its cause: the same one for ever, so that it cannot be booked twice."""
        return uuid.uuid5(NAMESPACE, f"{self.kind}:{self.what}:{self.allowance.name}:{self.day}")


Group = tuple[str, What, Literal["credit", "purchase"], date]
"""Name, what, kind and month: booked together, with one reason."""


def due(
    allowances: Sequence[Allowance], drawn: Mapping[str, Drawn], *, first: date, last: date, today: date
) -> dict[Group, list[Due]]:
    """Return everything that must stand in the books for these months, and all of the packs' past, in groups."""
    groups: dict[Group, list[Due]] = {}
    for allowance in allowances:
        for each in (
            *_purchases(allowance, first=first, last=last, today=today),
            *_credits(allowance, drawn, first, last, today),
        ):
            group = (allowance.name, each.what, each.kind, each.day.replace(day=1))
            groups.setdefault(group, []).append(each)
    return groups


def _purchases(allowance: Allowance, *, first: date, last: date, today: date) -> Iterator[Due]:
    if allowance.bought_on is not None:
        if allowance.bought_on <= today:
            # Of a price of nothing, too: what was booked at another price is taken back.
            yield Due(
                allowance=allowance, what="prepaid", kind="purchase", day=allowance.bought_on,
                pico_usd=allowance.price_pico_usd,
            )  # fmt: skip
        return
    for month in months(first, last):
        if month <= today:
            # Nothing where it does not hold: what was booked while it did is taken back.
            fee_pico_usd = allowance.fee_pico_usd if allowance.is_in(month) else 0
            yield Due(allowance=allowance, what="subscription", kind="purchase", day=month, pico_usd=fee_pico_usd)


def _credits(allowance: Allowance, drawn: Mapping[str, Drawn], first: date, last: date, today: date) -> Iterator[Due]:
    """Every day that has a credit or may have had one: what was given and is not due any more is taken back."""
    if (found := drawn.get(allowance.name)) is None:
        return
    given = found.by_day()
    start = allowance.first if allowance.kind == "prepaid" else first
    day, end = start, min(next_month(last), today + timedelta(days=1))
    while day < end:
        yield Due(
            allowance=allowance,
            what="prepaid" if allowance.kind == "prepaid" else "allowance",
            kind="credit",
            day=day,
            pico_usd=-given.get(day, 0),
        )
        day += timedelta(days=1)


def posting(differences: Sequence[tuple[Due, int]]) -> Posting:
    """Return the entries of some differences, and their sums."""
    made = Posting()
    for each, pico_usd in differences:
        allowance = each.allowance
        project = allowance.project or SHARED_PROJECT
        at_us = int(datetime.combine(each.day, time(), UTC).timestamp()) * 1_000_000
        # The price list is what it was: a credit lowers what is paid, not what usage costs by the list.
        list_amount = pico_usd if each.kind == "purchase" else 0
        made.entries.append(
            (
                each.what, "0", "0", f"{pico_usd}e-12", f"{list_amount}e-12", "", "", each.day.isoformat(),
                str(each.request_id), project, "", "", allowance.provider, allowance.name, "", "f", str(at_us), "", "",
                "",
            )
        )  # fmt: skip
        key = (at_us - at_us % HOUR_US, project, "", allowance.provider, allowance.name, "")
        sums = made.hours.setdefault(key, HourSums()).meters.setdefault(each.what, [0, 0, 0, 0, 0, 0])
        sums[3] += pico_usd
    return made
