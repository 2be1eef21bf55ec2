"""Writes published prices as a price file of ours, and reads it back: what is imported is a validated document."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from voicegateway_controller.catalog.importing.familiar import familiar
from voicegateway_controller.catalog.importing.genai import (
    DEFAULT_WORDS,
    library_version,
    pricing_urls,
    read_library,
)
from voicegateway_controller.catalog.importing.published import NotImportable, Published, PublishedModel
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.pricing.catalog import Catalog
from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.document import Document, read_document
from voicegateway_shared.pricing.quantity import parse_decimal

_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "input_tokens": (
        "input_audio_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
    ),
    "cache_read_tokens": ("cache_read_audio_tokens",),
    "input_audio_tokens": ("cache_read_audio_tokens",),
    "output_tokens": ("output_audio_tokens", "reasoning_tokens"),
}
SINCE_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The start of what has an end and no start that the library knows: its import would begin today, after its end."""
_NO_METER: Final = "not imported, for want of a meter:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """One provider's prices as a price file: its text, and what it reads back as."""

    provider: str
    text: str
    document: Document
    models: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryImport:
    """Everything that a library's prices became, and what they did not."""

    library: str
    files: tuple[ImportedFile, ...]
    refused: tuple[NotImportable, ...]

    @property
    def models(self) -> int:
        return sum(file.models for file in self.files)

    @property
    def rows(self) -> int:
        return sum(len(file.document.prices) for file in self.files)


def import_library(*, read_on: date, providers: Iterable[str] = (), known: Catalog | None = None) -> LibraryImport:
    """Return `genai-prices` as price files of ours, one per provider; nothing is written anywhere.

    Args:
        read_on: the day that is noted as the day of reading.
        providers: only these, by our names; none: all.
        known: what holds; words and names are read as it reads them, so that one model has one name.

    Raises:
        ConfigurationError: the library is not installed, or has no such provider.
    """
    wanted = set(providers)
    library = library_version()
    conditions = declared_conditions(known) if known is not None else {}
    models: dict[str, list[PublishedModel]] = {}
    refused = []
    urls = pricing_urls()
    unknown = wanted - urls.keys()
    if unknown:
        raise ConfigurationError(
            f"{library} has no provider {', '.join(sorted(unknown))}; it has {', '.join(sorted(urls))}"
        )
    for each in read_library(conditions, providers=wanted):
        reason = each.reason if isinstance(each, NotImportable) else _unsayable(each)
        if isinstance(each, NotImportable) or reason is not None:
            refused.append(NotImportable(provider=each.provider, model=each.model, reason=str(reason)))
            continue
        models.setdefault(each.provider, []).append(each if known is None else familiar(each, known))
    files = tuple(
        _file(provider, found, url=urls[provider], library=library, read_on=read_on, known=conditions.get(provider, {}))
        for provider, found in models.items()
    )
    return LibraryImport(library=library, files=files, refused=tuple(refused))


def declared_conditions(catalog: Catalog) -> dict[str, Mapping[str, Condition]]:
    """Return what the prices of each provider depend on, by provider."""
    found: dict[str, Mapping[str, Condition]] = {}
    for price in catalog.prices:
        if price.provider not in found:
            prices = catalog.model(provider=price.provider, model=price.model, modality=price.modality)
            if not isinstance(prices, str):
                found[price.provider] = prices.conditions
    return found


def _file(
    provider: str,
    models: Sequence[PublishedModel],
    *,
    url: str,
    library: str,
    read_on: date,
    known: Mapping[str, Condition],
) -> ImportedFile:
    recorded_at = datetime(read_on.year, read_on.month, read_on.day, tzinfo=UTC)
    lines = [
        f"# Prices of {provider} as {library} has them, in the units and amounts it has them in.",
        f"provider: {_quoted(provider)}",
        f"description: {_quoted(f'{provider}, list prices in US dollars, imported from {library}.')}",
        f"recorded_at: {_instant(recorded_at)}",
        "sources:",
        f"  library: {{url: {_quoted(url or 'https://pypi.org/project/genai-prices/')}, read_on: {read_on}, "
        f"via: {_quoted(library)}}}",
        *_context(models, known),
        "models:",
    ]
    for model in models:
        lines += _entries(model)
    text = "\n".join(lines) + "\n"
    document = read_document(text, name=f"{library}/{provider}")
    return ImportedFile(provider=provider, text=text, document=document, models=len(models))


def _context(models: Sequence[PublishedModel], known: Mapping[str, Condition]) -> Iterator[str]:
    words: dict[str, dict[str, list[str]]] = {}
    for model in models:
        for price in model.prices:
            for key, word in price.when.items():
                words.setdefault(key, {}).setdefault(word, [])
    if words:
        yield "context:"
    for key, values in words.items():
        condition = known.get(key)
        default = condition.default if condition is not None else DEFAULT_WORDS.get(key, "standard")
        values.setdefault(default, [])
        if condition is not None:
            for word, canonical in condition.synonyms.items():
                values.setdefault(canonical, [])
                if word != canonical.lower():
                    values[canonical].append(word)
        yield f"  {key}:"
        yield f"    default: {_quoted(default)}"
        if condition is not None and condition.otherwise is not None:
            yield f"    otherwise: {_quoted(condition.otherwise)}"
        said = ", ".join(f"{_quoted(value)}: [{', '.join(map(_quoted, also))}]" for value, also in values.items())
        yield f"    values: {{{said}}}"


def _entries(model: PublishedModel) -> Iterator[str]:
    """An entry for each context and window of a model; the first one has its aliases."""
    groups: dict[tuple[object, ...], list[Published]] = {}
    for price in model.prices:
        groups.setdefault((tuple(price.when.items()), price.start, price.end), []).append(price)
    for index, prices in enumerate(groups.values()):
        first = prices[0]
        yield f"  - model: {_quoted(model.model)}"
        if index == 0 and model.aliases:
            yield f"    aliases: [{', '.join(map(_quoted, model.aliases))}]"
        yield f"    modality: [{', '.join(model.modalities)}]"
        if first.when:
            yield f"    when: {{{', '.join(f'{key}: {_quoted(word)}' for key, word in first.when.items())}}}"
        start = first.start or (SINCE_EVER if first.end is not None else None)
        if start is not None:
            yield f"    effective_from: {_instant(start)}"
        if first.end is not None:
            yield f"    effective_to: {_instant(first.end)}"
        yield "    source: library"
        yield "    confidence: library"
        if model.omitted:
            yield f"    note: {_quoted(f'{_NO_METER} ' + ', '.join(model.omitted))}"
        yield "    prices:"
        meters = {price.meter for price in prices}
        # A part that has a price at other times only is billed as its whole.
        others = {price.meter: None for price in model.prices if price.meter not in meters}
        for position, price in enumerate(prices):
            yield f"      - {{{', '.join(_row(price, meters, () if position else tuple(others)))}}}"


def _row(price: Published, meters: set[str], instead_of: tuple[str, ...]) -> Iterator[str]:
    yield f"meter: {price.meter}"
    if instead_of:
        yield f"instead_of: [{', '.join(instead_of)}]"
    minus = [part for part in _PARTS.get(price.meter, ()) if part in meters]
    if minus:
        yield f"minus: [{', '.join(minus)}]"
    if price.meter == "input_tokens" and {"cache_read_tokens", "cache_read_audio_tokens"} <= meters:
        # Cached audio is part of the cached and of the audio tokens: it was taken away twice.
        yield "plus: [cache_read_audio_tokens]"
    if price.fallback:
        yield f"fallback: [{', '.join(price.fallback)}]"
    yield f'amount: "{_plain(price.amount)}"'
    yield f"per: {price.per}"
    if price.minimum:
        yield f"minimum: {price.minimum}"
    if price.tiers:
        steps = ", ".join(
            f'{{above: {above} {"token" if above == 1 else "tokens"}, amount: "{_plain(amount)}"}}'
            for above, amount in price.tiers
        )
        yield f"tiers: {{kind: cliff, basis: input_tokens, steps: [{steps}]}}"


def _unsayable(model: PublishedModel) -> str | None:
    """Why a model's numbers cannot be written as ours, or None when they can."""
    for price in model.prices:
        for amount in (price.amount, *(amount for _, amount in price.tiers)):
            try:
                parse_decimal(_plain(amount))
            except ValueError:
                return f"{price.meter} costs {amount}: more digits than a price may have"
        if any(above == 0 for above, _ in price.tiers):
            return f"{price.meter} has a tier that begins at nothing"
    return None


def _plain(amount: Decimal) -> str:
    return format(amount, "f")


def _quoted(text: str) -> str:
    # A JSON string is a YAML string.
    return json.dumps(text, ensure_ascii=False)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
