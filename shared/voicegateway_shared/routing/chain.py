"""Chains, stacks and defaults, as a fleet declares them and workers hold them."""

from collections.abc import Iterable
from typing import Final, Literal, TypeVar

import msgspec

from voicegateway_shared.usage import Modality

Strategy = Literal["order", "cheapest", "fastest", "weighted", "sticky"]
"""How those of a chain that may serve are ordered. `order`: as declared. `cheapest`: by price of a typical request.
`fastest`: by the fleet's median time to first byte. `weighted`: by lot, anew for each resolve. `sticky`: by lot, the
same lot for the same session. A model without a price or time to go by stays where it is declared."""

MODELS_MAX: Final = 8
"""Of a chain: each is a plugin with a client of its own."""
CHAINS_MAX: Final = 200
STACKS_MAX: Final = 100
ATTEMPT_TIMEOUT_MS_DEFAULT: Final = 5_000
"""How long a model may be silent before the next of its chain is asked."""


class ChainModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model of a chain."""

    model: str
    """As people write it: `deepgram/nova-3:multi`."""
    weight: int = 1
    """For `weighted` and `sticky`: its lots."""
    options: dict[str, object] = {}
    """Keyword arguments for its plugin, plain values only."""


class Chain(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Models for the same place in an agent; the first that may serve does, the others stand behind it."""

    name: str
    modality: Modality
    models: tuple[ChainModel, ...]
    strategy: Strategy = "order"
    hedge: bool = False
    """Whether the second is asked too when the first has been silent for its fleet-wide p95 time to first byte."""
    attempt_timeout_ms: int = ATTEMPT_TIMEOUT_MS_DEFAULT
    project: str = ""
    """Whose chain it is; empty: everybody's. One of a project hides one of everybody's of the same name."""


class Stack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A whole agent's models by one name: each a chain's name or a model string; empty where it has none."""

    name: str
    stt: str = ""
    llm: str = ""
    tts: str = ""
    realtime: str = ""
    project: str = ""


class ProjectDefault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `gateway.stt()` without a model means; each a chain's name or a model string."""

    project: str = ""
    """Empty: for every project that has none of its own."""
    stt: str = ""
    llm: str = ""
    tts: str = ""
    realtime: str = ""
    stack: str = ""


class Routing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is declared of routing."""

    chains: tuple[Chain, ...] = ()
    stacks: tuple[Stack, ...] = ()
    defaults: tuple[ProjectDefault, ...] = ()

    def chain(self, name: str, modality: Modality, project: str) -> Chain | None:
        """Return the chain of this name: the project's own before everybody's; None where there is none."""
        return _of_project((each for each in self.chains if each.name == name and each.modality == modality), project)

    def stack(self, name: str, project: str) -> Stack | None:
        """Return the stack of this name, likewise."""
        return _of_project((each for each in self.stacks if each.name == name), project)

    def default(self, project: str) -> ProjectDefault | None:
        """Return what a project's models are where the code names none, likewise."""
        return _of_project(self.defaults, project)

    def default_of(self, modality: Modality, project: str) -> str:
        """Return a chain's name or a model string; empty where none is declared.

        A project that says nothing of a modality, by itself or by its stack, has everybody's.
        """
        for owner in dict.fromkeys((project, "")):
            default = next((each for each in self.defaults if each.project == owner), None)
            if default is None:
                continue
            stack = self.stack(default.stack, project) if default.stack else None
            part: str = getattr(default, modality) or (getattr(stack, modality) if stack is not None else "")
            if part:
                return part
        return ""

    def over(self, lower: "Routing") -> "Routing":
        """Return both, where what `lower` has is hidden by what we have for the same name and project, or everybody's.

        Of defaults each word is hidden by itself.
        """
        chains = [each for each in lower.chains if self.chain(each.name, each.modality, each.project) is None]
        stacks = [each for each in lower.stacks if self.stack(each.name, each.project) is None]
        return Routing(
            chains=(*self.chains, *chains),
            stacks=(*self.stacks, *stacks),
            defaults=_defaults(self, lower),
        )


T = TypeVar("T", Chain, Stack, ProjectDefault)


def _defaults(upper: Routing, lower: Routing) -> tuple[ProjectDefault, ...]:
    ours, theirs = ({each.project: _words(each) for each in routing.defaults} for routing in (upper, lower))
    made = []
    for project in dict.fromkeys((*ours, *theirs)):
        own = ours.get(project, {})
        hidden = ours.get("", {}).keys() | own.keys()
        words = {word: value for word, value in theirs.get(project, {}).items() if word not in hidden} | own
        if words:
            made.append(ProjectDefault(project=project, **words))
    return tuple(made)


def _words(default: ProjectDefault) -> dict[str, str]:
    return {word: value for word, value in msgspec.structs.asdict(default).items() if value and word != "project"}


def _of_project(found: Iterable[T], project: str) -> T | None:
    everybodys: T | None = None
    for each in found:
        if each.project == project:
            return each
        if not each.project:
            everybodys = each
    return everybodys
