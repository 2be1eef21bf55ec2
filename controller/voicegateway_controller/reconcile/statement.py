"""What a vendor says of a month, in one form for all of them: an API's answer or an invoice's file."""

import re
from datetime import date, datetime
from typing import Final, Literal, Protocol

import msgspec

LineCategory = Literal["usage", "credit", "tax", "purchase", "minimum", "rounding"]
"""What a line is about: use of a model, or money that no use explains."""

UNNAMED: Final = "unnamed"
_UNBOOKABLE: Final = re.compile("[\x00\x1f]")
"""Postgres keeps no NUL in a text, and the books part texts by the unit separator."""


class VendorLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a vendor's statement, as fine as the vendor tells it; what it does not say is empty or None.

    An amount that the vendor left out is None and never zero: Deepgram's enterprise contracts have no `dollars`.
    """

    provider: str
    day: date | None
    """The UTC day; None when the line is about the whole month."""
    sku: str
    """The vendor's own words: its line item, or its model's name."""
    account: str = ""
    """The vendor's project, workspace or organisation."""
    credential: str = ""
    """The vendor's id of the key."""
    model: str = ""
    """The vendor's model id, as far as the line names one."""
    meter: str = ""
    """Our meter, when the line says what it counts."""
    context: dict[str, str] = {}
    """What else prices it, in our words: `service_tier`, `mode`, `cache_ttl`, `language`."""
    quantity: int | None = None
    """In the meter's base unit."""
    requests: int | None = None
    amount_pico_usd: int | None = None
    credits: str | None = None
    """A plain decimal number of the vendor's credits, where it bills those."""
    category: LineCategory = "usage"
    document: int = 0
    """Which of the statement's documents it is from."""

    def bookable(self) -> "VendorLine":
        """The line in words that the books can hold: what is booked by them is found again by the next comparison."""
        texts = (self.sku, self.account, self.credential, self.model, *self.context.values())
        if not any("\x00" in text or "\x1f" in text for text in texts):
            return self
        return msgspec.structs.replace(
            self,
            # A line without any is a count, and its money would be in no total.
            sku=_UNBOOKABLE.sub("", self.sku) or (self.sku and UNNAMED),
            account=_UNBOOKABLE.sub("", self.account),
            credential=_UNBOOKABLE.sub("", self.credential),
            model=_UNBOOKABLE.sub("", self.model),
            context={key: _UNBOOKABLE.sub("", text) for key, text in self.context.items()},
        )


class VendorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One answer or file, kept as evidence; bodies hold no keys."""

    name: str
    """The URL without its query's secrets, or the file's name."""
    sha256: str
    body: bytes
    fetched_at: datetime


class VendorStatement(msgspec.Struct, frozen=True, kw_only=True):
    """All that a vendor says of one month."""

    provider: str
    month: date
    """Its first day."""
    lines: tuple[VendorLine, ...]
    documents: tuple[VendorDocument, ...]
    settled_until: date
    """The first day the vendor may still add to: later days are pending, not missing."""
    grains: tuple[str, ...]
    """What its lines are told apart by: of `day`, `account`, `credential`, `sku`, `model`, `meter`."""
    has_amounts: bool
    """Whether it says money at all; Cartesia says credits."""
    invoice_pico_usd: int | None = None
    """The total with tax, when a document says it: a PDF invoice is nothing else. Its lines may come to another sum."""
    is_invoice: bool = False
    """Whether it holds all that is owed: APIs tell usage and what it costs, and seldom what a plan costs."""
    notes: tuple[str, ...] = ()
    """What people must know: a field that was missing, a bucket that was cut off."""


class BillingSource(Protocol):
    """Pulls a vendor's own account of a month. Lives as long as one reconciliation."""

    @property
    def provider(self) -> str:
        """Our id of the vendor."""
        ...

    async def fetch(self, month: date, *, now: datetime) -> VendorStatement:
        """Return everything, all pages of it.

        Raises:
            VendorRefused: the key may not read billing, or is wrong; says what to do.
            VendorUnavailable: no answer, or none that can be read, within the stated tries.
        """
        ...


class CredentialLink(msgspec.Struct, frozen=True, kw_only=True):
    """Which of our key fingerprints a vendor's credential is; declared by people, for no API tells it."""

    provider: str
    credential: str
    key_id: str
