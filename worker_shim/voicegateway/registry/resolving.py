"""Resolving: from a model string to the native LiveKit plugin instance, or to why there is none."""

import importlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from voicegateway.keys.loan import Lend, Loan
from voicegateway.model_id import ModelId, name_model
from voicegateway.registry.arguments import MODEL_NAMES, arguments_for
from voicegateway.registry.finding import find_provider
from voicegateway.registry.installed import is_installed
from voicegateway.registry.keys import find_key, has_credentials, key_in, key_name, key_variables
from voicegateway.registry.named import NAMED
from voicegateway.registry.provider import PluginClass, Provider
from voicegateway.registry.region import region_of
from voicegateway_shared.errors import ConfigurationError, MissingKey, MissingPackage, UnknownModel, VoiceGatewayError
from voicegateway_shared.fingerprints import fingerprint
from voicegateway_shared.masking import mask
from voicegateway_shared.routing import Rejection
from voicegateway_shared.usage import Modality

SIGNATURES_MAX: Final = 256
"""Reading one takes half a millisecond; a worker uses a handful of classes."""
_ABOUT_A_KEY: Final = re.compile(r"api[ _-]?key|_key\b|credential|secret|\btoken\b", re.IGNORECASE)
"""What a plugin says when it misses its key."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A fresh plugin instance and what we know of it."""

    plugin: Any
    model_id: ModelId
    key_id: str
    region: str = ""
    """`host[:port]` it talks to, where that is not its vendor's usual one."""
    loan: Loan | None = None
    """The leased key that it was built with, where neither the caller nor the environment has one."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that can be said of a model string before its plugin is imported."""

    provider: Provider
    plugin_class: PluginClass
    model_id: ModelId
    key: str | None = field(repr=False)
    given: dict[str, Any] = field(repr=False)
    loan: Loan | None = None


def resolve(text: str, modality: Modality, lend: Lend | None = None, /, **kwargs: Any) -> Resolved:
    """Build the plugin for a model string; keyword arguments go straight to its constructor.

    Does no I/O beyond importing the plugin's package, which must happen on the main thread. Where neither the arguments
    nor the environment have a key, `lend` is asked for one.

    Raises:
        UnknownModel: no such provider, or it does not do this modality.
        MissingPackage: the provider's plugin is not installed; names what to install.
        MissingKey: no API key given, none in the environment and none lent; names the variable.
        ConfigurationError: the plugin refused an argument.
    """
    plan = _plan(text, modality, kwargs, lend)
    made_by = _load(plan)
    parameters = _parameters(made_by)
    arguments = arguments_for(plan.plugin_class, made_by, parameters, plan.model_id, modality, plan.given)
    plugin, loan = _made(plan, made_by, arguments, parameters, lend)
    said = str(getattr(plugin, "model", "")).lower()
    is_told = plan.plugin_class.adapt is not None or not arguments.keys().isdisjoint(MODEL_NAMES)
    if not is_told or said in ("", "unknown", plan.provider.name):
        name_model(plugin, plan.model_id.model)
    return Resolved(
        plugin=plugin,
        model_id=plan.model_id,
        key_id=_key_id(plan, plugin, loan),
        region=region_of(plan.provider, plan.plugin_class, parameters, arguments),
        loan=loan,
    )


def look(text: str, modality: Modality, kwargs: Mapping[str, Any], lend: Lend | None = None) -> Rejection | None:
    """Say why a model string cannot be resolved here, as far as that shows without importing its plugin; else None.

    What only the plugin's constructor can tell, such as an argument it does not take, shows in `resolve`.
    """
    try:
        _plan(text, modality, kwargs, lend)
    except UnknownModel as error:
        return Rejection(model=text, reason="unknown_model", detail=str(error))
    except MissingPackage as error:
        return Rejection(model=text, reason="missing_package", detail=str(error))
    except MissingKey as error:
        return Rejection(model=text, reason="missing_key", detail=str(error))
    return None


def parameters_of(
    text: str, modality: Modality, kwargs: Mapping[str, Any] | None = None
) -> Mapping[str, inspect.Parameter]:
    """Return what the constructor of a model's plugin takes. Imports its package, which must be on the main thread.

    Raises:
        ConfigurationError: the model cannot be resolved.
    """
    return _parameters(_load(_plan(text, modality, kwargs or {}, is_key_asked=False)))


def _plan(
    text: str, modality: Modality, kwargs: Mapping[str, Any], lend: Lend | None = None, *, is_key_asked: bool = True
) -> _Plan:
    model_id = ModelId.parse(text, modality)
    provider = find_provider(model_id.provider)
    if provider is None:
        raise UnknownModel(
            f"{model_id}: unknown provider {model_id.provider!r}; known are {', '.join(sorted(NAMED))}, "
            "and any other whose livekit-plugins-* package is installed"
        )
    model_id = replace(model_id, provider=provider.name)
    classes = provider.classes.get(modality, ())
    if not classes:
        raise UnknownModel(f"{model_id}: {provider.name} has no {modality}; it does {', '.join(provider.modalities)}")
    given = dict(kwargs)
    api = given.pop("api") if any(each.api and each.api == given.get("api") for each in classes) else ""
    plugin_class = next((each for each in classes if each.serves(model_id.model, api)), None)
    if plugin_class is None:
        raise UnknownModel(f"{model_id}: {provider.name} has no {modality} of that name")
    if plugin_class.has_colons and model_id.variant is not None and ":" not in model_id.model:
        model_id = replace(model_id, model=f"{model_id.model}:{model_id.variant}", variant=None)
    if not is_installed(plugin_class):
        raise MissingPackage(_not_installed(provider, plugin_class))
    if not is_key_asked:
        return _Plan(provider, plugin_class, model_id, None, given)
    try:
        return _Plan(provider, plugin_class, model_id, find_key(provider, plugin_class, given), given)
    except MissingKey as missing:
        loan = None if lend is None else lend(provider.name)
        if loan is None:
            raise MissingKey(f"{missing}" if lend is None else f"{missing}; nor does the controller lend one") from None
    return _Plan(provider, plugin_class, model_id, loan.secret, given, loan)


@lru_cache(maxsize=SIGNATURES_MAX)
def _parameters(made_by: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(made_by).parameters


def _load(plan: _Plan) -> Any:
    module_name, _, attributes = plan.plugin_class.path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for name in attributes.split("."):
            # Also of packages that do not import all of their own modules.
            found = getattr(found, name, None) or importlib.import_module(f"{found.__name__}.{name}")
    except ImportError as error:
        if error.name and error.name.startswith(module_name):
            raise UnknownModel(f"{plan.model_id}: {module_name} has no {attributes}") from error
        raise MissingPackage(f"{_not_installed(plan.provider, plan.plugin_class)} ({error})") from error
    except RuntimeError as error:
        # Plugins register themselves when they are imported, which LiveKit allows on the main thread only.
        raise ConfigurationError(
            f"{plan.provider.name}: {error}; write `import {module_name}` at the top of the agent's module"
        ) from error
    return found


def _made(
    plan: _Plan,
    made_by: Any,
    arguments: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
    lend: Lend | None,
) -> tuple[Any, Loan | None]:
    """Build the plugin, with the key that was lent for it; one that misses a key nobody knew of may borrow it now."""
    if plan.loan is not None:
        return _built(plan, made_by, arguments, parameters, plan.loan), plan.loan
    try:
        return _built(plan, made_by, arguments, parameters, None), None
    except MissingKey:
        is_without = not has_credentials(arguments) and plan.key is None
        loan = lend(plan.provider.name) if lend is not None and is_without else None
        if loan is None:
            raise
    return _built(plan, made_by, arguments, parameters, loan), loan


def _built(
    plan: _Plan,
    made_by: Any,
    arguments: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
    loan: Loan | None,
) -> Any:
    if loan is not None:
        name = key_name(parameters)
        if name is None:
            variables = " or ".join(key_variables(plan.provider, plan.plugin_class))
            raise MissingKey(
                f"{plan.provider.name}: its plugin takes no key that is lent; set {variables or 'its own'}"
            )
        arguments = {**arguments, name: loan.secret}
    try:
        return made_by(**arguments)
    except VoiceGatewayError:
        raise
    except Exception as error:
        # Constructors of other people's plugins, and the SDKs they call, raise what they like.
        told = str(error)
        if plan.key is None and loan is None and _ABOUT_A_KEY.search(told):
            raise MissingKey(f"{plan.provider.name}: {told}") from error
        if loan is not None:
            told = told.replace(loan.secret, mask(loan.secret))
        where = f"{made_by.__module__}.{made_by.__qualname__}"
        # What was raised may hold the key, which is nobody's to see.
        raise ConfigurationError(f"{plan.model_id}: {where} refused: {told}") from (error if loan is None else None)


def _key_id(plan: _Plan, plugin: Any, loan: Loan | None) -> str:
    if loan is not None:
        return loan.fingerprint or fingerprint(loan.secret)
    return fingerprint(plan.key or (key_in(plugin) if plan.provider.source == "guess" else None))


def _not_installed(provider: Provider, plugin_class: PluginClass) -> str:
    return f"{provider.name}: its plugin is not installed; pip install '{plugin_class.install or provider.install}'"
