"""Declarations: chains, stacks and defaults as a person writes them, from YAML or JSON; refused with the reason.

    chains:
      llm:
        fast: [openai/gpt-4.1-mini, groq/openai/gpt-oss-120b]
    stacks:
      premium: {stt: deepgram/nova-3, llm: fast, tts: cartesia/sonic-3}
    defaults: {stack: premium}
    projects:
      acme: {chains: ..., stacks: ..., defaults: ...}

A section of a project has the same shape and hides everybody's of the same name.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import MODALITIES, nearest
from voicegateway_shared.routing.chain import (
    ATTEMPT_TIMEOUT_MS_DEFAULT,
    CHAINS_MAX,
    MODELS_MAX,
    STACKS_MAX,
    Chain,
    ChainModel,
    ProjectDefault,
    Routing,
    Stack,
)
from voicegateway_shared.routing.fields import (
    check_name,
    flag,
    is_list,
    mapping,
    model_string,
    options_of,
    reference,
    refuse_unknown,
    strategy_of,
    whole,
)
from voicegateway_shared.usage import Modality

PROJECTS_MAX: Final = 200
WEIGHT_MAX: Final = 1_000
ATTEMPT_TIMEOUT_MS_MIN: Final = 200
"""Below this most vendors would be left before they could answer at all."""
ATTEMPT_TIMEOUT_MS_MAX: Final = 60_000

PARTS: Final = MODALITIES
"""What a stack and a default may name."""
SECTIONS: Final = ("chains", "stacks", "defaults")
_DOCUMENT: Final = (*SECTIONS, "projects")
_CHAIN: Final = ("models", "strategy", "hedge", "attempt_timeout_ms")
_MODEL: Final = ("model", "weight", "options")
_DEFAULTS: Final = (*PARTS, "stack")


class _Section(NamedTuple):
    """What one project declares, or everybody."""

    chains: tuple[Chain, ...] = ()
    stacks: tuple[Stack, ...] = ()
    default: ProjectDefault | None = None


def parse_routing(document: object, *, providers: Collection[str] = (), where: str = "routing") -> Routing:
    """Return what a document declares; `providers` are the ids that are known.

    Raises:
        ConfigurationError: something is wrong; the message names the place and the mend.
    """
    if document is None:
        return Routing()
    known = mapping(document, where, "{chains: {llm: {fast: [openai/gpt-4.1-mini]}}}")
    refuse_unknown(known, _DOCUMENT, where)
    sections = [_section(known, where, "", providers)]
    projects = known.get("projects")
    if projects is not None:
        named = mapping(projects, f"{where}.projects", "{acme: {defaults: {llm: fast}}}")
        if len(named) > PROJECTS_MAX:
            raise ConfigurationError(f"{where}.projects: more than {PROJECTS_MAX} projects")
        for project, declared in named.items():
            place = f"{where}.projects.{project}"
            if not isinstance(project, str) or not project:
                raise ConfigurationError(f"{where}.projects: {project!r} is no project's name; put it in quotes")
            if declared is None:
                continue
            section = mapping(declared, place, "{defaults: {llm: fast}}")
            refuse_unknown(section, SECTIONS, place)
            sections.append(_section(section, place, project, providers))
    routing = Routing(
        chains=tuple(chain for section in sections for chain in section.chains),
        stacks=tuple(stack for section in sections for stack in section.stacks),
        defaults=tuple(section.default for section in sections if section.default is not None),
    )
    _refuse_too_many(routing, where)
    _refuse_dangling(routing, where)
    return routing


def _section(declared: Mapping[str, Any], where: str, project: str, providers: Collection[str]) -> _Section:
    return _Section(
        chains=_chains(declared.get("chains"), f"{where}.chains", project, providers),
        stacks=_stacks(declared.get("stacks"), f"{where}.stacks", project, providers),
        default=_default(declared.get("defaults"), f"{where}.defaults", project, providers),
    )


def _chains(declared: object, where: str, project: str, providers: Collection[str]) -> tuple[Chain, ...]:
    if declared is None:
        return ()
    chains: list[Chain] = []
    for modality, named in mapping(declared, where, "{llm: {fast: [openai/gpt-4.1-mini]}}").items():
        if modality not in MODALITIES:
            mend = nearest(str(modality), MODALITIES) or f"write chains.llm.{modality} (or stt, tts, realtime)"
            raise ConfigurationError(
                f"{where}: {modality!r} is none of {', '.join(MODALITIES)}, by which chains are grouped; {mend}"
            )
        if named is None:
            continue
        for name, chain in mapping(named, f"{where}.{modality}", "{fast: [openai/gpt-4.1-mini]}").items():
            place = f"{where}.{modality}.{name}"
            check_name(name, place, "chain")
            chains.append(_chain(chain, place, name, modality, project, providers))
    return tuple(chains)


def _chain(
    declared: object, place: str, name: str, modality: Modality, project: str, providers: Collection[str]
) -> Chain:
    if is_list(declared):
        declared = {"models": declared}
    if not isinstance(declared, Mapping):
        raise ConfigurationError(f"{place}: must be a list of models, or a mapping with a list `models:`")
    refuse_unknown(declared, _CHAIN, place)
    models = declared.get("models")
    if not is_list(models) or not models:
        raise ConfigurationError(f"{place}.models: must be a list of at least one model such as openai/gpt-4.1-mini")
    if len(models) > MODELS_MAX:
        raise ConfigurationError(f"{place}.models: {len(models)} models are more than the {MODELS_MAX} of a chain")
    return Chain(
        name=name,
        modality=modality,
        models=tuple(_model(model, f"{place}.models[{index}]", providers) for index, model in enumerate(models)),
        strategy=strategy_of(declared.get("strategy"), f"{place}.strategy"),
        hedge=flag(declared.get("hedge"), f"{place}.hedge"),
        attempt_timeout_ms=_timeout_ms(declared.get("attempt_timeout_ms"), f"{place}.attempt_timeout_ms"),
        project=project,
    )


def _model(declared: object, place: str, providers: Collection[str]) -> ChainModel:
    if isinstance(declared, str):
        return ChainModel(model=model_string(declared, place, providers))
    if not isinstance(declared, Mapping):
        raise ConfigurationError(f"{place}: {declared!r} is no model; write provider/model or a mapping with `model:`")
    refuse_unknown(declared, _MODEL, place)
    if "model" not in declared:
        raise ConfigurationError(f"{place}: has no `model:`")
    return ChainModel(
        model=model_string(declared["model"], f"{place}.model", providers),
        weight=whole(declared.get("weight"), f"{place}.weight", default=1, least=1, most=WEIGHT_MAX),
        options=options_of(declared.get("options"), f"{place}.options"),
    )


def _timeout_ms(given: object, place: str) -> int:
    return whole(
        given,
        place,
        default=ATTEMPT_TIMEOUT_MS_DEFAULT,
        least=ATTEMPT_TIMEOUT_MS_MIN,
        most=ATTEMPT_TIMEOUT_MS_MAX,
    )


def _stacks(declared: object, where: str, project: str, providers: Collection[str]) -> tuple[Stack, ...]:
    if declared is None:
        return ()
    stacks: list[Stack] = []
    for name, parts in mapping(declared, where, "{premium: {stt: deepgram/nova-3, llm: fast}}").items():
        place = f"{where}.{name}"
        check_name(name, place, "stack")
        given = mapping(parts, place, "{stt: deepgram/nova-3, llm: fast, tts: cartesia/sonic-3}")
        refuse_unknown(given, PARTS, place)
        named = {part: reference(given[part], f"{place}.{part}", providers) for part in PARTS if given.get(part)}
        if not named:
            raise ConfigurationError(f"{place}: has no model; name at least one of {', '.join(PARTS)}")
        stacks.append(Stack(name=name, project=project, **named))
    return tuple(stacks)


def _default(declared: object, where: str, project: str, providers: Collection[str]) -> ProjectDefault | None:
    if declared is None:
        return None
    given = mapping(declared, where, "{llm: fast, stack: premium}")
    refuse_unknown(given, _DEFAULTS, where)
    named = {part: reference(given[part], f"{where}.{part}", providers) for part in PARTS if given.get(part)}
    stack = given.get("stack")
    if stack is not None:
        check_name(stack, f"{where}.stack", "stack")
    return ProjectDefault(project=project, stack=stack or "", **named) if named or stack else None


def _refuse_too_many(routing: Routing, where: str) -> None:
    for found, most, noun in ((routing.chains, CHAINS_MAX, "chains"), (routing.stacks, STACKS_MAX, "stacks")):
        if len(found) > most:
            raise ConfigurationError(f"{where}: {len(found)} {noun} are more than the {most} that are supported")


def _refuse_dangling(routing: Routing, where: str) -> None:
    """Refuse names of chains and stacks that are not there for whoever would come by them."""
    for stack in routing.stacks:
        _refuse_dangling_parts(routing, stack, f"{_home(where, stack.project)}.stacks.{stack.name}")
    for default in routing.defaults:
        place = f"{_home(where, default.project)}.defaults"
        _refuse_dangling_parts(routing, default, place)
        if default.stack and routing.stack(default.stack, default.project) is None:
            names = [stack.name for stack in routing.stacks if stack.project in ("", default.project)]
            raise ConfigurationError(
                f"{place}.stack: there is no stack {default.stack!r}; {_mend(default.stack, names)}"
            )


def _refuse_dangling_parts(routing: Routing, named: Stack | ProjectDefault, place: str) -> None:
    for modality in PARTS:
        part = getattr(named, modality)
        if not part or "/" in part or routing.chain(part, modality, named.project) is not None:
            continue
        names = [
            chain.name
            for chain in routing.chains
            if chain.modality == modality and chain.project in ("", named.project)
        ]
        raise ConfigurationError(f"{place}.{modality}: there is no {modality} chain {part!r}; {_mend(part, names)}")


def _mend(name: str, names: Sequence[str]) -> str:
    return nearest(name, names) or (f"declared are {', '.join(names)}" if names else "none is declared")


def _home(where: str, project: str) -> str:
    return f"{where}.projects.{project}" if project else where
