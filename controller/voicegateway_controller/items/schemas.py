"""The JSON of one declared resource."""

from typing import Any, Literal

from pydantic import BaseModel, Field

Layer = Literal["env", "db", "yaml"]


class Item(BaseModel):
    """One resource: what holds, and what is managed of it."""

    id: str
    project: str = Field(description="Of chains and stacks: whose it is; empty: everybody's.")
    modality: str = Field(description="Of chains: `stt`, `llm`, `tts` or `realtime`; empty for the others.")
    source: Layer = Field(description="The layer that it holds by: `env`, `db` (managed here) or `yaml`.")
    shadows: list[Layer] = Field(description="Lower layers that declare it too, and would hold without this one.")
    declared: Any = Field(description="What holds, as given.")
    managed: Any = Field(
        description="What is managed here, as given; null: nothing. It holds unless `source` is `env`."
    )


class Items(BaseModel):
    """Resources of one kind that hold."""

    revision: int = Field(description="Of the whole kind.")
    items: list[Item]


class ItemChanged(BaseModel):
    """What came of a change."""

    revision: int = Field(description="Of the whole kind, in force everywhere within a second.")
    is_changed: bool
    item: Item | None = Field(description="What holds of it now; null: nothing.")
    warnings: list[str]
