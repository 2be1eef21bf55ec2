"""Vendors' billing APIs, each in the one form of `reconcile.statement`."""

from voicegateway_controller.reconcile.sources.registry import PROVIDERS, billing_source

__all__ = ["PROVIDERS", "billing_source"]
