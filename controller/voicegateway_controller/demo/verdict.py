"""The verdict: do the ledger and the vendors' own logs agree, request by request and to the last digit? Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRequest:
    """One request as the ledger has it."""

    provider: str
    request_id: str
    outcome: str
    estimated: bool
    started_at: datetime
    vendor_request_ids: tuple[str, ...]
    amount_usd: Decimal
    is_unrated: bool
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `voicegw demo --once` prints; amounts are decimals, never floats."""

    calls: int
    requests: int
    vendor_truth_usd: Decimal
    ledger_usd: Decimal
    per_vendor: Mapping[str, Mapping[str, Any]]
    missing: Sequence[str]
    doubled: Sequence[str]
    unrated: int
    estimated: int
    outcomes: Mapping[str, int]

    @property
    def is_agreed(self) -> bool:
        """True when every vendor's bill equals our ledger and nothing is missing, doubled or unrated."""
        amounts = all(row["truth_usd"] == row["ledger_usd"] for row in self.per_vendor.values())
        return amounts and self.is_complete

    @property
    def is_complete(self) -> bool:
        """True when every request a vendor accepted is in the ledger once, and has a price."""
        return not self.missing and not self.doubled and not self.unrated


def judge(bill: Mapping[str, Any], requests: Sequence[LedgerRequest], *, calls: int) -> Verdict:
    """Compare the simulated vendors' bill with the ledger's requests."""
    per_vendor: dict[str, dict[str, Any]] = {}
    missing: list[str] = []
    for vendor, billed in bill["vendors"].items():
        ours = [request for request in requests if request.provider == vendor]
        missing += (f"{vendor} {request_id}" for request_id in _missing(billed["accepted"], ours))
        per_vendor[vendor] = {
            "truth_usd": Decimal(billed["amount_usd"]),
            "ledger_usd": sum((request.amount_usd for request in ours), Decimal(0)),
            "requests": len(ours),
        }
    return Verdict(
        calls=calls,
        requests=len(requests),
        vendor_truth_usd=Decimal(bill["amount_usd"]),
        ledger_usd=sum((request.amount_usd for request in requests), Decimal(0)),
        per_vendor=per_vendor,
        missing=missing,
        doubled=_doubled(requests),
        unrated=sum(request.is_unrated for request in requests),
        estimated=sum(request.estimated for request in requests),
        outcomes=Counter(request.outcome for request in requests),
    )


def _missing(accepted: Mapping[str, str], ours: Sequence[LedgerRequest]) -> list[str]:
    """Vendor requests that no ledger request accounts for.

    A process killed before the vendor's first answer never learnt the vendor's id; its ledger request has none.
    Such a request accounts for one unknown vendor request that the vendor accepted after it was started.
    """
    known = {vendor_id for request in ours for vendor_id in request.vendor_request_ids}
    nameless = sorted(request.started_at for request in ours if not request.vendor_request_ids)
    missing: list[str] = []
    for request_id, at in sorted(accepted.items(), key=lambda item: item[1]):
        if request_id in known:
            continue
        if nameless and nameless[0] <= datetime.fromisoformat(at):
            nameless.pop(0)
        else:
            missing.append(request_id)
    return missing


def _doubled(requests: Iterable[LedgerRequest]) -> list[str]:
    """Vendor requests, or requests of ours, that the ledger holds more than once."""
    owners: dict[str, set[str]] = defaultdict(set)
    seen: dict[str, int] = defaultdict(int)
    for request in requests:
        seen[request.request_id] += 1
        for vendor_id in request.vendor_request_ids:
            owners[f"{request.provider} {vendor_id}"].add(request.request_id)
    twice = [request_id for request_id, count in seen.items() if count > 1]
    return twice + [vendor_id for vendor_id, ids in owners.items() if len(ids) > 1]
