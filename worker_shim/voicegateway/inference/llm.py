"""Language models, called as LiveKit Inference's."""

import functools
from typing import Any, Final, Literal

from livekit.agents import inference as livekits_own
from livekit.agents import llm
from livekit.agents.inference import InferenceClass
from livekit.agents.inference import llm as livekits
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.agents.utils import is_given

import voicegateway
from voicegateway.inference import native
from voicegateway.inference.arguments import plugin_arguments, renamed
from voicegateway.inference.members import Member, stand
from voicegateway_shared.errors import ConfigurationError

_EXTRA: Final = "_voicegateway_extra"
"""On a plugin: the options that its `extra_kwargs` have set."""


class LLM(llm.LLM[Any], metaclass=native.NativeMade):
    """Makes the native LLM of a model: `isinstance` holds for the vendor's class, for LiveKit's base, and for this."""

    def __new__(
        cls,
        model: livekits.LLMModels | str,
        *,
        provider: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        api_secret: str | None = None,
        inference_class: InferenceClass | None = None,
        extra_kwargs: livekits.ChatCompletionOptions | dict[str, Any] | None = None,
        prompt_cache_breakpoints: bool | Literal["auto"] = "auto",
    ) -> Any:
        """Return the vendor's own LLM, metered.

        Args:
            model: `provider/model`, or the name of a chain.
            provider: Who serves the model, where that is not who made it: `groq` for `openai/gpt-oss-120b`.
            base_url: LiveKit Cloud's; not used.
            api_key: LiveKit Cloud's; not used. Vendors' keys come from their own variables.
            api_secret: Likewise.
            inference_class: LiveKit Cloud's; not used. A job says `voicegateway.priority` for its whole call.
            extra_kwargs: Given to the plugin under its own names; what it has none for goes into the request's body.
            prompt_cache_breakpoints: Given to the plugin where it takes it.

        Raises:
            ConfigurationError: unknown model or provider, missing key or package, an argument refused.
        """
        served = served_by(model, provider)
        cached = {"prompt_cache_breakpoints": prompt_cache_breakpoints} if prompt_cache_breakpoints != "auto" else {}
        options = plugin_arguments(served, "llm", extra=dict(extra_kwargs or {}), optional=cached)
        plugin = stand(voicegateway.gateway, "llm", [Member(model=served, options=options)])
        setattr(plugin, _EXTRA, options.keys() - cached.keys())
        return native.made(cls, plugin, functools.partial(_update, plugin))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        native.refuse_subclass(cls)

    @classmethod
    def from_model_string(cls, model: str) -> Any:
        """Make one from `provider/model`."""
        return cls(model)

    def update_options(
        self,
        *,
        model: NotGivenOr[livekits.LLMModels | str] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[livekits.ChatCompletionOptions | dict[str, Any]] = NOT_GIVEN,
        prompt_cache_breakpoints: NotGivenOr[bool | Literal["auto"]] = NOT_GIVEN,
    ) -> None:
        """Change what the next `chat()` uses; `extra_kwargs` replaces what was given before, `{}` clears it.

        Raises:
            ConfigurationError: the plugin has no such option, or the model is another vendor's.
        """
        _update(self, model=model, extra_kwargs=extra_kwargs, prompt_cache_breakpoints=prompt_cache_breakpoints)


def llm_from_model_string(model: str) -> Any:
    """Make what an `llm=` string names: the vendor's own LLM or realtime model; duplex models are LiveKit's."""
    if livekits_own.is_duplex_model(model):
        return livekits.llm_from_model_string(model)
    if livekits_own.is_realtime_model(model):
        return voicegateway.gateway.realtime(model)
    return LLM.from_model_string(model)


def served_by(model: str, provider: str | None) -> str:
    """Return the model string with the vendor that serves it in front."""
    if not provider or model.startswith(f"{provider}/"):
        return model
    return f"{provider}/{model}"


def _update(
    plugin: Any,
    *,
    model: NotGivenOr[str] = NOT_GIVEN,
    extra_kwargs: NotGivenOr[Any] = NOT_GIVEN,
    prompt_cache_breakpoints: NotGivenOr[bool | Literal["auto"]] = NOT_GIVEN,
) -> None:
    """Plugins of language models have no `update_options`; they read their options anew for each `chat()`."""
    options = plugin._opts
    changes: dict[str, Any] = {}
    if is_given(model):
        changes["model"] = native.model_of_same_vendor(plugin, model, "llm").model
    if is_given(prompt_cache_breakpoints):
        changes["prompt_cache_breakpoints"] = prompt_cache_breakpoints
    known = [name for name in vars(options) if not name.startswith("_")]
    unknown = {name: value for name, value in changes.items() if name not in known}
    if is_given(extra_kwargs):
        taken, rest = renamed(plugin._voicegateway_facts.provider, "llm", dict(extra_kwargs), known)
        if rest and "extra_body" in known:
            taken, rest = {**taken, "extra_body": rest}, {}
        unknown.update(rest)
        before: set[str] = getattr(plugin, _EXTRA, set())
        changes.update(dict.fromkeys(before - taken.keys(), NOT_GIVEN), **taken)
        setattr(plugin, _EXTRA, taken.keys())
    if unknown:
        raise ConfigurationError(
            f"{plugin._voicegateway_facts.provider}: {type(plugin).__name__} has no {', '.join(sorted(unknown))} to "
            f"change; it has {', '.join(known)}; make a new LLM for the rest"
        )
    for name, value in changes.items():
        setattr(options, name, value)
