"""FOCUS 1.2 as data: each column's type, whether it must be there, whether it may be null, and its values.

Read from the specification's own text at tag v1.2 (announced June 2025), FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec,
`specification/columns` and `specification/attributes`; what 1.3 added, from the same repository's later columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

VERSION: Final = "1.2"
Kind = Literal["string", "decimal", "datetime", "json"]
Level = Literal["mandatory", "conditional", "recommended"]
CUSTOM_PREFIX: Final = "x_"

CATEGORIES: Final = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
FREQUENCIES: Final = ("One-Time", "Recurring", "Usage-Based")
PRICING_CATEGORIES: Final = ("Standard", "Dynamic", "Committed", "Other")
SKU_PRICE_PROPERTIES: Final = frozenset(
    {
        "CoreCount", "DiskMaxIops", "DiskSpace", "DiskType", "GpuCount", "InstanceSeries", "InstanceType", "MemorySize",
        "NetworkMaxIops", "NetworkMaxThroughput", "OperatingSystem", "Redundancy", "StorageClass",
    }
)  # fmt: skip
"""The keys of SkuPriceDetails that the specification defines."""
SERVICE_SUBCATEGORIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "AI and Machine Learning": (
            "AI Platforms", "Bots", "Generative AI", "Machine Learning", "Natural Language Processing",
            "Other (AI and Machine Learning)",
        ),
        "Analytics": (
            "Analytics Platforms", "Business Intelligence", "Data Processing", "Search", "Streaming Analytics",
            "Other (Analytics)",
        ),
        "Business Applications": ("Productivity and Collaboration", "Other (Business Applications)"),
        "Compute": (
            "Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines",
            "Other (Compute)",
        ),
        "Databases": (
            "Caching", "Data Warehouses", "Ledger Databases", "NoSQL Databases", "Relational Databases",
            "Time Series Databases", "Other (Databases)",
        ),
        "Developer Tools": (
            "Developer Platforms", "Continuous Integration and Deployment", "Development Environments",
            "Source Code Management", "Quality Assurance", "Other (Developer Tools)",
        ),
        "Identity": ("Identity and Access Management", "Other (Identity)"),
        "Integration": ("API Management", "Messaging", "Workflow Orchestration", "Other (Integration)"),
        "Internet of Things": ("IoT Analytics", "IoT Platforms", "Other (Internet of Things)"),
        "Management and Governance": (
            "Architecture", "Compliance", "Cost Management", "Data Governance", "Disaster Recovery",
            "Endpoint Management", "Observability", "Support", "Other (Management and Governance)",
        ),
        "Media": ("Content Creation", "Gaming", "Media Streaming", "Mixed Reality", "Other (Media)"),
        "Migration": ("Data Migration", "Resource Migration", "Other (Migration)"),
        "Mobile": ("Other (Mobile)",),
        "Multicloud": ("Multicloud Integration", "Other (Multicloud)"),
        "Networking": (
            "Application Networking", "Content Delivery", "Network Connectivity", "Network Infrastructure",
            "Network Routing", "Network Security", "Other (Networking)",
        ),
        "Security": (
            "Secret Management", "Security Posture Management", "Threat Detection and Response", "Other (Security)",
        ),
        "Storage": (
            "Backup Storage", "Block Storage", "File Storage", "Object Storage", "Storage Platforms",
            "Other (Storage)",
        ),
        "Web": ("Application Platforms", "Other (Web)"),
        "Other": ("Other (Other)",),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """What the specification says of one column, whatever row it is in."""

    name: str
    kind: Kind
    level: Level
    is_nullable: bool
    allowed: tuple[str, ...] = ()
    is_non_negative: bool = False
    version: str = VERSION


def _texts(level: Level, *names: str, nulls: bool, version: str = VERSION) -> tuple[Column, ...]:
    return tuple(Column(name, "string", level, nulls, version=version) for name in names)


def _numbers(level: Level, *names: str, nulls: bool, is_non_negative: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, "decimal", level, nulls, is_non_negative=is_non_negative) for name in names)


COLUMNS: Final[tuple[Column, ...]] = (
    # The 21 that every dataset of 1.2 must have.
    *_numbers("mandatory", "BilledCost", "ContractedCost", "EffectiveCost", "ListCost", nulls=False),
    *_numbers("mandatory", "PricingQuantity", nulls=True),
    *_texts("mandatory", "BillingAccountId", "BillingCurrency", nulls=False),
    *_texts("mandatory", "BillingAccountName", "ChargeDescription", "PricingUnit", nulls=True),
    *_texts("mandatory", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceName", nulls=False),
    Column("BillingPeriodStart", "datetime", "mandatory", False),
    Column("BillingPeriodEnd", "datetime", "mandatory", False),
    Column("ChargePeriodStart", "datetime", "mandatory", False),
    Column("ChargePeriodEnd", "datetime", "mandatory", False),
    Column("ChargeCategory", "string", "mandatory", False, CATEGORIES),
    Column("ChargeClass", "string", "mandatory", True, ("Correction",)),
    Column("ServiceCategory", "string", "mandatory", False, tuple(SERVICE_SUBCATEGORIES)),
    # Those that must be there when their condition holds, and those that are recommended.
    *_texts("conditional", "BillingAccountType", nulls=False),
    *_numbers("conditional", "ConsumedQuantity", nulls=True),
    *_texts("conditional", "ConsumedUnit", nulls=True),
    *_numbers("conditional", "ContractedUnitPrice", "ListUnitPrice", nulls=True, is_non_negative=True),
    *_texts("conditional", "PricingCurrency", nulls=False),
    *_numbers(
        "conditional", "PricingCurrencyContractedUnitPrice", "PricingCurrencyListUnitPrice", nulls=True,
        is_non_negative=True,
    ),
    *_numbers("conditional", "PricingCurrencyEffectiveCost", nulls=False),
    Column("PricingCategory", "string", "conditional", True, PRICING_CATEGORIES),
    *_texts("conditional", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", nulls=True),
    *_texts("conditional", "SkuId", "SkuMeter", "SkuPriceId", nulls=True),
    *_texts("conditional", "SubAccountId", "SubAccountName", "SubAccountType", nulls=True),
    Column("SkuPriceDetails", "json", "conditional", True),
    Column("Tags", "json", "conditional", True),
    *_texts("conditional", "CapacityReservationId", nulls=True),
    Column("CapacityReservationStatus", "string", "conditional", True, ("Used", "Unused")),
    Column("CommitmentDiscountCategory", "string", "conditional", True, ("Spend", "Usage")),
    *_texts("conditional", "CommitmentDiscountId", "CommitmentDiscountName", nulls=True),
    *_numbers("conditional", "CommitmentDiscountQuantity", nulls=True),
    Column("CommitmentDiscountStatus", "string", "conditional", True, ("Used", "Unused")),
    *_texts("conditional", "CommitmentDiscountType", "CommitmentDiscountUnit", nulls=True),
    *_texts("recommended", "AvailabilityZone", "InvoiceId", nulls=True),
    Column("ChargeFrequency", "string", "recommended", False, FREQUENCIES),
    Column(
        "ServiceSubcategory", "string", "recommended", False,
        tuple(name for names in SERVICE_SUBCATEGORIES.values() for name in names),
    ),
    # 1.3: mandatory there, welcome here.
    *_texts("recommended", "ServiceProviderName", nulls=False, version="1.3"),
    *_texts("recommended", "HostProviderName", nulls=True, version="1.3"),
    *_texts("recommended", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName", nulls=True,
            version="1.3"),
    Column("AllocatedMethodDetails", "json", "recommended", True, version="1.3"),
    Column("AllocatedTags", "json", "recommended", True, version="1.3"),
    Column("ContractApplied", "json", "recommended", True, version="1.3"),
)  # fmt: skip
COLUMN: Final[Mapping[str, Column]] = MappingProxyType({column.name: column for column in COLUMNS})
MANDATORY: Final = tuple(column.name for column in COLUMNS if column.level == "mandatory")
