"""Alerts: what somebody must be told, once per crossing and window, and delivered until it arrives or is given up."""

from voicegateway_controller.alerts.alert import Alert, Kind, Severity
from voicegateway_controller.alerts.service import Alerts

__all__ = ["Alert", "Alerts", "Kind", "Severity"]
