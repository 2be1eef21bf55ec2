"""Speech to text, called as LiveKit Inference's."""

import functools
from typing import Any

import aiohttp
from livekit.agents import APIConnectOptions, stt, vad
from livekit.agents.inference import stt as livekits
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.agents.utils import is_given

import voicegateway
from voicegateway.inference import native
from voicegateway.inference.arguments import ENCODING, plugin_arguments, with_variant
from voicegateway.inference.members import Member, stand
from voicegateway_shared.errors import ConfigurationError


class STT(stt.STT[Any], metaclass=native.NativeMade):
    """Makes the native STT of a model: `isinstance` holds for the vendor's class, for LiveKit's base, and for this."""

    def __new__(
        cls,
        model: NotGivenOr[livekits.STTModels | str] = NOT_GIVEN,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        base_url: NotGivenOr[str] = NOT_GIVEN,
        encoding: NotGivenOr[livekits.STTEncoding] = NOT_GIVEN,
        sample_rate: NotGivenOr[int] = NOT_GIVEN,
        api_key: NotGivenOr[str] = NOT_GIVEN,
        api_secret: NotGivenOr[str] = NOT_GIVEN,
        http_session: aiohttp.ClientSession | None = None,
        extra_kwargs: NotGivenOr[
            dict[str, Any]
            | livekits.CartesiaOptions
            | livekits.DeepgramOptions
            | livekits.DeepgramFluxOptions
            | livekits.AssemblyaiOptions
            | livekits.XaiOptions
            | livekits.SpeechmaticsOptions
            | livekits.InworldOptions
            | livekits.GoogleOptions
            | livekits.OpenAIOptions
        ] = NOT_GIVEN,
        fallback: NotGivenOr[list[livekits.FallbackModelType] | livekits.FallbackModelType] = NOT_GIVEN,
        conn_options: NotGivenOr[APIConnectOptions] = NOT_GIVEN,
        vad: NotGivenOr[vad.VAD | None] = NOT_GIVEN,
    ) -> Any:
        """Return the vendor's own STT, metered.

        Args:
            model: `provider/model[:language]`, or the name of a chain.
            language: Wins over the one in the model string.
            base_url: LiveKit Cloud's; not used.
            encoding: `pcm_s16le` or nothing.
            sample_rate: Given to the plugin where it takes one.
            api_key: LiveKit Cloud's; not used. Vendors' keys come from their own variables.
            api_secret: Likewise.
            http_session: Given to the plugin where it takes one.
            extra_kwargs: Given to the plugin under its own names.
            fallback: Models that stand behind the first.
            conn_options: Not used: those of the agent session are in force.
            vad: Not used: the agent session's serves models that detect no turns.

        Raises:
            ConfigurationError: unknown model or provider, missing key or package, an argument refused.
        """
        if not (is_given(model) and model and model != "auto"):
            raise ConfigurationError("inference.STT: name a model, for example 'deepgram/nova-3'")
        if is_given(encoding) and encoding != ENCODING:
            raise ConfigurationError(f"inference.STT: encoding {encoding!r}; only {ENCODING} is known")
        name, parsed = livekits._parse_model_string(model)
        told = language if is_given(language) else parsed
        common: dict[str, Any] = {
            "sample_rate": sample_rate if is_given(sample_rate) else None,
            "optional": {"http_session": http_session} if http_session is not None else None,
        }
        members = [_member(name, str(told) if is_given(told) else None, extra_kwargs, common)]
        for other in livekits._normalize_fallback(fallback) if is_given(fallback) else []:
            members.append(_member(other["model"], None, other.get("extra_kwargs", {}), common))
        plugin = stand(voicegateway.gateway, "stt", members)
        return native.made(cls, plugin, functools.partial(_update, plugin))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        native.refuse_subclass(cls)

    @classmethod
    def from_model_string(cls, model: str) -> Any:
        """Make one from `provider/model[:language]`."""
        return cls(model)

    def update_options(
        self,
        *,
        model: NotGivenOr[livekits.STTModels | str] = NOT_GIVEN,
        language: NotGivenOr[livekits.STTLanguages | str] = NOT_GIVEN,
        extra: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> None:
        """Change what the plugin itself can change.

        Raises:
            ConfigurationError: it cannot change this, or the model is another vendor's.
        """
        _update(self, model=model, language=language, extra=extra)


def _member(model: str, language: str | None, extra: Any, common: dict[str, Any]) -> Member:
    options = plugin_arguments(model, "stt", extra=dict(extra) if is_given(extra) else {}, **common)
    if language and "/" not in model:
        options["language"] = language
    return Member(model=with_variant(model, language), options=options)


def _update(
    plugin: Any,
    *,
    model: NotGivenOr[str] = NOT_GIVEN,
    language: NotGivenOr[str] = NOT_GIVEN,
    extra: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    **names: Any,
) -> None:
    """As `STT.update_options`; further names are the plugin's own, which calls this itself."""
    if is_given(model):
        model_id = native.model_of_same_vendor(plugin, model, "stt")
        names["model"] = model_id.model
        if model_id.variant and not is_given(language):
            names["language"] = model_id.variant
    if is_given(language):
        names["language"] = language
    native.update(plugin, "stt", names, extra if is_given(extra) else {})
