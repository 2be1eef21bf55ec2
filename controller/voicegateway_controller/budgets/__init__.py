"""Budgets: money declared by people, kept as pools in Redis that holders lease from, seen and foretold."""

from voicegateway_controller.budgets.definitions import BudgetDefinitions
from voicegateway_controller.budgets.history import History
from voicegateway_controller.budgets.service import Applied, Budgets
from voicegateway_controller.budgets.standings import Standings, WindowSums
from voicegateway_controller.budgets.tariffs import Tariffs
from voicegateway_controller.budgets.view import BudgetsView
from voicegateway_controller.budgets.watching import AnomalyWatch

__all__ = [
    "AnomalyWatch",
    "Applied",
    "BudgetDefinitions",
    "Budgets",
    "BudgetsView",
    "History",
    "Standings",
    "Tariffs",
    "WindowSums",
]
