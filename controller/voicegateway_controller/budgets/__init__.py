"""Budgets: money declared by people, kept as pools in Redis that holders lease from, seen and foretold."""

from voicegateway_controller.budgets.definitions import BudgetDefinitions
from voicegateway_controller.budgets.service import Applied, Budgets

__all__ = ["Applied", "BudgetDefinitions", "Budgets"]
