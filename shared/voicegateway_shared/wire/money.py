"""What `POST /v1/sync` says of money: leases on budgets' windows, the prices to count by, and what must end.

Amounts are whole nano-dollars. Counters are cumulative over one process life in one window, so duplicates, reordering
and loss do no harm.
"""

from typing import Final, Literal

import msgspec

from voicegateway_shared.budgets.budget import BudgetSpec
from voicegateway_shared.pricing.tariff import Tariff

MONEY_CLAIMS_MAX: Final = 256
"""Windows that one holder may speak of at once; a job process meets a handful."""
MODELS_MAX: Final = 64
"""Models whose tariffs one message may ask for."""
RECOVERED_MAX: Final = 64
DIRECTIVES_MAX: Final = 64

MONEY_KEEP_MS: Final = 600_000
"""How long leased money is kept for a holder that says nothing, and how long it may be spent without a controller.
After that the ledger alone says what it spent."""

MoneyState = Literal["ok", "outdated", "learning", "exhausted", "unknown"]
"""`outdated`: a newer message was heard. `learning`: the window lost its memory, nothing new is granted just now.
`exhausted`: what is needed does not fit, even if everybody gave back everything unspent. `unknown`: no such window."""


class BudgetPool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One budget with the window that is open and the one after it. Times count from the moment the holder asked."""

    spec: BudgetSpec
    window_id: str
    """Empty where each session is a window of its own: that one is counted by its holder alone."""
    ends_in_ms: int = 0
    """When the next window opens; 0: never."""
    next_window_id: str = ""
    next_ends_in_ms: int = 0
    """When the next window ends; 0: never."""


def pool_id(budget_id: str, window_id: str) -> str:
    """Return the name of one window of one budget, the hash tag of its keys in Redis."""
    return f"{budget_id}@{window_id}"


class MoneyClaim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a holder says of one window. `used` and `granted` only grow, save that a return lowers `granted`."""

    pool: str
    used: int = 0
    """Spent in this window by this process life; told more than once it is the same."""
    granted: int = 0
    """The cumulative grant the holder goes by from now on: it spends no more than this. Kept before it is told."""
    target: int = 0
    """The cumulative grant it would like to have; never below `granted`."""
    need: int = 0
    """The cumulative grant that the first waiting request needs, 0 when none waits: all of it or nothing."""
    waiters: int = 0
    refused: int = 0
    """Requests refused so far."""


class MoneyLease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a holder may spend in one window. Times count from the moment the holder sent its claim."""

    pool: str
    state: MoneyState = "ok"
    granted: int = 0
    """Cumulative grant. Without meaning in a budget that does not stop spending."""
    ttl_ms: int = 0
    """How long it may be spent without hearing from a controller again."""
    retry_ms: int = 0
    """Asking again earlier is in vain; 0 when what was asked for was granted."""
    is_scarce: bool = False
    """The window is nearly used up: hold no more than requests that are open or waiting need."""
    is_over: bool = False
    """The amount is spent: a `throttle` budget throttles from now on."""


class ModelName(msgspec.Struct, frozen=True, kw_only=True):
    """A model whose tariff a holder needs."""

    provider: str
    model: str
    modality: str


class Directive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a holder must do. Said again with every answer until the holder has said `done`, or its session is gone."""

    id: str
    kind: Literal["end_session"] = "end_session"
    session_id: str
    sentence: str = ""
    """Spoken before the call ends; empty: the budget's default."""
    reason: str = ""


class MoneyReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a sync request that is about money."""

    tag: str = ""
    """Of the budgets the holder knows; empty when it knows none."""
    claims: tuple[MoneyClaim, ...] = ()
    models: tuple[ModelName, ...] = ()
    """Models met whose tariffs are not known here."""
    recovered: tuple[str, ...] = ()
    """Incarnations that died on this host and of whose spans every one has been acknowledged."""
    done: tuple[str, ...] = ()
    """Directives that were obeyed, by id."""


class MoneyAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a sync response that is about money."""

    tag: str = ""
    """Changes with the declared budgets and whenever a window ends."""
    budgets: tuple[BudgetPool, ...] | None = None
    """All budgets this holder may meet, when the tag it named is not ours."""
    leases: tuple[MoneyLease, ...] = ()
    """One for each claim, in their order."""
    tariffs: tuple[Tariff, ...] = ()
    """Of the models that were asked for."""
    directives: tuple[Directive, ...] = ()
