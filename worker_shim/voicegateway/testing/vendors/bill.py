"""`python -m voicegateway.testing.vendors.bill`: what the simulated vendors would put on their invoices, as JSON."""

import argparse
import json
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

from voicegateway.testing.vendors.truth import TruthRecord, read_truth
from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog, RatingRequest, rate


def bill(truth_dir: Path) -> dict[str, Any]:
    """Rate every billed line of a truth log with the built-in catalogue.

    Returns per vendor the amount as a decimal string, the count of billed lines, and the ids of all accepted
    requests with the instant each was accepted.

    Raises:
        ValueError: a line is no truth record, or has no price.
    """
    catalog = Catalog.builtin()
    amounts: dict[str, int] = defaultdict(int)
    billed: dict[str, int] = defaultdict(int)
    for record in read_truth(truth_dir):
        if record.billed:
            amounts[record.vendor] += amount_pico_usd(record, catalog)
            billed[record.vendor] += 1
    accepted: dict[str, dict[str, str]] = defaultdict(dict)
    for record in read_truth(truth_dir, event="started"):
        accepted[record.vendor][record.request_id] = record.at
    return {
        "amount_usd": format_usd(sum(amounts.values())),
        "vendors": {
            vendor: {
                "amount_usd": format_usd(amounts[vendor]),
                "billed_requests": billed[vendor],
                "accepted": accepted[vendor],
            }
            for vendor in sorted(accepted)
        },
    }


def amount_pico_usd(record: TruthRecord, catalog: Catalog) -> int:
    """Return what one line comes to; ValueError where the catalogue has no price for it."""
    rating = rate(
        RatingRequest(
            provider=record.vendor,
            model=record.model,
            modality=record.modality,
            at=datetime.fromisoformat(record.at),
            usage=record.usage,
            context=record.context,
        ),
        catalog,
    )
    if rating.is_unrated:
        raise ValueError(f"{record.vendor} {record.request_id}: {rating.lines} has no price")
    return rating.amount_pico_usd


def main() -> None:
    """Print the bill of one truth directory."""
    parser = argparse.ArgumentParser(prog="python -m voicegateway.testing.vendors.bill", description=__doc__)
    parser.add_argument("--truth-dir", type=Path, required=True, help="where the simulators wrote their truth log")
    sys.stdout.write(json.dumps(bill(parser.parse_args().truth_dir)) + "\n")


if __name__ == "__main__":
    main()
