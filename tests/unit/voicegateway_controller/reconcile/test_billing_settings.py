"""Billing keys and addresses: what is taken, and what is refused without repeating it."""

from typing import Any

import pytest
from pydantic import SecretStr

from voicegateway_controller.reconcile.sources import PROVIDERS
from voicegateway_controller.reconcile.sources.registry import is_configured
from voicegateway_controller.settings import Settings, load_settings
from voicegateway_shared.errors import ConfigurationError

STORES: dict[str, Any] = {"database_url": "postgresql://localhost/x", "redis_url": "redis://localhost"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_with_a_line_break_at_its_end_is_taken_without_it(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"VOICEGATEWAY_BILLING_{provider.upper()}_KEY", "sk-admin-x\n")

    settings = load_settings(**STORES)

    key: SecretStr = getattr(settings, f"billing_{provider}_key")
    assert key.get_secret_value() == "sk-admin-x"
    assert "sk-admin-x" not in repr(settings)
    assert [each for each in PROVIDERS if is_configured(each, settings)] == [provider]


@pytest.mark.parametrize("key", ["", "  ", "\n"])
def test_an_empty_key_is_none(key: str) -> None:
    assert Settings(**STORES, billing_openai_key=SecretStr(key)).billing_openai_key is None


@pytest.mark.parametrize("key", ["sk-admin x", "sk-admin\nx", "sk-ädmin", "a\tb"])
def test_what_is_no_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="VOICEGATEWAY_BILLING_OPENAI_KEY is wrong") as refused:
        load_settings(**STORES, billing_openai_key=SecretStr(key))
    assert key not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://eu.api.openai.com/", "http://127.0.0.1:1234", "http://localhost:9", "https://h/base"]
)
def test_addresses_that_keep_a_key(url: str) -> None:
    assert Settings(**STORES, billing_openai_url=url).billing_openai_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openai.com",
        "ftp://x",
        "api.openai.com",
        "https://",
        "https://user:pw@x",
        "https://x?a=b",
        "https://x#a",
        "",
    ],
)
def test_addresses_that_do_not(url: str) -> None:
    with pytest.raises(ConfigurationError, match="VOICEGATEWAY_BILLING_OPENAI_URL is wrong: must"):
        load_settings(**STORES, billing_openai_url=url)
