"""What the categories of a waterfall are called and what they mean, for people."""

from collections.abc import Mapping
from typing import Final

TITLES: Final[Mapping[str, str]] = {
    "pending": "Pending",
    "day_shift": "Day shift",
    "duplicate": "Duplicate",
    "unattributed_credential": "Unknown key",
    "unknown_model": "Unknown model",
    "vendor_only": "Vendor only",
    "ours_only": "Ours only",
    "missing_spans": "Missing spans",
    "cancelled": "Cancelled requests",
    "minimums": "Minimums",
    "price_change": "Price change",
    "stale_price": "Stale price",
    "other_context": "Other tier",
    "plan_fees": "Plan fees",
    "credits": "Credits, free tier",
    "tax": "Tax",
    "rounding": "Rounding",
    "unknown": "Unknown",
}
MEANINGS: Final[Mapping[str, str]] = {
    "pending": "The vendor may still add to these days: nothing is wrong yet.",
    "day_shift": "The same use, counted on a day beside ours.",
    "duplicate": "The vendor's bill has it more than once.",
    "unattributed_credential": "Used with a key of the vendor that no link names as ours.",
    "unknown_model": "A name without a price: give it one, or say by an alias what it means.",
    "vendor_only": "The vendor bills something that we never count.",
    "ours_only": "We count something that the vendor's bill does not have.",
    "missing_spans": "Use that the vendor saw and no span of ours tells of.",
    "cancelled": "Requests that were broken off: one side bills them, the other does not.",
    "minimums": "A minimum or a step per request that one side bills by.",
    "price_change": "The vendor charges another price than ours.",
    "stale_price": "The vendor charges another price, and ours was last read long ago.",
    "other_context": "The vendor charges the price of another tier or mode.",
    "plan_fees": "Fees of declared plans, which the vendor's API does not list: they stand on its invoice.",
    "credits": "Money that the vendor takes off.",
    "tax": "Tax on the vendor's bill.",
    "rounding": "Below the last digit of either side.",
    "unknown": "No rule explains it: look at its cells.",
}
