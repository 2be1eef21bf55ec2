"""LiveKit's other plugins of 1.8: whose key is where, what they do, and the few that their signature does not tell.

Every class was resolved with a dummy key; `tests/fixtures/livekit_plugins.py` does it again for a newer release.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from voicegateway.model_id import ModelId
from voicegateway.registry.provider import MODALITIES, PluginClass, Provider
from voicegateway_shared.usage import Modality

PREFIX: Final = "livekit-plugins-"
_PACKAGES: Final[Mapping[str, str]] = {"minimax": f"{PREFIX}minimax-ai"}
"""Those not named after their module."""

NOT_MODELS: Final = frozenset(
    {
        "anam", "avatario", "avatartalk", "bey", "bithuman", "boson_avatar", "browser", "did", "hamming", "hedra",
        "keyframe", "langchain", "lemonslice", "liveavatar", "nltk", "protoface", "runway", "silero", "simli",
        "spatius", "synthesia", "tavus", "trugen", "turn_detector", "typesafe",
    }
)  # fmt: skip
"""Modules without a model that a string could name: avatars, tools, and LangChain's adapter of an object of yours."""


def _soniox(model_id: ModelId, given: Mapping[str, Any]) -> dict[str, Any]:
    """Soniox takes its options as one object; options of it may be given by name."""
    if "params" in given:
        return {}
    from livekit.plugins.soniox import STTOptions

    hints = None if model_id.variant in (None, "multi") else [model_id.variant]
    return {"params": STTOptions(model=model_id.model, language_hints=hints)}


def _hume(model_id: ModelId, given: Mapping[str, Any]) -> dict[str, Any]:
    """Hume's voices are named with who made them: its own library here; pass voice={…} for one of yours."""
    arguments: dict[str, Any] = {"model_version": model_id.model}
    if model_id.variant is not None:
        arguments["voice"] = {"name": model_id.variant, "provider": "HUME_AI"}
    return arguments


def _letta(model_id: ModelId, given: Mapping[str, Any]) -> dict[str, Any]:
    """A Letta server has agents for models."""
    return {"agent_id": model_id.model}


def _azure(model_id: ModelId, given: Mapping[str, Any]) -> dict[str, Any]:
    """Azure asks a deployment, which is named like its model unless said otherwise."""
    return {"model": model_id.model, "azure_deployment": model_id.model}


def _plugin(
    name: str,
    key: str = "",
    *,
    is_key_needed: bool = True,
    address: str = "",
    has_colons: bool = False,
    **classes: Any,
) -> Provider:
    """One row: `stt="STT"` is the class of that name in the provider's own module."""
    module = f"livekit.plugins.{name.replace('-', '_')}"
    made: dict[Modality, tuple[PluginClass, ...]] = {
        modality: _classes(module, classes[modality], has_colons=has_colons)
        for modality in MODALITIES
        if modality in classes
    }
    borrowed = {each.install for of_modality in made.values() for each in of_modality}
    return Provider(
        name=name,
        classes=made,
        install=borrowed.pop() if len(borrowed) == 1 and "" not in borrowed else _PACKAGES.get(name, f"{PREFIX}{name}"),
        key_variables=tuple(key.split()),
        is_key_needed=is_key_needed,
        address_variable=address,
        source="livekit",
    )


def _classes(module: str, described: Any, *, has_colons: bool) -> tuple[PluginClass, ...]:
    if isinstance(described, str):
        return (PluginClass(path=f"{module}:{described}", has_colons=has_colons),)
    return tuple(described) if isinstance(described, tuple) else (described,)


def _own(path: str, **facts: Any) -> PluginClass:
    return PluginClass(path=f"livekit.plugins.{path}", **facts)


def _openai(factory: str, key: str = "", **facts: Any) -> PluginClass:
    """One of the OpenAI plugin's factories for those who speak its protocol."""
    variables = tuple(key.split()) or None
    return _own(f"openai:{factory}", install="voicegateway[openai]", key_variables=variables, **facts)


_ROWS: Final = (
    _plugin("asyncai", "ASYNCAI_API_KEY", tts="TTS"),
    # Keys, profiles, roles: boto3 knows best.
    _plugin(
        "aws", "AWS_ACCESS_KEY_ID", is_key_needed=False, stt="STT", llm="LLM", tts="TTS",
        realtime=_own("aws:realtime.RealtimeModel", install="livekit-plugins-aws[realtime]", has_colons=True),
    ),
    _plugin(
        "azure", "AZURE_SPEECH_KEY", is_key_needed=False, stt="STT", tts="TTS",
        llm=(
            _openai("LLM.with_azure", "AZURE_OPENAI_API_KEY", adapt=_azure, address_variable="AZURE_OPENAI_ENDPOINT"),
            _own("azure:responses.LLM", api="responses", key_variables=("AZURE_OPENAI_API_KEY",)),
        ),
        realtime=_own("azure:realtime.RealtimeModel", install="livekit-plugins-azure[realtime]",
                      key_variables=("AZURE_VOICE_LIVE_API_KEY",), address_variable="AZURE_VOICE_LIVE_ENDPOINT"),
    ),
    _plugin("baseten", "BASETEN_API_KEY", address="BASETEN_MODEL_ENDPOINT", stt="STT", llm="LLM", tts="TTS"),
    _plugin("cambai", "CAMB_API_KEY", is_key_needed=False, tts="TTS"),
    _plugin("cerebras", "CEREBRAS_API_KEY", llm="LLM"),
    _plugin("clova", "CLOVA_STT_SECRET_KEY", address="CLOVA_STT_INVOKE_URL", stt="STT"),
    _plugin("cometapi", "COMETAPI_API_KEY", llm=_openai("LLM.with_cometapi")),
    _plugin("deepseek", "DEEPSEEK_API_KEY", llm=_openai("LLM.with_deepseek")),
    _plugin("fal", "FAL_KEY", stt="WizperSTT"),
    _plugin("fireworksai", "FIREWORKS_API_KEY", stt="STT", llm=_openai("LLM.with_fireworks")),
    _plugin("fishaudio", "FISH_API_KEY", tts="TTS"),
    _plugin("gladia", "GLADIA_API_KEY", stt="STT"),
    _plugin("gnani", "GNANI_API_KEY", stt="STT", tts="TTS"),
    # Gemini has a key or a project of Vertex AI; Cloud Speech has credentials of a service account.
    _plugin(
        "google", "GOOGLE_API_KEY", is_key_needed=False, llm="LLM", realtime="realtime.RealtimeModel",
        stt=(_own("google:beta.GeminiSTT", models=("gemini-*",)), _own("google:STT", key_variables=())),
        tts=(_own("google:beta.GeminiTTS", models=("gemini-*-tts*",)), _own("google:TTS", key_variables=())),
    ),
    _plugin("gradium", "GRADIUM_API_KEY", address="GRADIUM_MODEL_ENDPOINT", stt="STT", tts="TTS"),
    _plugin("hume", "HUME_API_KEY", tts=_own("hume:TTS", adapt=_hume)),
    _plugin("inworld", "INWORLD_API_KEY", stt="STT", tts="TTS"),
    # A server of one's own has no key.
    _plugin("letta", "LETTA_API_KEY", is_key_needed=False, llm=_openai("LLM.with_letta", adapt=_letta)),
    _plugin("lmnt", "LMNT_API_KEY", tts="TTS"),
    _plugin("meta", "META_API_KEY MODEL_API_KEY", stt="STT"),
    # A file that its settings name may hold the keys as well.
    _plugin(
        "microsoft-ai", is_key_needed=False,
        stt=_own("microsoft_ai:STT", key_variables=("MICROSOFT_AI_STT_API_KEY",),
                 address_variable="MICROSOFT_AI_STT_URL"),
        tts=_own("microsoft_ai:TTS", key_variables=("MICROSOFT_AI_TTS_API_KEY",),
                 address_variable="MICROSOFT_AI_TTS_URL"),
    ),
    _plugin("minimax", "MINIMAX_API_KEY", address="MINIMAX_BASE_URL", tts="TTS"),
    _plugin("mistralai", "MISTRAL_API_KEY", stt="STT", llm="LLM", tts="TTS"),
    _plugin("murf", "MURF_API_KEY", tts="TTS"),
    _plugin("nabrah", "NABRAH_API_KEY", stt="STT"),
    _plugin("nebius", "NEBIUS_API_KEY", llm=_openai("LLM.with_nebius")),
    _plugin("neuphonic", "NEUPHONIC_API_KEY", tts="TTS"),
    # A Riva server of one's own has no key.
    _plugin("nvidia", "NVIDIA_API_KEY", is_key_needed=False, stt="STT", tts="TTS"),
    _plugin("openrouter", "OPENROUTER_API_KEY", llm=_openai("LLM.with_openrouter")),
    _plugin(
        "ovhcloud", "OVHCLOUD_API_KEY", stt=_openai("STT.with_ovhcloud"), llm=_openai("LLM.with_ovhcloud"),
    ),
    _plugin("palabra", "PALABRA_API_KEY", stt="STT", tts="TTS"),
    _plugin("perplexity", "PERPLEXITY_API_KEY",
            llm=(_own("perplexity:LLM"), _own("perplexity:responses.LLM", api="responses"))),
    _plugin("phonic", "PHONIC_API_KEY", realtime="realtime.RealtimeModel"),
    _plugin("resemble", "RESEMBLE_API_KEY", tts="TTS"),
    _plugin("respeecher", "RESPEECHER_API_KEY", tts="TTS"),
    _plugin("rime", "RIME_API_KEY", tts="TTS"),
    # An id and a secret, both from the environment only.
    _plugin("rtzr", "RTZR_CLIENT_SECRET", stt="STT"),
    _plugin("sambanova", "SAMBANOVA_API_KEY", llm=_openai("LLM.with_sambanova")),
    _plugin("sarvam", "SARVAM_API_KEY", has_colons=True, stt="STT", llm="LLM", tts="TTS"),
    _plugin("simplismart", "SIMPLISMART_API_KEY", stt="STT", tts="TTS"),
    _plugin("slng", "SLNG_API_KEY", has_colons=True, stt="STT", tts="TTS"),
    _plugin("smallestai", "SMALLEST_API_KEY", stt="STT", tts="TTS"),
    _plugin("soniox", "SONIOX_API_KEY", stt=_own("soniox:STT", adapt=_soniox), tts="TTS"),
    _plugin("speechify", "SPEECHIFY_API_KEY", tts="TTS"),
    _plugin("speechmatics", "SPEECHMATICS_API_KEY", stt="STT", tts="TTS"),
    _plugin("spitch", "SPITCH_API_KEY", address="SPITCH_BASE_URL", stt="STT", tts="TTS"),
    _plugin("telnyx", "TELNYX_API_KEY", stt="STT", tts="TTS", llm=_openai("LLM.with_telnyx")),
    _plugin("thunderphone", "THUNDERPHONE_API_KEY", realtime="realtime.RealtimeModel"),
    _plugin("together", "TOGETHER_API_KEY", llm=_openai("LLM.with_together")),
    _plugin("ultravox", "ULTRAVOX_API_KEY", realtime="realtime.RealtimeModel"),
    _plugin("upliftai", "UPLIFTAI_API_KEY", address="UPLIFTAI_BASE_URL", tts="TTS"),
    _plugin("vakyam", "VAKYAM_API_KEY", tts="TTS"),
    _plugin("xai", "XAI_API_KEY", stt="STT", llm="responses.LLM", tts="TTS", realtime="realtime.RealtimeModel"),
)  # fmt: skip
LIVEKIT: Final[Mapping[str, Provider]] = MappingProxyType({provider.name: provider for provider in _ROWS})
ALIASES: Final[Mapping[str, str]] = MappingProxyType({"minimax-ai": "minimax", "fireworks": "fireworksai"})
"""Other names under which people know a provider; one id stands in limits, prices and the ledger."""


def guessed(name: str) -> Provider:
    """Return what a LiveKit plugin most likely is that nobody told us of: classes by their usual names, key or not."""
    module = f"livekit.plugins.{name.replace('-', '_')}"
    usual: Mapping[Modality, str] = {"stt": "STT", "llm": "LLM", "tts": "TTS", "realtime": "realtime.RealtimeModel"}
    return Provider(
        name=name,
        classes={modality: (PluginClass(path=f"{module}:{cls}"),) for modality, cls in usual.items()},
        install=f"{PREFIX}{name}",
        source="guess",
    )
