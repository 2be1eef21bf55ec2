"""The catalogue that the controller and the runner rate by."""

import pytest

from voicegateway_controller.catalog import load_catalog
from voicegateway_controller.settings import load_settings
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.pricing import Catalog
from voicegateway_shared.pricing.selection import ModelPrices

SERVERS = {
    "database_url": "postgresql://user:password@127.0.0.1:5432/name",
    "redis_url": "redis://127.0.0.1:6379/0",
}


def test_nothing_stated_it_is_the_one_shipped() -> None:
    assert load_catalog(load_settings(**SERVERS).local_nodes) is Catalog.builtin()


def test_stated_nodes_are_in_it_beside_the_vendors() -> None:
    catalog = load_catalog(load_settings(**SERVERS, local_nodes="whisper=0.70/8, piper=0.70/16").local_nodes)

    assert isinstance(catalog.model(provider="whisper", model="base.en", modality="stt"), ModelPrices)
    assert isinstance(catalog.model(provider="piper", model="en_US-lessac-medium", modality="tts"), ModelPrices)
    assert catalog.model(provider="kokoro", model="v1.0", modality="tts") == "unknown_provider"
    assert {price.price_id for price in Catalog.builtin().prices} < {price.price_id for price in catalog.prices}
    assert catalog.version != Catalog.builtin().version


@pytest.mark.parametrize("text", ["ollama=1/1", "whisper", "whisper=1/1, whisper=2/1"])
def test_nodes_that_cannot_be_read_stop_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match="VOICEGATEWAY_LOCAL_NODES is wrong"):
        load_settings(**SERVERS, local_nodes=text)
