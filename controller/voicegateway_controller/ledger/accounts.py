"""The trial balance: every amount stands on two accounts, and the two are summed from different tables."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.db.engine import raw_connection
from voicegateway_controller.db.sqlfile import load_sql

TIMEOUT_S: Final = 300.0
"""The entries of some ten million requests are summed once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account's sums: `cost:<project>`, `accrued:<provider>` or `payable:<provider>`."""

    name: str
    debit_usd: Decimal
    credit_usd: Decimal

    @property
    def balance_usd(self) -> Decimal:
        """Debit minus credit."""
        return self.debit_usd - self.credit_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """All accounts of the months asked for. Debits equal credits, or the books are broken."""

    accounts: tuple[Account, ...]

    @property
    def debit_usd(self) -> Decimal:
        """What stands on all accounts' left sides."""
        return sum((each.debit_usd for each in self.accounts), Decimal(0))

    @property
    def credit_usd(self) -> Decimal:
        """What stands on all accounts' right sides."""
        return sum((each.credit_usd for each in self.accounts), Decimal(0))

    @property
    def difference_usd(self) -> Decimal:
        """Debits minus credits: zero."""
        return self.debit_usd - self.credit_usd


async def trial_balance(engine: AsyncEngine, *, since: date | None = None, until: date | None = None) -> TrialBalance:
    """Return the accounts of what belongs to the months from `since` to just before `until` (first days, UTC).

    An entry debits its project's cost, taken from the hourly rollups, and credits what we owe its vendor, accrued,
    taken from the entries themselves. An accepted invoice debits what was accrued and credits what is payable: after
    it, a provider's accrued balance of that month is zero, until more becomes known. Raises DatabaseUnavailable.
    """
    async with raw_connection(engine) as connection:
        rows = await connection.fetch(load_sql(__package__, "trial_balance"), since, until, timeout=TIMEOUT_S)
    return TrialBalance(accounts=tuple(Account(**dict(row)) for row in rows))
