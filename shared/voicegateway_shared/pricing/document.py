"""One price file: YAML text in, validated prices out, or a list of every mistake with its line, row and key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from voicegateway_shared.document import DocumentWrong
from voicegateway_shared.pricing.conditions import Condition
from voicegateway_shared.pricing.fields import Refused, instant
from voicegateway_shared.pricing.price import Price, Source
from voicegateway_shared.pricing.row import ROW_KEYS, RowReader
from voicegateway_shared.pricing.yaml_text import YamlMapping, read_yaml

_TOP_KEYS: Final = frozenset(
    {"provider", "description", "recorded_at", "sources", "context", "credit_plans", "defaults", "models"}
)
_CONDITION_KEYS: Final = frozenset({"default", "values", "otherwise"})
_CREDIT_KEYS: Final = frozenset({"plan", "amount", "per", "effective_from", "effective_to", "source"})
_SHARED_KEYS: Final = (ROW_KEYS - {"meter", "amount", "credits", "tiers"}) | {"modality"}
_ENTRY_KEYS: Final = _SHARED_KEYS | {"model", "aliases", "like", "prices"}


@dataclass(slots=True)
class Document:
    """What one file says about one provider."""

    name: str
    provider: str = ""
    description: str = ""
    sources: dict[str, Source] = field(default_factory=dict)
    conditions: dict[str, Condition] = field(default_factory=dict)
    names: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_document(text: str, *, name: str) -> Document:
    """Read a whole price file; mistakes are collected in `problems`, each with line, row and key."""
    document = Document(name)
    try:
        tree = read_yaml(text, name=name)
    except DocumentWrong as wrong:
        document.problems += map(str, wrong.problems)
        return document
    if not isinstance(tree, YamlMapping) or not tree:
        document.problems.append(f"{name}: the file must be a mapping with the keys {', '.join(sorted(_TOP_KEYS))}")
        return document
    _DocumentReader(document, tree).read()
    return document


def read_conditions(context: YamlMapping, *, problems: list[str], name: str) -> dict[str, Condition]:
    """Read a file's `context`; mistakes are added to `problems`."""
    conditions = {}
    for key, value in context.items():
        if not isinstance(value, YamlMapping) or not isinstance(value.get("values"), YamlMapping):
            problems.append(f"{name}:{context.line}: context.{key}: must be {{default, values, otherwise}}")
            continue
        found: list[tuple[str, str]] = [
            (f"context.{key}.{extra}", f"is not a key here; known are {', '.join(sorted(_CONDITION_KEYS))}")
            for extra in sorted(value.keys() - _CONDITION_KEYS)
        ]
        conditions[key] = _condition(key, value, found)
        problems += [f"{name}:{value.line}: {where}: {message}" for where, message in found]
    return conditions


def _condition(key: str, value: YamlMapping, found: list[tuple[str, str]]) -> Condition:
    synonyms: dict[str, str] = {}
    for canonical, words in value["values"].items():
        if not _is_texts(words):
            found.append((f"context.{key}.values.{canonical}", "must be a list of texts"))
            continue
        for word in (canonical, *words):
            if synonyms.setdefault(word.lower(), canonical) != canonical:
                found.append((f"context.{key}.values.{canonical}", f"{word!r} means two things"))
    found += [
        (f"context.{key}.{end}", "must be one of its values")
        for end in ("default", "otherwise")
        if end in value and value[end] not in list(value["values"])
    ]
    if "default" not in value:
        found.append((f"context.{key}.default", "is missing"))
    return Condition(
        key=key,
        default=str(value.get("default")),
        synonyms=synonyms,
        otherwise=str(value["otherwise"]) if "otherwise" in value else None,
    )


class _DocumentReader:
    """Walks one file from top to bottom; lives for one read."""

    def __init__(self, document: Document, tree: YamlMapping) -> None:
        self._document = document
        self._tree = tree
        self._defaults: dict[str, YamlMapping] = {}

    def read(self) -> None:
        tree, document = self._tree, self._document
        self._refuse_unknown(tree, _TOP_KEYS, "file")
        provider = tree.get("provider")
        if not isinstance(provider, str) or not provider:
            self._complain(tree, "provider", "must be the provider's id, such as 'deepgram'")
            return
        document.provider = provider
        document.description = str(tree.get("description", ""))
        rows = RowReader(document=document.name, provider=provider, problems=document.problems)
        try:
            rows.recorded_at = instant(tree, "recorded_at")
        except Refused as refusal:
            self._complain(tree, refusal.key, str(refusal))
        self._read_sources(rows)
        self._read_conditions()
        rows.conditions = document.conditions
        self._read_credit_plans(rows)
        self._read_defaults()
        for entry in self._mappings(tree, "models"):
            self._read_entry(entry, rows)

    def _read_sources(self, rows: RowReader) -> None:
        sources = self._tree.get("sources")
        if not isinstance(sources, YamlMapping):
            self._complain(self._tree, "sources", "must map short names to {url, read_on, via}")
            return
        for key, value in sources.items():
            source = rows.read_source(value, key=key, line=sources.line)
            if source is not None:
                self._document.sources[key] = source
        rows.sources = self._document.sources

    def _read_conditions(self) -> None:
        context = self._tree.get("context", YamlMapping())
        if not isinstance(context, YamlMapping):
            self._complain(self._tree, "context", "must map keys to {default, values, otherwise}")
            return
        self._document.conditions = read_conditions(context, problems=self._document.problems, name=self._document.name)

    def _read_credit_plans(self, rows: RowReader) -> None:
        for plan in self._mappings(self._tree, "credit_plans", is_optional=True):
            self._refuse_unknown(plan, _CREDIT_KEYS, "credit_plans")
            rows.read_credit_rate(plan)

    def _read_defaults(self) -> None:
        defaults = self._tree.get("defaults", YamlMapping())
        if not isinstance(defaults, YamlMapping):
            self._complain(self._tree, "defaults", "must map names to what rows have in common")
            return
        for name, shared in defaults.items():
            if not isinstance(shared, YamlMapping):
                self._complain(defaults, f"defaults.{name}", "must be a mapping")
                continue
            self._refuse_unknown(shared, _SHARED_KEYS, f"defaults.{name}")
            self._defaults[name] = shared

    def _with_defaults(self, entry: YamlMapping) -> YamlMapping:
        """The entry and what it is `like`; its own keys win, conditions add up."""
        if "like" not in entry:
            return entry
        shared = self._defaults.get(str(entry["like"]))
        if shared is None:
            self._complain(entry, "models.like", f"{entry['like']!r} must be one of this file's defaults")
            return entry
        merged = YamlMapping({**shared, **entry})
        merged.line = entry.line
        if isinstance(shared.get("when"), Mapping) and isinstance(entry.get("when"), Mapping):
            merged["when"] = {**shared["when"], **entry["when"]}
        return merged

    def _read_entry(self, entry: YamlMapping, rows: RowReader) -> None:
        self._refuse_unknown(entry, _ENTRY_KEYS, "models")
        entry = self._with_defaults(entry)
        model = entry.get("model")
        if not isinstance(model, str) or not model:
            self._complain(entry, "models.model", "must be the vendor's own model id")
            return
        aliases = entry.get("aliases", [])
        if not _is_texts(aliases):
            self._complain(entry, f"models[{model}].aliases", "must be a list of texts")
            aliases = []
        self._document.names.append((model, tuple(aliases)))
        prices: list[Price] = []
        for row in self._mappings(entry, "prices"):
            prices += rows.read_row(row, entry=entry, model=model)
        self._check_parts(entry, model, prices)
        self._document.prices += prices

    def _check_parts(self, entry: YamlMapping, model: str, prices: list[Price]) -> None:
        """A part that is subtracted must be billed by a row of its own: else it would be free by accident."""
        for price in prices:
            for part in price.minus:
                others = [row for row in prices if row.meter == part and row.modality == price.modality]
                if not any(row.is_compatible(price) and row.covers_window_of(price) for row in others):
                    self._complain(
                        entry,
                        f"models[{model}].prices[{price.meter}].minus",
                        f"{part!r} has no price of its own here; price it, or name it in not_billed",
                    )

    def _mappings(self, tree: YamlMapping, key: str, *, is_optional: bool = False) -> list[YamlMapping]:
        items = tree.get(key, [] if is_optional else None)
        if not isinstance(items, list) or not all(isinstance(item, YamlMapping) for item in items):
            self._complain(tree, key, "must be a list of mappings")
            return []
        return items

    def _refuse_unknown(self, mapping: YamlMapping, known: frozenset[str], where: str) -> None:
        for key in sorted(mapping.keys() - known):
            self._complain(mapping, f"{where}.{key}", f"is not a key here; known are {', '.join(sorted(known))}")

    def _complain(self, mapping: YamlMapping, key: str, message: str) -> None:
        self._document.problems.append(f"{self._document.name}:{mapping.line}: {key}: {message}")


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
