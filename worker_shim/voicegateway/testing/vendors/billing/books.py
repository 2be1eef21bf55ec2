"""A vendor's books: its truth log, rated and put through the switches whenever somebody asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from voicegateway.testing.vendors.billing.charges import Charge, charges_of
from voicegateway.testing.vendors.billing.legs import LEGS_SUFFIX, charges_of_legs, read_legs
from voicegateway.testing.vendors.billing.mistakes import in_whole_cents, with_faults, with_traps
from voicegateway.testing.vendors.billing.switches import BillingFaults, BillingTraps
from voicegateway.testing.vendors.truth import read_truth_file
from voicegateway_shared.money import PICO_PER_USD
from voicegateway_shared.pricing import Catalog

END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class VendorBooks:
    """One vendor's side of everything; lives as long as its simulator. The switches may be changed at any time."""

    vendor: str
    truth_dir: Path
    accounts: Mapping[str, str]
    """By presented key: the project or workspace that pays for it."""
    now: Callable[[], datetime]
    catalog: Catalog = field(default_factory=Catalog.builtin)
    traps: BillingTraps = field(default_factory=BillingTraps)
    faults: BillingFaults = field(default_factory=BillingFaults)
    _read: tuple[tuple[object, ...], list[Charge]] | None = None
    _fetched: set[str] = field(default_factory=set)

    def shown(self, query: str, *, is_first_page: bool = True) -> list[Charge]:
        """Return what the vendor tells now, ordered by instant; `query` decides whether it was asked before."""
        is_first_fetch = query not in self._fetched
        if not is_first_page:
            # A later page belongs to the fetch that its first page began.
            is_first_fetch = f"again {query}" not in self._fetched
        elif is_first_fetch:
            self._fetched.add(query)
        else:
            self._fetched.add(f"again {query}")
        charges = with_faults(self._charges(), self.faults, self.vendor)
        return with_traps(charges, self.traps, now=self.now(), is_first_fetch=is_first_fetch)

    def charges(self) -> list[Charge]:
        """Return all that the vendor charges once everything is settled, whatever hides it meanwhile."""
        charges = with_faults(self._charges(), self.faults, self.vendor)
        return with_traps(charges, self.traps, now=END_OF_TIME, is_first_fetch=False)

    def amount(self, pico_usd: int) -> int:
        """Return an amount as a line tells it."""
        return in_whole_cents(pico_usd) if self.faults.rounds_to_cents else pico_usd

    def dollars(self, parts: list[int]) -> float:
        """Return a sum as the binary fraction that vendors send."""
        if self.traps.float_noise and not self.faults.rounds_to_cents:
            return sum(part / PICO_PER_USD for part in parts)
        return self.amount(sum(parts)) / PICO_PER_USD

    def _charges(self) -> list[Charge]:
        """Return what the vendor charges by list price; rated anew only when its files have changed."""
        paths = [self.truth_dir / f"{self.vendor}{suffix}" for suffix in (".jsonl", LEGS_SUFFIX)]
        states = [path.stat() for path in paths if path.exists()]
        version = (self.faults.bills_unbilled, *((state.st_mtime_ns, state.st_size) for state in states))
        if self._read is None or self._read[0] != version:
            charges = [charge for path in paths if path.exists() for charge in self._charges_in(path)]
            self._read = (version, sorted(charges, key=lambda charge: charge.at))
        return self._read[1]

    def _charges_in(self, path: Path) -> list[Charge]:
        if path.suffix == LEGS_SUFFIX:
            return charges_of_legs(read_legs(path), self.catalog)
        records = [record for record in read_truth_file(path) if record.event == "ended"]
        return charges_of(records, self.catalog, accounts=self.accounts, includes_unbilled=self.faults.bills_unbilled)
