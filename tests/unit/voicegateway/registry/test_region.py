"""Regions: the host that a plugin talks to, where it is not its vendor's usual one."""

from typing import Any

import openai
import pytest

from voicegateway.registry import fingerprint, resolve
from voicegateway.registry.region import host_of
from voicegateway_shared.usage import Modality


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "DEEPGRAM", "ASSEMBLYAI", "ELEVEN", "GROQ"):
        monkeypatch.setenv(f"{name}_API_KEY", "a-key")
    for name in ("OPENAI", "ANTHROPIC"):
        monkeypatch.delenv(f"{name}_BASE_URL", raising=False)


@pytest.mark.parametrize(
    ("text", "modality", "given", "region"),
    [
        ("openai/gpt-4.1", "llm", {}, ""),
        ("openai/gpt-4.1", "llm", {"base_url": "https://api.openai.com/v1"}, ""),
        ("openai/gpt-4.1", "llm", {"base_url": "https://EU.api.openai.com/v1"}, "eu.api.openai.com"),
        ("openai/gpt-4.1", "llm", {"base_url": "http://127.0.0.1:8080/v1"}, "127.0.0.1:8080"),
        ("openai/gpt-realtime", "realtime", {"base_url": "http://127.0.0.1:8080/v1"}, "127.0.0.1:8080"),
        ("deepgram/nova-3", "stt", {}, ""),
        ("deepgram/nova-3", "stt", {"base_url": "https://api.eu.deepgram.com/v1/listen"}, "api.eu.deepgram.com"),
        ("deepgram/flux-general-en", "stt", {"base_url": "ws://127.0.0.1:1/v2/listen"}, "127.0.0.1:1"),
        ("assemblyai/universal-3-6-pro", "stt", {"base_url": "wss://streaming.eu.assemblyai.com"},
         "streaming.eu.assemblyai.com"),
        ("elevenlabs/eleven_v3", "tts", {"base_url": "https://api.eu.residency.elevenlabs.io/v1"},
         "api.eu.residency.elevenlabs.io"),
        ("groq/canopylabs/orpheus-v1-english", "tts", {}, ""),
    ],
)  # fmt: skip
async def test_region_is_the_host_of_another_address(
    text: str, modality: Modality, given: dict[str, Any], region: str
) -> None:
    resolved = resolve(text, modality, **given)

    assert resolved.region == region
    await resolved.plugin.aclose()


@pytest.mark.parametrize(
    ("text", "variable"), [("openai/gpt-4.1", "OPENAI_BASE_URL"), ("anthropic/claude-sonnet-4-6", "ANTHROPIC_BASE_URL")]
)
async def test_environments_address_counts_and_an_argument_wins(
    text: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://proxy.example.com:8080/v1")

    told = resolve(text, "llm")
    given = resolve(text, "llm", base_url="http://other.example.com/v1")

    assert (told.region, given.region) == ("proxy.example.com:8080", "other.example.com")
    assert told.plugin._client.base_url.host == "proxy.example.com"
    assert given.plugin._client.base_url.host == "other.example.com"
    await told.plugin.aclose()
    await given.plugin.aclose()


async def test_a_client_of_ones_own_says_address_and_key() -> None:
    async with openai.AsyncClient(api_key="mine", base_url="http://127.0.0.1:9/v1") as client:
        resolved = resolve("openai/gpt-4.1", "llm", client=client)

    assert (resolved.region, resolved.key_id) == ("127.0.0.1:9", fingerprint("mine"))


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://api.openai.com/v1", "api.openai.com"),
        ("api.cartesia.ai", "api.cartesia.ai"),
        ("grpc.nvcf.nvidia.com:443", "grpc.nvcf.nvidia.com:443"),
        ("wss://me:secret@host:1/x", "host:1"),
        ("http://[::1", ""),
        ("", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_hosts_are_read_from_what_people_write_and_never_hold_a_password(address: object, host: str) -> None:
    assert host_of(address) == host
