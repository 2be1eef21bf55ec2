"""Pricing: what a request may cost at most before it is sent, and exactly what it has cost once it has ended.

Exactly is what the ledger will say: the same usage, at the same instant, under the same circumstances, rated by the
same function and by the prices that the controller rates by (tests/unit/voicegateway/budgets/test_pricing.py holds the
two together).
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from voicegateway.budgets.lease import NS_PER_S
from voicegateway.limits.lease import boot_ns
from voicegateway.record import RequestRecord
from voicegateway_shared.limits import Target
from voicegateway_shared.wire import ModelName
from voicegateway_shared.wire.money import MODELS_MAX

if TYPE_CHECKING:
    from voicegateway_shared.cost_bound import CostBound
    from voicegateway_shared.pricing import RatingRequest, Tariff

logger = logging.getLogger("voicegateway")

TARIFFS_MAX: Final = 256
"""Models of a process; a job process has a handful."""
BOUNDS_MAX: Final = 64
"""Circumstances of one model that are kept: languages, voices, tiers."""
BOUND_FOR: Final = timedelta(days=1)
"""So long ahead a bound knows the prices; it is made anew when half of that is over."""
ASK_AGAIN_NS: Final = 5 * NS_PER_S
"""An answer that brought no tariff is not waited for; it is asked for again with a message after this time."""
FRESH_NS: Final = 600 * NS_PER_S
"""A tariff is asked for again after this time: prices and habits change."""
IN_VAIN_NS: Final = 30 * NS_PER_S
"""For so long nobody waits for a tariff that an answer did not bring."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIER: Final = "service_tier"

_USUAL: Final[Mapping[str, str]] = {"mode": "streaming", "language": "", "voice": "", _TIER: ""}

_Party = tuple[str, str]
"""Project, and the vendor key's fingerprint."""
_NOBODY: Final[_Party] = ("", "")
Key = tuple[str, str, str]
"""Provider, model, modality."""


_met: dict[Key, None] = {}
"""Models of plugins that were resolved or attached; a forked child has its parent's."""


def plugin_met(key: Key) -> None:
    """Note the model of a plugin that will be asked: its prices come with the first message of the process."""
    if len(_met) < TARIFFS_MAX:
        _met[key] = None


def key_of(record: RequestRecord) -> Key:
    """Return what names the prices of a request."""
    return record.facts.provider, record.model, record.modality


def circumstances(record: RequestRecord) -> dict[str, str]:
    """What prices may depend on beside usage, as the ledger reads it from the span; the tier is known at the end."""
    return {
        "mode": record.mode,
        "language": record.language,
        "voice": record.voice,
        _TIER: getattr(record.llm_usage, _TIER, None) or "",
    }


def rating_request(record: RequestRecord) -> "RatingRequest":
    """Return a request that has ended as the ledger will rate it: what `encode` puts into its span, and no more."""
    from voicegateway_shared.pricing.rating import RatingRequest

    usage = record.usage()
    outcome = record.outcome
    return RatingRequest(
        provider=record.facts.provider,
        model=record.model,
        modality=record.modality,
        at=_EPOCH + timedelta(microseconds=(record.started_unix_ns + record.duration_ns) // 1000),
        usage=usage,
        context=circumstances(record),
        is_failed=outcome in ("error", "interrupted") or (outcome == "cancelled" and not record.is_estimated()),
        project=record.project,
        account=record.facts.key_id,
    )


def rating_of(target: Target, usage: Mapping[str, int], at: datetime) -> "RatingRequest":
    """Return a usage of a model under the circumstances that are the default."""
    from voicegateway_shared.pricing.rating import RatingRequest

    return RatingRequest(
        provider=target.provider,
        model=target.model,
        modality=target.modality,
        at=at,
        usage=usage,
        project=target.project,
        account=target.account,
    )


class ModelTariff:
    """The prices of one model. Immutable but for what it remembers; any thread."""

    def __init__(self, tariff: "Tariff", *, learned_ns: int) -> None:
        self.learned_ns = learned_ns
        self.output_tokens_p99 = tariff.output_tokens_p99
        self.is_priced = tariff.reason is None
        self._tariff = tariff
        self._is_agreed = tariff.is_agreed
        self._found: Any = tariff.reason or tariff.model_prices()
        self._agreed: dict[_Party, Any] = {}
        """By project and key, where somebody has a contract: what they pay."""
        words = {key for price in tariff.prices for key, _ in price.when}
        words |= {price.times for price in tariff.prices if price.times}
        self._words = tuple(sorted(words - {_TIER}))
        self._has_tiers = _TIER in words
        self._tiers: frozenset[str] = frozenset(("",))
        """Service tiers that were met; an unheard-of one cannot be foreseen."""
        self._bounds: dict[tuple[object, ...], tuple[CostBound | None, datetime]] = {}
        """By circumstances: the bound, None where there is no price, and until when it need not be made anew."""

    def cost(self, request: "RatingRequest") -> int:
        """Return what a request has cost, in nano-dollars, as the ledger will say; nothing for what has no price."""
        from voicegateway_shared.pricing.rating import rate_by

        if self._has_tiers:
            self._tiers |= {request.context.get(_TIER, "")}
        return rate_by(self._of((request.project, request.account)), request).amount_nano_usd

    def bound(self, record: RequestRecord, *, now: datetime) -> "CostBound | None":
        """Return what bounds the cost of a request that is made now; None where there are no prices."""
        tier = str(getattr(getattr(record.owner, "_opts", None), _TIER, "") or "") if self._has_tiers else ""
        party = (record.project, record.facts.key_id) if self._is_agreed else _NOBODY
        return self.bound_under(circumstances(record), tier, now=now, party=party)

    def bound_under(
        self, context: Mapping[str, str], tier: str, *, now: datetime, party: _Party = _NOBODY
    ) -> "CostBound | None":
        """Return it for such circumstances. The first time takes a millisecond or two; it is kept."""
        if not self.is_priced:
            return None
        tiers = self._tiers if tier in self._tiers else self._tiers | {tier}
        key = (tiers, party, *[context.get(word) for word in self._words])
        found = self._bounds.get(key)
        if found is not None and now < found[1]:
            return found[0]
        made = self._made(self._of(party), context, tiers, now)
        if len(self._bounds) >= BOUNDS_MAX:
            self._bounds.clear()
        self._bounds[key] = (made, now + BOUND_FOR / 2)
        return made

    def _of(self, party: _Party) -> Any:
        if not self._is_agreed:
            return self._found
        found = self._agreed.get(party)
        if found is None:
            if len(self._agreed) >= BOUNDS_MAX:
                self._agreed.clear()
            found = self._agreed[party] = self._tariff.model_prices(project=party[0], account=party[1])
        return found

    def _made(self, found: Any, context: Mapping[str, str], tiers: Iterable[str], now: datetime) -> "CostBound | None":
        from voicegateway_shared.pricing.bound import cost_bound

        contexts = [{**context, _TIER: tier} for tier in sorted(tiers)]
        made = cost_bound(found, since=now, until=now + BOUND_FOR, contexts=contexts)
        if isinstance(made, str):
            # A price that ends within a day and has no follower yet still holds now.
            made = cost_bound(found, since=now, until=now, contexts=contexts)
        return None if isinstance(made, str) else made


class Tariffs:
    """The tariffs a process knows and those it needs. Any thread; lives as long as its runtime."""

    def __init__(self, *, now_ns: Callable[[], int] = boot_ns) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._known: dict[Key, ModelTariff] = {}
        self._asked: dict[Key, int] = {}
        """When each was asked for last; 0 while it never was."""
        self._vain: dict[Key, int] = {}
        """Until when it is not waited for."""
        self._waiting: dict[Key, list[Callable[[], object]]] = {}
        self._said: set[Key] = set()
        self._contexts: dict[Key, dict[str, str]] = {}
        """Under which circumstances a model was met whose tariff was not known."""
        self._met = 0
        """So many of the plugins' models were noted."""

    def need(self, key: Key, context: dict[str, str] | None = None) -> None:
        """Have a tariff asked for with the next message, at once, unless it is known."""
        if context is not None and key not in self._known and len(self._contexts) < TARIFFS_MAX:
            self._contexts[key] = context
        if key not in self._asked:
            with self._lock:
                if len(self._asked) >= TARIFFS_MAX:
                    for kept in (self._asked, self._known, self._vain):
                        kept.clear()
                self._asked.setdefault(key, 0)

    def find(self, key: Key) -> ModelTariff | None:
        """Return a tariff that is known."""
        return self._known.get(key)

    def is_vain(self, key: Key) -> bool:
        """Whether it makes no sense to wait for a tariff: an answer came without it."""
        return self._now_ns() < self._vain.get(key, 0)

    def when_known(self, key: Key, call: Callable[[], object]) -> None:
        """Call back once: from the syncer's thread when a tariff is known or will not be, at once when it is."""
        with self._lock:
            if key not in self._known and not self.is_vain(key):
                self._waiting.setdefault(key, []).append(call)
                if self._now_ns() - self._asked.get(key, 0) >= ASK_AGAIN_NS:
                    # Nobody is being asked just now.
                    self._asked[key] = 0
                return
        call()

    @property
    def is_due(self) -> bool:
        """Whether there is one that was never asked for."""
        return any(not asked_ns and key not in self._known for key, asked_ns in list(self._asked.items()))

    def wanted(self) -> tuple[ModelName, ...]:
        """Return what to ask for with a message that leaves now: what is needed, and the models of all plugins."""
        with self._lock:
            if self._met != len(_met):
                self._met = len(_met)
                for key in list(_met):
                    self._asked.setdefault(key, 0)
            now_ns = self._now_ns()
            wanted = [key for key, asked_ns in self._asked.items() if self._is_wanted(key, asked_ns, now_ns)]
            del wanted[MODELS_MAX:]
            for key in wanted:
                self._asked[key] = now_ns
        return tuple(
            ModelName(provider=provider, model=model, modality=modality) for provider, model, modality in wanted
        )

    def learned(self, asked: Iterable[ModelName], tariffs: "Iterable[Tariff]", *, now: datetime) -> None:
        """Take the tariffs of an answer; those that were asked for and did not come are not waited for.

        Their bounds are made here, in the syncer's thread: the first takes some twenty milliseconds of imports.
        """
        waiting: list[Callable[[], object]] = []
        now_ns = self._now_ns()
        for tariff in tariffs:
            key = (tariff.provider, tariff.model, tariff.modality)
            made = ModelTariff(tariff, learned_ns=now_ns)
            made.bound_under(self._contexts.pop(key, _USUAL), "", now=now)
            with self._lock:
                self._known[key] = made
                waiting += self._waiting.pop(key, [])
            if tariff.reason is not None and key not in self._said:
                self._said.add(key)
                logger.warning(
                    "voicegateway: %s/%s (%s) has no price (%s): budgets count what it costs as nothing",
                    *key,
                    tariff.reason,
                )
        for name in asked:
            key = (name.provider, name.model, name.modality)
            with self._lock:
                if key not in self._known:
                    self._vain[key] = now_ns + IN_VAIN_NS
                    waiting += self._waiting.pop(key, [])
        for call in waiting:
            call()

    def unheard(self, asked: Iterable[ModelName]) -> None:
        """No answer came: what was asked for is asked for again with the next message."""
        waiting: list[Callable[[], object]] = []
        with self._lock:
            for name in asked:
                key = (name.provider, name.model, name.modality)
                self._asked[key] = self._now_ns() - ASK_AGAIN_NS
                waiting += self._waiting.pop(key, [])
        for call in waiting:
            call()

    def _is_wanted(self, key: Key, asked_ns: int, now_ns: int) -> bool:
        known = self._known.get(key)
        if known is not None:
            return now_ns - max(asked_ns, known.learned_ns) >= FRESH_NS
        return not asked_ns or now_ns - asked_ns >= ASK_AGAIN_NS
