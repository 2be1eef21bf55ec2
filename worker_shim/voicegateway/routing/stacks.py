"""Stacks: a whole agent's plugins by one name, to be given to an agent session as they are."""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from voicegateway.routing.asked import UnknownName
from voicegateway_shared.limits.declared import MODALITIES
from voicegateway_shared.routing import Routing
from voicegateway_shared.usage import Modality

_ARGUMENTS: Final[tuple[Modality, ...]] = ("stt", "llm", "tts")
"""What an AgentSession takes; a realtime model is given to it as its `llm`."""


class PluginStack(Mapping[str, Any]):
    """The plugins of a stack, each made when it is first looked at: `AgentSession(**stack)`, or `stack.llm` by itself.

    As a mapping it has what an agent session takes; where a stack has a realtime model and no `llm`, that is its `llm`.
    A part that the stack does not have is None. Whoever uses the plugins closes them.
    """

    def __init__(self, parts: Mapping[Modality, str], resolve: Callable[[str, Modality], Any]) -> None:
        self._parts = parts
        self._resolve = resolve
        self._made: dict[Modality, Any] = {}

    @property
    def stt(self) -> Any:
        """The stack's STT."""
        return self._part("stt")

    @property
    def llm(self) -> Any:
        """The stack's LLM."""
        return self._part("llm")

    @property
    def tts(self) -> Any:
        """The stack's TTS."""
        return self._part("tts")

    @property
    def realtime(self) -> Any:
        """The stack's realtime model."""
        return self._part("realtime")

    def __getitem__(self, key: str) -> Any:
        for name in _ARGUMENTS:
            if name == key and name in self:
                return self._part("realtime" if name == "llm" and "llm" not in self._parts else name)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key in _ARGUMENTS and (key in self._parts or (key == "llm" and "realtime" in self._parts))

    def __iter__(self) -> Iterator[str]:
        return (name for name in _ARGUMENTS if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"PluginStack({dict(self._parts)!r})"

    def _part(self, modality: Modality) -> Any:
        if modality not in self._parts:
            return None
        if modality not in self._made:
            self._made[modality] = self._resolve(self._parts[modality], modality)
        return self._made[modality]


def parts_of(name: str | None, project: str, routing: Routing) -> dict[Modality, str]:
    """Return the chains' names and model strings of a stack; without a name, those that are the project's defaults.

    Raises:
        UnknownName: there is no such stack, or no default.
    """
    parts: dict[Modality, str]
    if name is None:
        parts = {modality: routing.default_of(modality, project) for modality in MODALITIES}
        if not any(parts.values()):
            raise UnknownName(
                f"stack: none is named, and project {project!r} has no defaults; declare `defaults: {{stack: …}}`"
            )
    else:
        stack = routing.stack(name, project)
        if stack is None:
            names = sorted({each.name for each in routing.stacks if each.project in ("", project)})
            near = get_close_matches(name, names, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"declared are {', '.join(names) or 'none'}"
            raise UnknownName(f"{name!r} is no stack; {mend}")
        parts = {modality: getattr(stack, modality) for modality in MODALITIES}
    return {modality: part for modality, part in parts.items() if part}
