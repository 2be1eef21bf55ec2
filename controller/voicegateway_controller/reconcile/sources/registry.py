"""Which vendors tell their own account of a month, and what each needs to be asked."""

from collections.abc import Callable
from typing import Final

from pydantic import SecretStr

from voicegateway_controller.reconcile.sources.anthropic import AnthropicBilling
from voicegateway_controller.reconcile.sources.cartesia import CartesiaBilling
from voicegateway_controller.reconcile.sources.deepgram import DeepgramBilling
from voicegateway_controller.reconcile.sources.elevenlabs import ElevenLabsBilling
from voicegateway_controller.reconcile.sources.openai import OpenAIBilling
from voicegateway_controller.reconcile.statement import BillingSource
from voicegateway_controller.settings import ENV_PREFIX, Settings
from voicegateway_shared.errors import ConfigurationError


def billing_source(provider: str, settings: Settings, *, edge_days: int = 0) -> BillingSource:
    """Return what pulls a vendor's statement. Raises ConfigurationError that says which setting is missing.

    `edge_days` keeps lines of so many days on either side of the month.
    """
    make = _SOURCES.get(provider)
    if make is None:
        raise ConfigurationError(
            f"{provider!r} has no billing API that we know; these have: {', '.join(PROVIDERS)}. "
            "Import its invoice as a file instead"
        )
    return make(settings, edge_days)


def is_configured(provider: str, settings: Settings) -> bool:
    """Say whether a vendor can be asked."""
    return provider in _SOURCES and bool(getattr(settings, f"billing_{provider}_key"))


def _openai(settings: Settings, edge_days: int) -> BillingSource:
    key = _key(settings.billing_openai_key, "openai")
    return OpenAIBilling(key, url=settings.billing_openai_url, edge_days=edge_days)


def _anthropic(settings: Settings, edge_days: int) -> BillingSource:
    key = _key(settings.billing_anthropic_key, "anthropic")
    return AnthropicBilling(key, url=settings.billing_anthropic_url, edge_days=edge_days)


def _deepgram(settings: Settings, edge_days: int) -> BillingSource:
    key = _key(settings.billing_deepgram_key, "deepgram")
    projects = [each.strip() for each in settings.billing_deepgram_projects.split(",") if each.strip()]
    return DeepgramBilling(key, projects=projects, url=settings.billing_deepgram_url, edge_days=edge_days)


def _elevenlabs(settings: Settings, edge_days: int) -> BillingSource:
    key = _key(settings.billing_elevenlabs_key, "elevenlabs")
    return ElevenLabsBilling(key, url=settings.billing_elevenlabs_url, edge_days=edge_days)


def _cartesia(settings: Settings, edge_days: int) -> BillingSource:
    key = _key(settings.billing_cartesia_key, "cartesia")
    return CartesiaBilling(key, url=settings.billing_cartesia_url, edge_days=edge_days)


def _key(secret: SecretStr | None, provider: str) -> str:
    if secret is None or not secret.get_secret_value():
        name = f"{ENV_PREFIX}BILLING_{provider.upper()}_KEY"
        raise ConfigurationError(f"{name} is not set: it is the key that may read {provider}'s billing")
    return secret.get_secret_value()


_SOURCES: Final[dict[str, Callable[[Settings, int], BillingSource]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "deepgram": _deepgram,
    "elevenlabs": _elevenlabs,
    "cartesia": _cartesia,
}
PROVIDERS: Final = tuple(_SOURCES)
"""Vendors with a billing API that we ask."""
