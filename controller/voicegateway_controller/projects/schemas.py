"""The JSON of projects. Amounts are decimal strings in USD; days are UTC."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Source = Literal["env", "db", "yaml", ""]


class NewProjects(BaseModel):
    """A whole set of declarations; it replaces the managed one."""

    model_config = ConfigDict(extra="forbid")
    projects: list[dict[str, Any]] = Field(
        description="Declarations as in a configuration file.",
        examples=[[{"id": "acme", "name": "Acme Inc.", "owner": "ops@acme.example", "labels": {"tier": "gold"}}]],
    )


class ProjectRow(BaseModel):
    """One project: declared, or seen to spend, or both."""

    id: str = Field(examples=["acme"])
    is_declared: bool = Field(description="False: calls name it, and nobody has declared it.")
    name: str
    description: str
    owner: str
    labels: dict[str, str]
    is_archived: bool
    source: Source = Field(description="The layer its declaration is from; empty where it is not declared.")
    shadows: list[str] = Field(description="Lower layers that declare it too and do not hold.")
    month_usd: str = Field(description="Spent in this month, UTC.", examples=["12.5"])
    today_usd: str
    requests_today: int
    unrated_requests: int = Field(description="Of this month: requests of which a part has no price.")
    last_seen_on: date | None = Field(description="The last day with a request, of the last 31; null: none.")
    calls: int | None = Field(description="Live now; null while nobody can know.")


class ProjectList(BaseModel):
    """Projects in the order of their ids."""

    revision: int = Field(description="Of what is in force.")
    created_at: datetime | None
    created_by: str
    projects: list[ProjectRow]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class ProjectsApplied(BaseModel):
    """What came of declaring projects."""

    revision: int = Field(description="The revision in force; replicas follow within a second.")
    is_changed: bool = Field(description="False when this was in force already: nothing new was made.")
    projects: int = Field(description="Declared now, by all layers.")
