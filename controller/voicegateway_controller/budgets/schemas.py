"""The JSON of budgets. Amounts are decimal strings in US dollars."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class NewBudgets(BaseModel):
    """A whole set of declarations; it replaces the one in force."""

    model_config = ConfigDict(extra="forbid")
    budgets: list[dict[str, Any]] = Field(
        description="Declarations as in a budgets file.",
        examples=[[{"project": "acme", "amount": "25.00", "window": "day", "zone": "Europe/Berlin"}]],
    )
    zone: str | None = Field(
        None, description="An IANA zone for those that follow a calendar and name none; written into them."
    )


class BudgetsApplied(BaseModel):
    """What came of declaring a set."""

    revision: int = Field(description="The revision in force; its replicas follow within a second.")
    is_changed: bool = Field(description="False when this very set was in force already: no new revision was made.")
    budgets: int
    warnings: list[str] = Field(description="Budgets whose amount is spent already: they stop from now on.")


class BudgetsDeclared(BaseModel):
    """The budgets in force."""

    revision: int
    created_at: datetime | None
    created_by: str = Field(description="The id of the token that declared them.")
    budgets: list[dict[str, Any]] = Field(description="The declarations as given.")
