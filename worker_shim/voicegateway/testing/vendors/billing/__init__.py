"""Local simulators of vendors' billing APIs and invoices, over the truth that the vendor simulators write.

    async with BillingSimulators(truth_dir="truth") as bills:
        url = f"{bills.urls()['openai']}/v1/organization/costs?start_time=1795132800&group_by=line_item"
        headers = {"Authorization": f"Bearer {ADMIN_KEYS['openai']}"}

`python -m voicegateway.testing.vendors.billing --truth-dir D --port-file F` runs the same in a process of its own.
"""

from voicegateway.testing.vendors.billing.charges import Charge, ChargedMeter
from voicegateway.testing.vendors.billing.invoices import (
    INVOICE_LAYOUTS,
    Invoice,
    InvoiceLine,
    invoice_csv,
    invoice_pdf,
    invoice_xlsx,
    make_invoice,
)
from voicegateway.testing.vendors.billing.legs import Leg, write_legs
from voicegateway.testing.vendors.billing.server import ADMIN_KEYS, NORMAL_KEY
from voicegateway.testing.vendors.billing.simulators import BillingSimulators
from voicegateway.testing.vendors.billing.switches import (
    BillingFaults,
    BillingTraps,
    ExtraLine,
    PriceChange,
    read_faults,
    read_traps,
)
from voicegateway.testing.vendors.credentials import credential_of, key_fact, key_links

__all__ = [
    "ADMIN_KEYS",
    "INVOICE_LAYOUTS",
    "NORMAL_KEY",
    "BillingFaults",
    "BillingSimulators",
    "BillingTraps",
    "Charge",
    "ChargedMeter",
    "ExtraLine",
    "Invoice",
    "InvoiceLine",
    "Leg",
    "PriceChange",
    "credential_of",
    "invoice_csv",
    "invoice_pdf",
    "invoice_xlsx",
    "key_fact",
    "key_links",
    "make_invoice",
    "read_faults",
    "read_traps",
    "write_legs",
]
