"""Tariff: all that is needed to price one model's requests, small enough to be sent to a worker that needs it."""

import msgspec

from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.plans import PlanWindow
from voicegateway_shared.pricing.price import ANY_ACCOUNT, Price
from voicegateway_shared.pricing.selection import ModelPrices, UnratedReason


class Tariff(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model's prices as the controller rates by them; or the reason why it has none, and then no prices."""

    provider: str
    model: str
    """As the holder named it, aliases included."""
    modality: str
    prices: tuple[Price, ...] = ()
    conditions: dict[str, Condition] = {}
    default_plan: str | None = None
    plans: tuple[PlanWindow, ...] = ()
    reason: UnratedReason | None = None
    output_tokens_p99: int = 0
    """Of the fleet's recent requests to this model; 0 while too few are known."""

    @classmethod
    def of(cls, found: ModelPrices | UnratedReason, *, provider: str, model: str, modality: str, p99: int) -> "Tariff":
        """Return the tariff of what a catalogue found for a model."""
        if isinstance(found, str):
            return cls(provider=provider, model=model, modality=modality, reason=found)
        return cls(
            provider=provider,
            model=model,
            modality=modality,
            prices=tuple(found.prices),
            conditions=dict(found.conditions),
            default_plan=found.default_plan,
            plans=found.plans,
            output_tokens_p99=p99,
        )

    @property
    def is_agreed(self) -> bool:
        """Whether it holds contracts or plans of somebody: then who asks decides."""
        return any(price.layer != "list" for price in self.prices) or any(plan.layer != "list" for plan in self.plans)

    def model_prices(self, *, project: str = "", account: str = "") -> ModelPrices:
        """Return the prices of who asks, ready to be looked up; make it once and keep it."""
        return ModelPrices(
            [price for price in self.prices if _reaches(price, project, account)],
            conditions=self.conditions,
            default_plan=self.default_plan,
            plans=tuple(plan for plan in self.plans if _reaches(plan, project, account)),
        )


def _reaches(agreed: Price | PlanWindow, project: str, account: str) -> bool:
    if agreed.layer == "project":
        return agreed.scope == project
    return agreed.layer == "list" or agreed.scope in (ANY_ACCOUNT, account)
