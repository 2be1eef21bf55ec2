"""Naming: what somebody asks about, models, a chain, a stack or a project's defaults. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final, NamedTuple

from voicegateway_controller.errors import BadRequest, NotFound
from voicegateway_shared.limits.declared import MODALITIES
from voicegateway_shared.pricing import Catalog
from voicegateway_shared.routing import Chain, ChainModel, Routing, Strategy
from voicegateway_shared.routing.chain import ATTEMPT_TIMEOUT_MS_DEFAULT, MODELS_MAX
from voicegateway_shared.usage import Modality

_WITHOUT_VARIANT: Final = ("llm",)
"""Whose models' own names may hold a colon."""


class ModelName(NamedTuple):
    """A model string taken apart; language and voice are left out."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One place in an agent, and who may fill it."""

    modality: str
    """Empty while nobody has said what a model by itself does."""
    candidates: tuple[ChainModel, ...]
    chain: str = ""
    project: str = ""
    """Whose chain it is; empty: everybody's."""
    strategy: Strategy = "order"
    hedge: bool = False
    attempt_timeout_ms: int = ATTEMPT_TIMEOUT_MS_DEFAULT

    def of(self, modality: str) -> "Part":
        """Return it for a modality."""
        return replace(self, modality=modality)


def split_model(text: str, modality: str) -> ModelName:
    """Return provider and model of a model string, as workers take it apart. Raises BadRequest."""
    provider, slash, rest = text.strip().partition("/")
    if not slash or not provider or not rest:
        raise BadRequest(f"{text!r} is no model: write provider/model, for example deepgram/nova-3")
    if modality in _WITHOUT_VARIANT or ":" not in rest:
        return ModelName(provider, rest)
    return ModelName(provider, rest.rpartition(":")[0])


def modality_of(candidates: Sequence[ChainModel], catalog: Catalog) -> str:
    """Return what a model does, as the prices say. Raises BadRequest where they say several things, or nothing."""
    model = candidates[0].model
    found = [
        modality
        for modality in MODALITIES
        if not isinstance(catalog.model(**split_model(model, modality)._asdict(), modality=modality), str)
    ]
    if len(found) != 1:
        what = f"may be {' or '.join(found)}" if found else "has no price, so its modality is not known here"
        which = f"say which with modality (`voicegw`: --modality), one of {', '.join(MODALITIES)}"
        raise BadRequest(f"{model} {what}: {which}")
    return found[0]


def parts_named(asked: Sequence[str], modality: str | None, project: str, routing: Routing) -> tuple[str, list[Part]]:
    """Return the stack's name, where it is one, and the places that are meant.

    Raises NotFound where there is no such chain or stack, or no default; BadRequest for a modality that is none.
    """
    if modality is not None and modality not in MODALITIES:
        raise BadRequest(f"modality {modality!r} is none of {', '.join(MODALITIES)}")
    if len(asked) > MODELS_MAX:
        raise BadRequest(f"{len(asked)} models are more than the {MODELS_MAX} that stand for one another")
    wanted: list[Modality] = [each for each in MODALITIES if modality in (None, each)]
    if not asked:
        return "", _defaults(wanted, project, routing)
    if len(asked) > 1 or "/" in asked[0]:
        candidates = tuple(ChainModel(model=each) for each in asked)
        for each in asked:
            split_model(each, "llm")
        return "", [Part(modality=modality or "", candidates=candidates)]
    name = asked[0]
    chains = [chain for each in wanted if (chain := routing.chain(name, each, project)) is not None]
    if chains:
        return "", [_of(chain) for chain in chains]
    stack = routing.stack(name, project)
    if stack is None:
        raise NotFound(_nothing(name, wanted, project, routing))
    named: dict[Modality, str] = {each: part for each in wanted if (part := getattr(stack, each))}
    return name, [_place(part, each, project, routing) for each, part in named.items()]


def _defaults(wanted: Sequence[Modality], project: str, routing: Routing) -> list[Part]:
    named: dict[Modality, str] = {each: part for each in wanted if (part := routing.default_of(each, project))}
    if not named:
        raise NotFound(f"project {project!r} has no default for {', '.join(wanted)}")
    return [_place(part, each, project, routing) for each, part in named.items()]


def _place(part: str, modality: Modality, project: str, routing: Routing) -> Part:
    chain = None if "/" in part else routing.chain(part, modality, project)
    return Part(modality=modality, candidates=(ChainModel(model=part),)) if chain is None else _of(chain)


def _of(chain: Chain) -> Part:
    return Part(
        modality=chain.modality,
        candidates=chain.models,
        chain=chain.name,
        project=chain.project,
        strategy=chain.strategy,
        hedge=chain.hedge,
        attempt_timeout_ms=chain.attempt_timeout_ms,
    )


def _nothing(name: str, wanted: Sequence[str], project: str, routing: Routing) -> str:
    names = {each.name for each in routing.chains if each.project in ("", project) and each.modality in wanted}
    names |= {each.name for each in routing.stacks if each.project in ("", project)}
    near = get_close_matches(name, names, n=1)
    mend = f"did you mean {near[0]!r}?" if near else f"declared are {', '.join(sorted(names)) or 'none'}"
    return f"{name!r} is no model, and no chain or stack of project {project!r}; {mend}"
