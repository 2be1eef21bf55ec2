"""Asked: what a call of the gateway means, a model string, a chain's name, several of both, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final, cast

from voicegateway_shared.errors import ConfigurationError, UnknownModel
from voicegateway_shared.routing import Chain, ChainModel, Routing, Strategy
from voicegateway_shared.routing.chain import ATTEMPT_TIMEOUT_MS_DEFAULT, MODELS_MAX
from voicegateway_shared.routing.fields import STRATEGIES
from voicegateway_shared.usage import Modality

Model = str | ChainModel | Sequence[str | ChainModel]
"""`provider/model[:variant]`, a chain's name, one model with options of its own, or several of these."""

_SLASH: Final = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The candidates for one place in an agent, and how one of them is chosen."""

    candidates: tuple[ChainModel, ...]
    chain: str = ""
    """The chain they are of; empty for models that the code names itself."""
    strategy: Strategy = "order"
    is_hedged: bool = False
    attempt_timeout_ms: int = ATTEMPT_TIMEOUT_MS_DEFAULT
    is_single: bool = False
    """The code names one model and no chain: what is wrong with it is said as it is."""


class UnknownName(UnknownModel):
    """A name without a slash that is no chain's, or no default where nothing was named."""


def asked_for(
    given: Model | None, modality: Modality, project: str, routing: Routing, *, strategy: str | None, hedge: bool | None
) -> Asked:
    """Return the candidates; `strategy` and `hedge` win over what a chain declares.

    Raises:
        UnknownName: there is no such chain, or no default where no model was given.
        ConfigurationError: none, too many, or no model at all.
    """
    asked = _asked(given, modality, project, routing)
    if strategy is not None:
        if strategy not in STRATEGIES:
            raise ConfigurationError(f"{modality}: strategy {strategy!r} is none of {', '.join(STRATEGIES)}")
        asked = replace(asked, strategy=cast(Strategy, strategy))
    return asked if hedge is None else replace(asked, is_hedged=hedge)


def _asked(given: Model | None, modality: Modality, project: str, routing: Routing) -> Asked:
    if given is None:
        given = routing.default_of(modality, project)
        if not given:
            raise UnknownName(
                f"{modality}: no model given, and project {project!r} has no default; name one such as "
                f"gateway.{modality}('provider/model'), or declare `defaults: {{{modality}: …}}`"
            )
    if isinstance(given, str):
        return _named(given, modality, project, routing)
    if isinstance(given, ChainModel):
        return Asked(candidates=(given,), is_single=True)
    if isinstance(given, Sequence):
        return _several(given, modality, project, routing)
    raise ConfigurationError(f"{modality}: {given!r} is no model; give a model string, a chain's name, or several")


def _named(name: str, modality: Modality, project: str, routing: Routing) -> Asked:
    if _SLASH in name:
        return Asked(candidates=(ChainModel(model=name),), is_single=True)
    chain = routing.chain(name.strip(), modality, project)
    if chain is None:
        raise UnknownName(f"{name!r} is no model and no {modality} chain; {_mend(name, modality, project, routing)}")
    return _of(chain)


def _several(given: Sequence[str | ChainModel], modality: Modality, project: str, routing: Routing) -> Asked:
    if len(given) == 1:
        return _asked(given[0], modality, project, routing)
    found: list[ChainModel] = []
    for each in given:
        if not isinstance(each, (str, ChainModel)):
            raise ConfigurationError(f"{modality}: {each!r} is no model; write provider/model or a chain's name")
        found += _asked(each, modality, project, routing).candidates
    if not 0 < len(found) <= MODELS_MAX:
        raise ConfigurationError(f"{modality}: {len(found)} candidates; give 1 to {MODELS_MAX} models")
    return Asked(candidates=tuple(found))


def _of(chain: Chain) -> Asked:
    return Asked(
        candidates=chain.models,
        chain=chain.name,
        strategy=chain.strategy,
        is_hedged=chain.hedge,
        attempt_timeout_ms=chain.attempt_timeout_ms,
    )


def _mend(name: str, modality: Modality, project: str, routing: Routing) -> str:
    chains = {each.name for each in routing.chains if each.modality == modality and each.project in ("", project)}
    near = get_close_matches(name, chains, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    if chains:
        return f"write provider/model, for example 'deepgram/nova-3', or one of {', '.join(sorted(chains))}"
    return f"write provider/model, for example 'deepgram/nova-3'; no {modality} chain is declared"
