"""The JSON of vendors' health."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.health.switches import REASON_CHARS_MAX

FOR_S_MAX = 31 * 86_400


class Disable(BaseModel):
    """What to switch off of a vendor, and until when."""

    model_config = ConfigDict(extra="forbid")
    model: str = Field("", max_length=256, description="Only this model; empty: everything of the vendor.")
    for_s: int | None = Field(
        None, gt=0, le=FOR_S_MAX, description="For so many seconds; none: until somebody switches it on."
    )
    reason: str = Field("", max_length=REASON_CHARS_MAX, description="For those who wonder.")


class Disabled(BaseModel):
    """Something that a person has switched off."""

    provider: str
    model: str = Field(description="Empty: everything of the vendor.")
    until: datetime | None = Field(description="Null: until somebody switches it on.")
    reason: str
    disabled_at: datetime
    disabled_by: str = Field(description="The token's id.")


class TargetHealth(BaseModel):
    """How one model fares at one account and region, by all workers."""

    provider: str
    model: str = Field(description="Empty: the account as a whole, whose key was refused.")
    modality: str
    account: str = Field(description="The fingerprint of the vendor key.")
    region: str = Field(description="Host of an address that is not the vendor's usual one.")
    state: Literal["closed", "open", "half_open"]
    cause: str = Field(description="`errors`, `timeouts`, `rate_limited`, `unauthorized`; empty when closed.")
    since: datetime | None = Field(description="Since when it is not closed.")
    retry_ms: int = Field(description="Open: when the next probe is due.")
    openings: int = Field(description="How often it opened in a row.")
    is_degraded: bool = Field(description="It answers far slower than it did before.")
    ttfb_p50_ms: int = Field(description="0 while there are too few requests to tell.")
    ttfb_p95_ms: int
    samples: int = Field(description="Requests behind these; 0 for a token of some projects.")
    heard_at: datetime = Field(description="When a worker last said something of it.")


class ProvidersHealth(BaseModel):
    """What is known of vendors now."""

    is_live: bool = Field(description="False while Redis is away: this is what was known last.")
    targets: list[TargetHealth]
    disabled: list[Disabled]
    may_switch: bool = Field(description="Whether the token that asked may switch vendors off and on.")
