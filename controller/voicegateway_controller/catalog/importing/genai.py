"""Reads `genai-prices`: its rows become prices in our words, exactly as published; what we cannot say is said so."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from voicegateway_controller.catalog.importing.published import NotImportable, Published, PublishedModel
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.pricing.conditions import Condition

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

EXTRA: Final = "genai-prices"
OUR_NAMES: Final[Mapping[str, str]] = MappingProxyType({"x-ai": "xai", "mistral": "mistralai"})
"""Providers that LiveKit's plugins, and so our price files, call otherwise."""
DEFAULT_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {"processing": "online", "service_tier": "default", "speed": "standard"}
)
"""What a request means that does not say; other keys have `standard`."""
WHISPER_MINIMUM: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {("groq", "whisper-large-v3"): "10 seconds", ("groq", "whisper-large-v3-turbo"): "10 seconds"}
)
"""The library knows them in its code, not in its rows."""

_MTOK: Final = "1_000_000 tokens"
_UNITS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = MappingProxyType(
    {
        "input_mtok": (("input_tokens",), _MTOK),
        "cache_read_mtok": (("cache_read_tokens",), _MTOK),
        # Writes of a stated lifetime cost what writes cost, unless they have a price of their own.
        "cache_write_mtok": (("cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"), _MTOK),
        "cache_write_5m_mtok": (("cache_write_5m_tokens",), _MTOK),
        "cache_write_1h_mtok": (("cache_write_1h_tokens",), _MTOK),
        "input_audio_mtok": (("input_audio_tokens",), _MTOK),
        "cache_audio_read_mtok": (("cache_read_audio_tokens",), _MTOK),
        "output_mtok": (("output_tokens",), _MTOK),
        "output_audio_mtok": (("output_audio_tokens",), _MTOK),
        "output_reasoning_mtok": (("reasoning_tokens",), _MTOK),
        "input_mchars": (("characters_sent",), "1_000_000 characters"),
        "requests_kcount": (("requests",), "1_000 requests"),
    }
)
_HOURS: Final = ("audio_hours", "input_audio_hours")
_FOREIGN: Final = frozenset({"output_image_mtok", "output_video_mtok", "input_gpixels"})
"""A model with one of these makes pictures."""
_TRANSCRIBES: Final = ("transcri", "whisper", "translate", "voxtral")
_TALKS: Final = ("realtime", "-live", "live-", "sonic", "grok-voice")


def library_version() -> str:
    """Return the installed library's name and version.

    Raises:
        ConfigurationError: it is not installed; the message says how to.
    """
    try:
        return f"{EXTRA} {version(EXTRA)}"
    except PackageNotFoundError as error:
        raise ConfigurationError(f"{EXTRA} is not installed here: pip install 'voicegateway[{EXTRA}]'") from error


def read_library(
    conditions: Mapping[str, Mapping[str, Condition]] | None = None, *, providers: Collection[str] = ()
) -> Iterator[PublishedModel | NotImportable]:
    """Return every model of the installed library, in its order: in our words, or why not.

    Args:
        conditions: what our own prices depend on, by provider of ours; the library's words are read by them.
        providers: only these, by our names; none: all.

    Raises:
        ConfigurationError: the library is not installed.
    """
    library_version()
    from genai_prices.data import providers as known

    for provider in known:
        name = OUR_NAMES.get(provider.id, provider.id)
        if providers and name not in providers:
            continue
        yield from _ProviderReader(provider, name, dict((conditions or {}).get(name, {}))).models()


def pricing_urls() -> dict[str, str]:
    """Return the page that the library names for each provider, by our names."""
    from genai_prices.data import providers

    return {OUR_NAMES.get(each.id, each.id): (each.pricing_urls or [""])[0] for each in providers}


class _ProviderReader:
    """Reads one provider of the library; lives for one reading."""

    def __init__(self, provider: "Provider", name: str, conditions: dict[str, Condition]) -> None:
        self._provider = provider
        self._name = name
        self._conditions = conditions
        variants = [variant for model in provider.models for variant in model.price_variants or ()]
        self._keys = sorted({key for variant in variants for key in variant.when})

    def models(self) -> Iterator[PublishedModel | NotImportable]:
        for model in self._provider.models:
            reason = _why_not(model)
            if reason is None:
                try:
                    yield self._model(model)
                    continue
                except _Refused as refusal:
                    reason = str(refusal)
            yield NotImportable(provider=self._name, model=model.id, reason=reason)

    def _model(self, model: "ModelInfo") -> PublishedModel:
        by_words: dict[tuple[tuple[str, str], ...], list[Published]] = {}
        for context in self._contexts(model):
            found = self._in_context(model, context)
            # Two words of the library may be one of ours: `fast` and `priority`.
            if by_words.setdefault(tuple(self._when(context).items()), found) != found:
                raise _Refused(f"its prices for {context} are not those of the same words of ours")
        prices = [price for found in by_words.values() for price in found]
        used = {key for each in _sets(model) for key, value in _items(each) if value is not None}
        return PublishedModel(
            provider=self._name,
            model=model.id,
            aliases=tuple(self._aliases(model)),
            modalities=_modalities(self._name, model.id, used),
            prices=tuple(prices),
            omitted=tuple(sorted(used - _UNITS.keys() - set(_HOURS))),
        )

    def _contexts(self, model: "ModelInfo") -> list[dict[str, str]]:
        """The circumstances that the library names for a model: none, and those of each variant."""
        contexts: list[dict[str, str]] = [{}]
        for variant in model.price_variants or ():
            # An empty variant says that a word means the ordinary price: so does our default.
            if dict(variant.when) not in contexts and any(value is not None for _, value in _items(variant.prices)):
                contexts.append(dict(variant.when))
        return contexts

    def _in_context(self, model: "ModelInfo", context: dict[str, str]) -> list[Published]:
        edges = _edges(model)
        when = self._when(context)
        found: list[tuple[datetime | None, datetime | None, list[Published]]] = []
        for index, start in enumerate(edges):
            end = edges[index + 1] if index + 1 < len(edges) else None
            instant = start or datetime(1970, 1, 1, tzinfo=UTC)
            if context and not _is_offered(model, context, instant):
                continue
            prices = self._at(model, instant, context, when)
            if found and found[-1][1] == start and [each.key for each in found[-1][2]] == [each.key for each in prices]:
                found[-1] = (found[-1][0], end, prices)
            else:
                found.append((start, end, prices))
        return [replace(each, start=start, end=end) for start, end, prices in found for each in prices]

    def _at(self, model: "ModelInfo", at: datetime, context: dict[str, str], when: dict[str, str]) -> list[Published]:
        """The prices of one instant, as the library itself resolves them."""
        values = {key: value for key, value in _items(model.get_prices(at, context or None)) if value is not None}
        by_meter: dict[str, Published] = {}
        for key, (meters, per) in _UNITS.items():
            if key in values:
                amount, tiers = _amounts(values[key])
                for meter in meters:
                    by_meter[meter] = Published(meter=meter, amount=amount, per=per, tiers=tiers, when=when)
        hours = next((values[key] for key in _HOURS if key in values), None)
        if hours is not None:
            amount, tiers = _amounts(hours)
            talks = "input_audio_hours" not in values and not any(word in model.id for word in _TRANSCRIBES)
            meter = "session_ms" if talks else "audio_sent_ms"
            by_meter[meter] = Published(
                meter=meter,
                amount=amount,
                per="1 hour",
                tiers=tiers,
                minimum=WHISPER_MINIMUM.get((self._name, model.id), ""),
                fallback=("socket_open_ms",) if talks else (),
                when=when,
            )
        return list(by_meter.values())

    def _when(self, context: Mapping[str, str]) -> dict[str, str]:
        """A context in our words, with what it does not say: a price is for what it is published for, and no more."""
        when = {}
        for key in self._keys:
            condition = self._conditions.get(key)
            word = context.get(key)
            if condition is None:
                when[key] = word or DEFAULT_WORDS.get(key, "standard")
                continue
            canonical = condition.canonical(word)
            if canonical is None:
                raise _Refused(f"our prices of {self._name} do not know {key}={word!r}")
            when[key] = canonical
        return when

    def _aliases(self, model: "ModelInfo") -> Iterator[str]:
        """Exact names that mean this model to the library, and dated snapshots where it takes any."""
        names = [name for name in _equals(model.match) if name != model.id]
        for name in dict.fromkeys(names):
            if self._means(name, model) and "{" not in name:
                yield name
        ids = {each.id for each in self._provider.models} | {
            name for each in self._provider.models for name in _equals(each.match)
        }
        for pattern, sample in (("{date}", "2025-04-14"), ("{yyyymmdd}", "20250414")):
            if self._means(f"{model.id}-{sample}", model) and "{" not in model.id:
                taken = any(len(name) == len(f"{model.id}-{sample}") and name.startswith(model.id) for name in ids)
                if not taken:
                    yield f"{model.id}-{pattern}"

    def _means(self, name: str, model: "ModelInfo") -> bool:
        return self._provider.find_model(name) is model


class _Refused(Exception):
    """A model's prices cannot be said in our words; caught where models are read."""


def _why_not(model: "ModelInfo") -> str | None:
    from genai_prices.types import TimeOfDateConstraint

    conditional = [] if not isinstance(model.prices, list) else model.prices
    constraints = [each.constraint for each in (*conditional, *(model.price_variants or ()))]
    if any(isinstance(each, TimeOfDateConstraint) for each in constraints):
        return "its price depends on the time of day"
    keys = {key for each in _sets(model) for key, value in _items(each) if value is not None}
    if not keys:
        return "the library has no price for it"
    if keys & _FOREIGN:
        return "it makes pictures or films, which no meter counts"
    if not keys & (_UNITS.keys() | set(_HOURS)):
        return f"it is priced by {', '.join(sorted(keys))}, which no meter counts"
    if not keys & {"output_mtok", "output_audio_mtok", "input_mchars", *_HOURS}:
        return "it has no price for output: an embedding, ranking or moderation model"
    return None


def _modalities(provider: str, model: str, keys: set[str]) -> tuple[str, ...]:
    name = model.lower()
    if "input_mchars" in keys or "-tts" in name:
        return ("tts",)
    is_timed = bool(keys & set(_HOURS))
    if any(word in name for word in _TRANSCRIBES) and (is_timed or "transcri" in name) and "output_mtok" not in keys:
        return ("stt", "realtime") if provider == "openai" else ("stt",)
    if "transcri" in name:
        return ("stt", "realtime") if provider == "openai" else ("stt",)
    if (is_timed and "voxtral" not in name) or ("output_audio_mtok" in keys and any(word in name for word in _TALKS)):
        return ("realtime",)
    return ("llm",)


def _sets(model: "ModelInfo") -> list["ModelPrice"]:
    standard = [each.prices for each in model.prices] if isinstance(model.prices, list) else [model.prices]
    return [*standard, *(variant.prices for variant in model.price_variants or ())]


def _items(prices: "ModelPrice") -> list[tuple[str, Any]]:
    return [(key, value) for key, value in vars(prices).items() if not key.startswith("_")]


def _amounts(value: Any) -> tuple[Decimal, tuple[tuple[int, Decimal], ...]]:
    from genai_prices.types import TieredPrices

    if isinstance(value, TieredPrices):
        return value.base, tuple((tier.start, tier.price) for tier in value.tiers)
    return cast("Decimal", value), ()


def _edges(model: "ModelInfo") -> list[datetime | None]:
    """The instants at which any price of a model begins, after "since ever"."""
    from genai_prices.types import StartDateConstraint

    conditional = model.prices if isinstance(model.prices, list) else []
    starts = {
        datetime.combine(each.constraint.start_date, time(), tzinfo=UTC)
        for each in (*conditional, *(model.price_variants or ()))
        if isinstance(each.constraint, StartDateConstraint)
    }
    return [None, *sorted(starts)]


def _is_offered(model: "ModelInfo", context: Mapping[str, str], at: datetime) -> bool:
    return any(
        dict(variant.when) == dict(context) and (variant.constraint is None or variant.constraint.active(at))
        for variant in model.price_variants or ()
    )


def _equals(clause: Any) -> Iterator[str]:
    if hasattr(clause, "equals"):
        yield clause.equals
    for each in getattr(clause, "or_", ()):
        yield from _equals(each)
