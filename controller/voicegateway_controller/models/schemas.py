"""The JSON of models. Amounts are decimal strings in USD."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

Health = Literal["unknown", "ok", "degraded", "half_open", "open", "disabled"]


class PriceNow(BaseModel):
    """One price that holds now."""

    price_id: str
    meter: str
    amount: str = Field(description="For each `per`.")
    per: str = Field(examples=["1000000 tokens"])
    currency: Literal["USD", "credits"]
    when: dict[str, str] = Field(description="The context it is for; empty: any.")


class ModelRow(BaseModel):
    """One model: priced, named in a chain, asked by workers, or several of these."""

    model: str = Field(description="As in model strings: `provider/model`.", examples=["openai/gpt-4.1-mini"])
    provider: str
    name: str = Field(description="Without its provider.")
    modality: str
    is_priced: bool
    priced_as: str = Field(description="The catalogue's name of it, where that is another one.")
    unpriced_reason: str = Field(description="Why it has no price; empty where it has one.")
    typical_usd: str | None = Field(description="A typical request at the prices of now; null where that has no price.")
    typical: dict[str, int] = Field(description="What a typical request uses.")
    prices: list[PriceNow] = Field(description="List prices that hold now.")
    more_prices: int = Field(description="How many more there are: `GET /api/v1/prices` has them all.")
    chains: list[str] = Field(description="Chains that have it, of those the token may see.")
    health: Health = Field(
        description="The worst that workers say of it at any account; `unknown`: nobody asked lately."
    )
    cause: str
    ttfb_p50_ms: int | None
    ttfb_p95_ms: int | None
    requests: int = Field(description="Of the last 24 hours, in the projects that the token reaches.")
    unrated_requests: int
    amount_usd: str


class ModelsPage(BaseModel):
    """Models in the order of provider, name and modality."""

    as_of: datetime
    models: list[ModelRow]
    next: str | None = Field(description="Send it as `cursor` for the next page; null: this is the last.")
