"""What the routes of allowances take and answer; amounts are decimal strings in USD."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.declared.shown import Effective
from voicegateway_controller.http.instants import Month


class NewAllowances(BaseModel):
    """The whole set."""

    model_config = ConfigDict(extra="forbid")

    allowances: list[dict[str, Any]]


class AllowancesApplied(BaseModel):
    """What came of declaring a set."""

    revision: int
    is_changed: bool
    allowances: int


class AllowancesDeclared(BaseModel):
    """What is declared, as given."""

    revision: int
    created_at: datetime | None
    created_by: str
    allowances: list[dict[str, Any]] = Field(description="What is managed, as given: what PUT replaces.")
    effective: list[Effective] = Field(description="What holds, each resource with the layer that it is from.")


class Standing(BaseModel):
    """One allowance in one month. Of a pack, `used` and `left` are of all its life until the month's end."""

    name: str
    kind: str = Field(description="`quantity`, `usd`, `prepaid` or `subscription`.")
    provider: str
    models: list[str]
    meters: list[str]
    project: str = Field(description="Empty: of all projects; the credit is nobody's in particular.")
    unit: str = Field(description="What `given` and the others count: `ms`, `token`, `character`, … or `usd`.")
    given: str
    used: str
    left: str
    over: str = Field(description="Used beyond what is given.")
    projected: str | None = Field(description="What will have been used when this month ends; null for other months.")
    credit_usd: str = Field(description="What the covered usage of the month cost.")
    booked_usd: str = Field(
        description="What the books hold for the month: credits negative, fees and prices positive."
    )
    fee_usd: str
    bought_on: date | None
    expires_on: date | None


class Standings(BaseModel):
    """How the allowances of a month are."""

    revision: int
    month: str
    as_of: datetime
    allowances: list[Standing]


class PostMonth(BaseModel):
    """Book what the allowances of a month give and cost."""

    month: Month = Field(description="`2026-10`")


class Posted(BaseModel):
    """What a posting changed of one allowance in one month."""

    name: str
    what: str = Field(description="`allowance`, `prepaid` or `subscription`.")
    kind: str = Field(description="`credit` or `purchase`.")
    month: str
    entries: int
    amount_usd: str


class PostedMonth(BaseModel):
    """What a posting changed: nothing, when the books were right already."""

    posted: list[Posted]
