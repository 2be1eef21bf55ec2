"""The newest version of each part of the configuration, as this replica knows it: what workers are compared with."""

from collections.abc import Callable, Mapping

from voicegateway_controller.budgets.leasing import MoneyLeasing
from voicegateway_controller.fleet.rules import Part
from voicegateway_controller.limits.service import Limits
from voicegateway_controller.routing import Routings


class NewestConfiguration:
    """Asked for each scope of projects; lives as long as what it is given."""

    def __init__(self, limits: Limits, money: MoneyLeasing, routings: Routings) -> None:
        self._limits, self._money, self._routings = limits, money, routings

    def __call__(self, allows: Callable[[str], bool]) -> Mapping[Part, str | None]:
        """Return it for a process that reaches these projects; None where nobody knows it here yet."""
        limits = self._limits.known
        return {
            "limits": None if limits is None else str(limits.revision),
            "budgets": self._money.tag(),
            "routing": self._routings.told("", allows)[0] or None,
        }
