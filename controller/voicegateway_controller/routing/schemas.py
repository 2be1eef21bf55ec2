"""The JSON of routing."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class NewRouting(BaseModel):
    """A whole declaration; it replaces the one in force."""

    model_config = ConfigDict(extra="forbid")
    routing: dict[str, Any] = Field(
        description="Chains, stacks, defaults and projects as in a routing file.",
        examples=[{"chains": {"llm": {"fast": ["openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"]}}}],
    )


class RoutingApplied(BaseModel):
    """What came of declaring a set."""

    revision: int = Field(description="The revision in force; replicas follow within a second.")
    is_changed: bool = Field(description="False when this very set was in force already: no new revision was made.")
    chains: int
    stacks: int
    warnings: list[str] = Field(description="Providers that nobody here knows.")


class RoutingDeclared(BaseModel):
    """What is declared, as given."""

    revision: int
    created_at: datetime | None
    created_by: str = Field(description="The id of the token that declared it.")
    routing: dict[str, Any] = Field(description="As a routing file says it; without the sections of other projects.")
