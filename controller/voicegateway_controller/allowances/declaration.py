"""Declarations: allowances, subscriptions and packs as a person writes them; refused with the reason when wrong."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits.declared import nearest, read_name
from voicegateway_shared.money import NotAnAmount, parse_usd
from voicegateway_shared.pricing.quantity import Quantity, parse_quantity
from voicegateway_shared.usage import METERS

ALLOWANCES_MAX: Final = 200
PATTERNS_MAX: Final = 50
MONTH_FIRST: Final = date(2020, 1, 1)
_KEYS: Final = (
    "name", "provider", "models", "meters", "project", "quantity", "usd", "fee", "from", "until", "prepaid", "price",
    "bought_on", "expires_on",
)  # fmt: skip
_PATTERN: Final = re.compile(r"[!-~]{1,200}", re.ASCII)
_EXAMPLE: Final = (
    '{name: livekit-ship, provider: livekit, meters: [participant_ms], quantity: "5_000 minutes", from: 2026-11}'
)

Kind = Literal["quantity", "usd", "prepaid", "subscription"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One declaration; immutable. A month is its first day. Only what its kind needs is set."""

    name: str
    kind: Kind
    provider: str
    models: tuple[str, ...] = ("*",)
    meters: tuple[str, ...] = ()
    """Empty: whatever the provider bills."""
    project: str = ""
    """Whose usage it is about, and who gets the credit; empty: everybody's, and nobody's in particular."""
    quantity: Quantity | None = None
    pico_usd: int = 0
    """Of a usd allowance what a month's credit is at most, of a pack what it buys."""
    fee_pico_usd: int = 0
    price_pico_usd: int = 0
    first: date = MONTH_FIRST
    last: date | None = None
    bought_on: date | None = None
    expires_on: date | None = None

    def is_in(self, month: date) -> bool:
        """Say whether it holds in a month, at least in a part of it."""
        if self.bought_on is not None:
            is_over = self.expires_on is not None and self.expires_on <= month
            return self.bought_on.replace(day=1) <= month and not is_over
        return self.first <= month and (self.last is None or month <= self.last)

    def overlaps(self, other: "Allowance") -> bool:
        """Say whether some usage could be about both."""
        return (
            self.provider == other.provider
            and _share(self.meters, other.meters)
            and (not self.project or not other.project or self.project == other.project)
            and any(_alike(one, another) for one in self.models for another in other.models)
        )

    def covers(self, other: "Allowance") -> bool:
        """Say whether all usage that the other is about is also of this one."""
        return (
            self.provider == other.provider
            and (not self.meters or (bool(other.meters) and set(other.meters) <= set(self.meters)))
            and self.project in ("", other.project)
            and ("*" in self.models or set(other.models) <= set(self.models))
        )


def parse_allowances(
    document: object, *, providers: Collection[str], where: str = "allowances"
) -> tuple[Allowance, ...]:
    """Return the allowances of a list of declarations.

    Raises:
        ConfigurationError: a declaration is wrong, or two would be given for the same usage; the message says which.
    """
    if document is None:
        return ()
    if not isinstance(document, Sequence) or isinstance(document, (str, bytes)):
        raise ConfigurationError(f"{where}: must be a list of allowances")
    if len(document) > ALLOWANCES_MAX:
        raise ConfigurationError(f"{where}: {len(document)} are more than the {ALLOWANCES_MAX} that are supported")
    made: list[Allowance] = []
    for index, declared in enumerate(document):
        allowance = _declaration(declared, f"{where}[{index}]", providers)
        if any(each.name == allowance.name for each in made):
            raise ConfigurationError(f"{where}[{index}].name: {allowance.name!r} is taken; names stand in the books")
        made.append(allowance)
    _refuse_twice(made)
    return tuple(made)


def drawn_in_order(allowances: Sequence[Allowance]) -> list[Allowance]:
    """Return those that give credit in the order in which usage is covered: quantities, dollars, packs by their age."""
    rank = {"quantity": 0, "usd": 1, "prepaid": 2}
    drawn = [each for each in allowances if each.kind in rank]
    return sorted(drawn, key=lambda each: (rank[each.kind], each.bought_on or date.min))


def _declaration(declared: object, place: str, providers: Collection[str]) -> Allowance:
    if not isinstance(declared, Mapping):
        raise ConfigurationError(f"{place}: must be a mapping such as {_EXAMPLE}")
    for key in declared:
        if key not in _KEYS:
            hint = nearest(str(key), _KEYS) or f"known are {', '.join(_KEYS)}"
            raise ConfigurationError(f"{place}: unknown key {key!r}; {hint}")
    provider = declared.get("provider")
    if not isinstance(provider, str) or provider not in providers:
        raise ConfigurationError(f"{place}.provider: {provider!r} is no provider that is known here")
    project = declared.get("project", "")
    if not isinstance(project, str):
        raise ConfigurationError(f"{place}.project: {project!r} is no project")
    kind = _kind(declared, place)
    common: dict[str, Any] = {
        "name": read_name(declared.get("name"), f"{place}.name"),
        "kind": kind,
        "provider": provider,
        "project": project,
        "models": _models(declared.get("models", ["*"]), f"{place}.models"),
        "meters": _meters(declared.get("meters", []), f"{place}.meters"),
    }
    if kind == "prepaid":
        return _pack(declared, place, common)
    return _monthly(declared, place, common)


def _kind(declared: Mapping[Any, Any], place: str) -> Kind:
    given = [key for key in ("quantity", "usd", "prepaid") if key in declared]
    if len(given) > 1:
        raise ConfigurationError(f"{place}: {' and '.join(given)} are different allowances; declare one each")
    if not given and "fee" not in declared:
        raise ConfigurationError(f"{place}: say what is given: quantity or usd each month, prepaid once, or a fee")
    kind: Kind = given[0] if given else "subscription"  # type: ignore[assignment]  # one of the three words
    monthly, once = ("fee", "from", "until"), ("price", "bought_on", "expires_on")
    for key in monthly if kind == "prepaid" else once:
        if key in declared:
            raise ConfigurationError(f"{place}.{key}: does not belong to {kind}")
    return kind


def _pack(declared: Mapping[Any, Any], place: str, common: dict[str, Any]) -> Allowance:
    amount = _amount(declared["prepaid"], f"{place}.prepaid")
    bought_on = _day(declared.get("bought_on"), f"{place}.bought_on")
    expires_on = _day(declared["expires_on"], f"{place}.expires_on") if "expires_on" in declared else None
    if expires_on is not None and expires_on <= bought_on:
        raise ConfigurationError(f"{place}.expires_on: must be after bought_on")
    price = _amount(declared["price"], f"{place}.price") if "price" in declared else amount
    return Allowance(
        **common, pico_usd=amount, price_pico_usd=price, first=bought_on.replace(day=1), bought_on=bought_on,
        expires_on=expires_on,
    )  # fmt: skip


def _monthly(declared: Mapping[Any, Any], place: str, common: dict[str, Any]) -> Allowance:
    first = _month(declared.get("from"), f"{place}.from")
    last = _month(declared["until"], f"{place}.until") if "until" in declared else None
    if last is not None and last < first:
        raise ConfigurationError(f"{place}.until: is before from")
    quantity = None
    if "quantity" in declared:
        try:
            quantity = parse_quantity(declared["quantity"])
        except ValueError as error:
            raise ConfigurationError(f"{place}.quantity: {error}") from error
        wrong = [meter for meter in common["meters"] if METERS[meter].unit != quantity.base]
        if wrong or not common["meters"]:
            counted = ", ".join(meter.name for meter in METERS.values() if meter.unit == quantity.base)
            raise ConfigurationError(
                f"{place}.meters: say what {quantity} are counted by; {counted or 'no meter'} can be"
            )
    return Allowance(
        **common,
        quantity=quantity,
        pico_usd=_amount(declared["usd"], f"{place}.usd") if "usd" in declared else 0,
        fee_pico_usd=_amount(declared["fee"], f"{place}.fee") if "fee" in declared else 0,
        first=first,
        last=last,
    )


def _models(given: object, place: str) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, Sequence) or not 0 < len(texts) <= PATTERNS_MAX:
        raise ConfigurationError(f"{place}: must be a list of 1 to {PATTERNS_MAX} models; * stands for anything")
    for text in texts:
        if not isinstance(text, str) or not _PATTERN.fullmatch(text):
            raise ConfigurationError(f"{place}: {text!r} is no model")
    return tuple(texts)


def _meters(given: object, place: str) -> tuple[str, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ConfigurationError(f"{place}: must be a list of meters")
    for meter in given:
        if not isinstance(meter, str) or meter not in METERS:
            hint = nearest(str(meter), tuple(METERS)) or f"known are {', '.join(METERS)}"
            raise ConfigurationError(f"{place}: unknown meter {meter!r}; {hint}")
    return tuple(dict.fromkeys(given))


def _amount(given: object, place: str) -> int:
    try:
        pico_usd = parse_usd(given) if isinstance(given, str) else -1
    except NotAnAmount as error:
        raise ConfigurationError(f"{place}: {error}") from error
    if pico_usd < 0:
        raise ConfigurationError(f'{place}: {given!r} is no amount; write USD in quotes, such as "25.00"')
    return pico_usd


def _month(given: object, place: str) -> date:
    try:
        if not isinstance(given, str) or not re.fullmatch(r"\d{4}-\d{2}", given, re.ASCII):
            raise ValueError
        return date.fromisoformat(f"{given}-01")
    except ValueError:
        raise ConfigurationError(f"{place}: {given!r} is no month; write one such as 2026-11") from None


def _day(given: object, place: str) -> date:
    try:
        return date.fromisoformat(given if isinstance(given, str) else "")
    except ValueError:
        raise ConfigurationError(f'{place}: {given!r} is no day; write one in quotes, such as "2026-11-05"') from None


def _refuse_twice(allowances: Sequence[Allowance]) -> None:
    """Refuse what would cover the same usage twice, or leave open how much of it is covered already."""
    ordered = drawn_in_order(allowances)
    for index, later in enumerate(ordered):
        for earlier in ordered[:index]:
            if not (_coincide(earlier, later) and earlier.overlaps(later)):
                continue
            if later.kind == "quantity":
                raise ConfigurationError(
                    f"allowances {earlier.name!r} and {later.name!r} are about the same usage in the same months; "
                    "make one of them, or tell them apart by models, meters, project or months"
                )
            if not later.covers(earlier):
                raise ConfigurationError(
                    f"allowance {later.name!r} is about a part of what {earlier.name!r} covers first: let it be about "
                    "all of that (the same models, meters and project, or more), or about none of it"
                )


def _coincide(one: Allowance, other: Allowance) -> bool:
    ends = [each.last or date.max if each.bought_on is None else each.expires_on or date.max for each in (one, other)]
    return one.first <= ends[1] and other.first <= ends[0]


def _share(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return not one or not other or bool(set(one) & set(other))


def _alike(one: str, other: str) -> bool:
    """Say whether some name could fit both patterns; a little too often rather than once too seldom."""
    if "*" not in one and "*" not in other:
        return one == other
    heads = [pattern.split("*", 1)[0] for pattern in (one, other)]
    tails = [pattern.rsplit("*", 1)[-1] for pattern in (one, other)]
    return (heads[0].startswith(heads[1]) or heads[1].startswith(heads[0])) and (
        tails[0].endswith(tails[1]) or tails[1].endswith(tails[0])
    )
