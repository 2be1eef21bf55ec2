"""Text to speech, called as LiveKit Inference's."""

import functools
from typing import Any

import aiohttp
from livekit.agents import APIConnectOptions, tts
from livekit.agents.inference import tts as livekits
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.agents.utils import is_given

import voicegateway
from voicegateway.inference import native
from voicegateway.inference.arguments import ENCODING, plugin_arguments, with_variant
from voicegateway.inference.members import Member, stand
from voicegateway_shared.errors import ConfigurationError


class TTS(tts.TTS[Any], metaclass=native.NativeMade):
    """Makes the native TTS of a model: `isinstance` holds for the vendor's class, for LiveKit's base, and for this."""

    def __new__(
        cls,
        model: livekits.TTSModels | str,
        *,
        voice: NotGivenOr[str] = NOT_GIVEN,
        language: NotGivenOr[str] = NOT_GIVEN,
        encoding: NotGivenOr[livekits.TTSEncoding] = NOT_GIVEN,
        sample_rate: NotGivenOr[int] = NOT_GIVEN,
        base_url: NotGivenOr[str] = NOT_GIVEN,
        api_key: NotGivenOr[str] = NOT_GIVEN,
        api_secret: NotGivenOr[str] = NOT_GIVEN,
        http_session: aiohttp.ClientSession | None = None,
        extra_kwargs: NotGivenOr[
            dict[str, Any]
            | livekits.CartesiaOptions
            | livekits.DeepgramOptions
            | livekits.RimeOptions
            | livekits.InworldOptions
            | livekits.XaiOptions
            | livekits.FishAudioOptions
        ] = NOT_GIVEN,
        fallback: NotGivenOr[list[livekits.FallbackModelType] | livekits.FallbackModelType] = NOT_GIVEN,
        conn_options: NotGivenOr[APIConnectOptions] = NOT_GIVEN,
    ) -> Any:
        """Return the vendor's own TTS, metered.

        Args:
            model: `provider/model[:voice]`, or the name of a chain.
            voice: Wins over the one in the model string.
            language: For the plugin's language, whatever it calls it.
            encoding: `pcm_s16le` or nothing.
            sample_rate: Given to the plugin where it takes one.
            base_url: LiveKit Cloud's; not used.
            api_key: LiveKit Cloud's; not used. Vendors' keys come from their own variables.
            api_secret: Likewise.
            http_session: Given to the plugin where it takes one.
            extra_kwargs: Given to the plugin under its own names.
            fallback: Models, with their voices, that stand behind the first.
            conn_options: Not used: those of the agent session are in force.

        Raises:
            ConfigurationError: unknown model or provider, missing key or package, an argument refused.
        """
        if is_given(encoding) and encoding != ENCODING:
            raise ConfigurationError(f"inference.TTS: encoding {encoding!r}; only {ENCODING} is known")
        name, parsed = livekits._parse_model_string(model)
        common: dict[str, Any] = {
            "sample_rate": sample_rate if is_given(sample_rate) else None,
            "optional": {"http_session": http_session} if http_session is not None else None,
        }
        told = str(language) if is_given(language) else None
        members = [_member(name, voice if is_given(voice) else parsed, told, extra_kwargs, common)]
        for other in livekits._normalize_fallback(fallback) if is_given(fallback) else []:
            members.append(_member(other["model"], other.get("voice"), None, other.get("extra_kwargs", {}), common))
        plugin = stand(voicegateway.gateway, "tts", members)
        return native.made(cls, plugin, functools.partial(_update, plugin))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        native.refuse_subclass(cls)

    @classmethod
    def from_model_string(cls, model: str) -> Any:
        """Make one from `provider/model[:voice]`."""
        return cls(model)

    def update_options(
        self,
        *,
        voice: NotGivenOr[str] = NOT_GIVEN,
        model: NotGivenOr[livekits.TTSModels | str] = NOT_GIVEN,
        language: NotGivenOr[str] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> None:
        """Change what the plugin itself can change; in force from the next synthesis.

        Raises:
            ConfigurationError: it cannot change this, or the model is another vendor's.
        """
        _update(self, voice=voice, model=model, language=language, extra_kwargs=extra_kwargs)


def _member(model: str, voice: str | None, language: str | None, extra: Any, common: dict[str, Any]) -> Member:
    options = plugin_arguments(model, "tts", language=language, extra=dict(extra) if is_given(extra) else {}, **common)
    if voice and "/" not in model:
        options["voice"] = voice
    return Member(model=with_variant(model, voice), options=options)


def _update(
    plugin: Any,
    *,
    voice: NotGivenOr[str] = NOT_GIVEN,
    model: NotGivenOr[str] = NOT_GIVEN,
    language: NotGivenOr[str] = NOT_GIVEN,
    extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    **names: Any,
) -> None:
    """As `TTS.update_options`; further names are the plugin's own."""
    if is_given(model):
        model_id = native.model_of_same_vendor(plugin, model, "tts")
        names["model"] = model_id.model
        if model_id.variant and not is_given(voice):
            names["voice"] = model_id.variant
    if is_given(voice):
        names["voice"] = voice
    if is_given(language):
        names["language"] = language
    native.update(plugin, "tts", names, extra_kwargs if is_given(extra_kwargs) else {})
