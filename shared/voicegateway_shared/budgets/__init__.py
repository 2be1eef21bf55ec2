"""Budgets: how much money may be spent in which window, declared and checked. Pure: it enforces nothing."""

from voicegateway_shared.budgets.budget import BudgetSpec, Guards, LoopGuard
from voicegateway_shared.budgets.declaration import parse_budgets
from voicegateway_shared.budgets.thresholds import crossed
from voicegateway_shared.budgets.window import Window, WindowKind, window_at

__all__ = ["BudgetSpec", "Guards", "LoopGuard", "Window", "WindowKind", "crossed", "parse_budgets", "window_at"]
