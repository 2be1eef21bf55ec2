"""Candidates: several models for one place in an agent; the cheapest serves while a budget throttles.

The plugin of the first one stands for all: the agent session talks to it, and hears of the others through it. Each
request is asked of one of them, and metered as what it is.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from voicegateway.identity import current_identity
from voicegateway.record import PluginFacts
from voicegateway.target import target_for

if TYPE_CHECKING:
    from voicegateway.runtime import Runtime

CANDIDATES_MAX: Final = 8
"""Each is a plugin with a client of its own."""
FORWARDED: Final = ("metrics_collected", "error")
"""What a session listens to."""
TYPICAL_USAGE: Final[Mapping[str, Mapping[str, int]]] = {
    "llm": {"requests": 1, "input_tokens": 1_000, "output_tokens": 100},
    "stt": {"requests": 1, "audio_pushed_ms": 60_000, "audio_sent_ms": 60_000, "socket_open_ms": 60_000},
    "tts": {"requests": 1, "characters_pushed": 200, "characters_sent": 200, "input_tokens": 50, "output_tokens": 300},
}
"""By which models are compared: a turn of a call, a minute heard, a reply spoken."""
_SAME_SOUND: Final = ("sample_rate", "num_channels")
"""Of a voice: what a session is told once and goes by."""


class Candidates:
    """Lives as long as the plugin that stands for all. Used on the event loop."""

    def __init__(self, plugins: Sequence[Any], runtime: "Callable[[], Runtime]") -> None:
        self.first = plugins[0]
        self._all = plugins
        self._able = [plugin for plugin in plugins if _can_stand_in(plugin, self.first)]
        self._runtime = runtime
        for plugin in self._able[1:]:
            self._hear(plugin)

    def instead(self) -> Any:
        """Return who serves the next request in the place of the first one; None when it serves itself."""
        runtime = self._runtime()
        try:
            identity = current_identity()
            facts: PluginFacts = self.first._voicegateway_facts
            project = facts.project or identity.project or runtime.options.project
            targets = [
                target_for(plugin._voicegateway_facts, model_of(plugin), project=project, agent=identity.agent)
                for plugin in self._able
            ]
            costs = [runtime.cost_of(target, TYPICAL_USAGE[target.modality], _now()) for target in targets]
            if not runtime.is_throttled(targets[0], identity.session_id):
                return None
            chosen = self._able[cheapest(costs)]
        except Exception as error:  # noqa: BLE001 - our bug must not fail a call
            runtime.hook_failed("candidates", error)
            return None
        return None if chosen is self.first else chosen

    async def aclose(self) -> None:
        """Close those that stand behind the first one."""
        for plugin in self._all[1:]:
            await plugin.aclose()

    def _hear(self, plugin: Any) -> None:
        for event in FORWARDED:
            plugin.on(event, lambda heard, event=event: self.first.emit(event, heard))


def cheapest(costs: Sequence[int | None]) -> int:
    """Return the index of the cheapest; of the last where not all are known: people write the dearest first."""
    if any(cost is None for cost in costs):
        return len(costs) - 1
    return min(range(len(costs)), key=lambda index: (costs[index], index))


def model_of(plugin: Any) -> str:
    """The model's name, as the ledger has it."""
    return str(getattr(plugin, "model", "") or "unknown")


def _can_stand_in(plugin: Any, first: Any) -> bool:
    is_streaming = getattr(getattr(plugin, "capabilities", None), "streaming", None)
    return is_streaming == getattr(getattr(first, "capabilities", None), "streaming", None) and all(
        getattr(plugin, name, None) == getattr(first, name, None) for name in _SAME_SOUND
    )


def _now() -> datetime:
    return datetime.now(UTC)
