"""The facade: all simulated billing APIs together, over the truth logs of the simulated vendors."""

import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, Self

from voicegateway.testing.vendors.billing.anthropic import AnthropicBilling
from voicegateway.testing.vendors.billing.books import VendorBooks
from voicegateway.testing.vendors.billing.cartesia import CartesiaBilling
from voicegateway.testing.vendors.billing.charges import Charge
from voicegateway.testing.vendors.billing.deepgram import DeepgramBilling
from voicegateway.testing.vendors.billing.elevenlabs import ElevenLabsBilling, Regime
from voicegateway.testing.vendors.billing.invoices import Invoice, make_invoice
from voicegateway.testing.vendors.billing.openai import OpenAIBilling
from voicegateway.testing.vendors.billing.server import ADMIN_KEYS, BillingServer
from voicegateway.testing.vendors.billing.switches import BillingFaults, BillingTraps, Switches
from voicegateway_shared.pricing import Catalog

WITHOUT_API: Final = ("assemblyai", "groq", "livekit", "twilio")
"""Vendors that send invoices and have no API to ask."""


class BillingSimulators:
    """The billing side of the simulated vendors, each on its own loopback port, for the time of an `async with`.

    The truth directory is read again for every answer, so that what the vendors' simulators write meanwhile shows.
    `traps` and `faults` are for all vendors, or a mapping by vendor; both may be set again at any time. `accounts`
    says which project or workspace a presented key belongs to. `now` is an instant, or returns one; without it, the
    clock's. Without a list price for what was used, a vendor's answer is 500 and the log says what has no price.
    """

    def __init__(
        self,
        *,
        truth_dir: str | os.PathLike[str],
        traps: BillingTraps | Mapping[str, BillingTraps] | None = None,
        faults: BillingFaults | Mapping[str, BillingFaults] | None = None,
        admin_keys: Mapping[str, str] | None = None,
        accounts: Mapping[str, str] | None = None,
        now: datetime | Callable[[], datetime] | None = None,
        elevenlabs_regime: Regime = "cost",
        catalog: Catalog | None = None,
    ) -> None:
        catalog = catalog or Catalog.builtin()
        keys = {**ADMIN_KEYS, **(admin_keys or {})}
        self.set_now(now)
        self.books = {
            vendor: VendorBooks(
                vendor=vendor,
                truth_dir=Path(truth_dir),
                accounts=accounts or {},
                now=self._clock,
                catalog=catalog,
            )
            for vendor in (*ADMIN_KEYS, *WITHOUT_API)
        }
        self.openai = OpenAIBilling(self.books["openai"], admin_key=keys["openai"])
        self.anthropic = AnthropicBilling(self.books["anthropic"], admin_key=keys["anthropic"])
        self.deepgram = DeepgramBilling(self.books["deepgram"], admin_key=keys["deepgram"])
        self.elevenlabs = ElevenLabsBilling(
            self.books["elevenlabs"], admin_key=keys["elevenlabs"], regime=elevenlabs_regime
        )
        self.cartesia = CartesiaBilling(self.books["cartesia"], admin_key=keys["cartesia"])
        self.set_traps(traps or {})
        self.set_faults(faults or {})
        self._open = AsyncExitStack()

    @property
    def servers(self) -> tuple[BillingServer, ...]:
        """All that listen."""
        return (self.openai, self.anthropic, self.deepgram, self.elevenlabs, self.cartesia)

    def set_traps(self, traps: BillingTraps | Mapping[str, BillingTraps]) -> None:
        """Put other traps in force; what they say of the first requests begins again. Unnamed vendors have none."""
        for vendor, books in self.books.items():
            books.traps = _of(vendor, traps, BillingTraps())
        for server in self.servers:
            server.restart_mishaps()

    def set_faults(self, faults: BillingFaults | Mapping[str, BillingFaults]) -> None:
        """Put other faults in force; vendors that are not named have none."""
        for vendor, books in self.books.items():
            books.faults = _of(vendor, faults, BillingFaults())

    def set_now(self, now: datetime | Callable[[], datetime] | None) -> None:
        """Let it be another time. Raises ValueError for an instant without a zone."""
        if isinstance(now, datetime) and now.tzinfo is None:
            raise ValueError("now needs a zone: without one, days would begin elsewhere on each machine")
        self._now = now

    def urls(self) -> dict[str, str]:
        """Return each vendor's address, without a path."""
        return {server.vendor: server.url for server in self.servers}

    def charges(self, vendor: str, month: date | None = None) -> list[Charge]:
        """Return what a vendor charges, of a month or of all time, once all is settled; ordered by instant."""
        return [
            charge
            for charge in self.books[vendor].charges()
            if month is None or (charge.at.year, charge.at.month) == (month.year, month.month)
        ]

    def invoice(self, vendor: str, month: date) -> Invoice:
        """Return a vendor's invoice of a month; `invoice_csv`, `invoice_xlsx` and `invoice_pdf` make files of it."""
        rounds_to_cents = self.books[vendor].faults.rounds_to_cents
        return make_invoice(vendor, month, self.charges(vendor, month), rounds_to_cents=rounds_to_cents)

    def total_pico_usd(self, vendor: str, month: date | None = None) -> int:
        """Return what that comes to, exactly, credits and taxes included."""
        return sum(charge.pico_usd for charge in self.charges(vendor, month))

    def _clock(self) -> datetime:
        if self._now is None:
            return datetime.now(UTC)
        return (self._now if isinstance(self._now, datetime) else self._now()).astimezone(UTC)

    async def __aenter__(self) -> Self:
        for server in self.servers:
            self._open.push_async_callback(server.aclose)
            await server.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._open.aclose()


def _of(vendor: str, switches: Switches | Mapping[str, Switches], none: Switches) -> Switches:
    if isinstance(switches, BillingTraps | BillingFaults):
        return switches
    return switches.get(vendor, none)
