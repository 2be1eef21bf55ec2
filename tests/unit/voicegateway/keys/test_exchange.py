"""Exchange: every plugin that we name keeps its key where it is found, and lets connections of the old one go."""

from typing import Any

import pytest
from livekit.agents import utils

from voicegateway.keys.exchange import exchange, holds
from voicegateway.registry.named import NAMED
from voicegateway.registry.resolving import resolve
from voicegateway_shared.usage import Modality

OLD, NEW = "sk-the-old-key-of-a-vendor", "sk-the-new-key-of-a-vendor"
MODELS = {
    ("deepgram", "stt"): ("nova-3", "flux-general-en"),
    ("deepgram", "tts"): ("aura-2", "flux-andromeda-en"),
    ("cartesia", "stt"): ("ink-whisper", "ink-2"),
    ("openai", "stt"): ("whisper-1", "gpt-4o-transcribe"),
    ("openai", "realtime"): ("gpt-realtime",),
}
PLUGINS: list[tuple[str, Modality, str, dict[str, Any]]] = [
    (provider.name, modality, model, {})
    for provider in NAMED.values()
    if provider.key_variables
    for modality in provider.classes
    for model in MODELS.get((provider.name, modality), ("some-model",))
]


@pytest.mark.parametrize(
    ("provider", "modality", "model", "options"),
    [*PLUGINS, ("openai", "llm", "gpt-4.1", {"api": "responses"})],
    ids=lambda each: str(each) or "-",
)
async def test_named_providers_plugins_take_another_key(
    provider: str, modality: Modality, model: str, options: dict[str, Any]
) -> None:
    async with utils.http_context.open():
        plugin = resolve(f"{provider}/{model}", modality, api_key=OLD, **options).plugin
        before = holds(plugin, OLD)
        is_found = exchange(plugin, OLD, NEW)

    assert (before, is_found) == (True, True)
    assert (holds(plugin, OLD), holds(plugin, NEW)) == (False, True)
    assert OLD not in repr(_headers(plugin))


def _headers(plugin: Any) -> Any:
    client = getattr(plugin, "_client", None)
    return getattr(client, "auth_headers", None)


def test_pooled_connections_are_not_used_again() -> None:
    class Plugin:
        def __init__(self) -> None:
            self._key = OLD
            self._pool = utils.ConnectionPool[object]()

    plugin = Plugin()
    pooled = object()
    plugin._pool._connections[pooled] = 0.0
    plugin._pool.put(pooled)

    assert exchange(plugin, OLD, NEW)
    assert (plugin._key, plugin._pool._available, plugin._pool._to_close) == (NEW, set(), {pooled})


def test_headers_in_a_mapping_are_found_and_what_is_not_there_is_told() -> None:
    class Plugin:
        def __init__(self) -> None:
            self._headers = {"Authorization": f"Bearer {OLD}", "X": "y"}

    plugin = Plugin()

    assert (exchange(plugin, OLD, NEW), plugin._headers) == (True, {"Authorization": f"Bearer {NEW}", "X": "y"})
    assert not exchange(plugin, OLD, NEW)
