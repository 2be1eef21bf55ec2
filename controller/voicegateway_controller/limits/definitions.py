"""Definitions: one revision of the declared limits, as given and as pools. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from voicegateway_controller.declared import Allows, Declared, reaches, refuse_odd_texts
from voicegateway_controller.errors import BadRequest
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.limits import PoolSpec, parse_limits

RATE_LOSS_MAX: Final = 100
"""A rate may be rounded down by one part in this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """One revision; immutable. Revision 0 is what holds where nothing was ever declared: no pools."""

    revision: int = 0
    document: Sequence[Declared] = ()
    """The list as it was given."""
    pools: tuple[PoolSpec, ...] = ()
    created_at: datetime | None = None
    created_by: str = ""
    specs: Mapping[str, PoolSpec] = field(init=False)
    """The pools by id."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "specs", {pool.id: pool for pool in self.pools})

    def pools_for(self, allows: Allows) -> tuple[PoolSpec, ...]:
        """Return the pools that concern these projects, without what they say of other projects."""
        return tuple(pool_for(pool, allows) for pool in self.pools if reaches(pool.selector.project, allows))


def pool_for(pool: PoolSpec, allows: Allows) -> PoolSpec:
    """Return a pool without the weights and shares of projects out of reach."""
    if all(allows(project) for project in (*pool.weights, *pool.min_shares_permille)):
        return pool
    return msgspec.structs.replace(
        pool,
        weights={project: weight for project, weight in pool.weights.items() if allows(project)},
        min_shares_permille={project: share for project, share in pool.min_shares_permille.items() if allows(project)},
    )


def validated(document: object, *, providers: frozenset[str]) -> tuple[PoolSpec, ...]:
    """Return the pools of a document that somebody wants to declare; BadRequest says what is wrong with it."""
    refuse_odd_texts(document, "limits")
    try:
        pools = parse_limits(document, providers=providers)
    except ConfigurationError as error:
        raise BadRequest(str(error)) from error
    for pool in pools:
        _refuse_lost_rate(pool)
    return pools


def stored_pools(document: Sequence[Declared], *, providers: frozenset[str]) -> tuple[PoolSpec, ...]:
    """Return the pools of a document that was in force already: a provider that left the catalogue stays limited.

    Raises:
        ConfigurationError: a newer version wrote it and this one does not understand it.
    """
    named = {each["provider"] for each in document if isinstance(each.get("provider"), str)}
    return parse_limits(document, providers=providers | named)


def _refuse_lost_rate(pool: PoolSpec) -> None:
    """Refuse a burst so large beside its rate that the rate, counted in whole numbers, would be another one."""
    if not pool.is_rate:
        return
    n, d = pool.scaled_rate()
    if n * pool.period_ms * 1000 * RATE_LOSS_MAX < pool.units * d * (RATE_LOSS_MAX - 1):
        raise BadRequest(f"limit {pool.id!r}: a burst of {pool.burst:,} is absurd beside so slow a rate; lower it")
