"""Allowances, subscriptions and packs: entries of their own beside what usage costs, never a lower price."""

from voicegateway_controller.allowances.declaration import Allowance, parse_allowances
from voicegateway_controller.allowances.posting import AllowancePosting
from voicegateway_controller.allowances.service import AllowanceDefinitions, AllowanceSets

__all__ = ["Allowance", "AllowanceDefinitions", "AllowancePosting", "AllowanceSets", "parse_allowances"]
