"""Truth records know by which key a request came, and never the key."""

import aiohttp
import pytest

from voicegateway.registry import fingerprint
from voicegateway.testing.vendors import VendorSimulators
from voicegateway.testing.vendors.credentials import credential_of, key_fact, key_links

CHAT = {"model": "gpt-4.1-mini", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}


async def test_truth_tells_keys_apart_and_never_holds_one() -> None:
    async with VendorSimulators() as sims, aiohttp.ClientSession() as client:
        for key in ("sk-first", "sk-second"):
            headers = {"Authorization": f"Bearer {key}"}
            async with client.post(f"{sims.openai.base_url}/chat/completions", json=CHAT, headers=headers) as answer:
                await answer.read()
        truth = await sims.settled()
        text = (sims.truth_dir / "openai.jsonl").read_text()

    assert [record.facts["key"] for record in truth] == [key_fact("sk-first"), key_fact("sk-second")]
    assert "sk-first" not in text


async def test_deepgrams_tags_and_key_of_a_socket_are_kept() -> None:
    async with VendorSimulators() as sims, aiohttp.ClientSession() as client:
        url = f"{sims.deepgram.base_url}?model=nova-3&encoding=linear16&sample_rate=16000&tag=b&tag=a&tag=b"
        async with client.ws_connect(url, headers={"Authorization": "Token dg-key"}) as socket:
            await socket.send_bytes(bytes(32_000))
        (record,) = await sims.settled()

    assert (record.facts["key"], record.facts["tags"]) == (key_fact("dg-key"), "a b")


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "deepgram", "elevenlabs", "cartesia", "groq"])
def test_a_vendors_id_of_a_key_leads_to_our_fingerprint(vendor: str) -> None:
    links = key_links(vendor, ["one", "two"])

    assert links == {credential_of(vendor, "one"): fingerprint("one"), credential_of(vendor, "two"): fingerprint("two")}
    assert len(links) == 2
