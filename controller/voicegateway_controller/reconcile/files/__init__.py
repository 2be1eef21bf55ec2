"""Invoices that come as files: exports by a column mapping, totals of PDFs or by hand."""

from voicegateway_controller.reconcile.files.builtin import builtin
from voicegateway_controller.reconcile.files.mapping import ColumnMapping, UnitRule, mapping_yaml, parse_mapping
from voicegateway_controller.reconcile.files.propose import propose
from voicegateway_controller.reconcile.files.table import read_table
from voicegateway_controller.reconcile.files.totals import manual_total, read_pdf

__all__ = [
    "ColumnMapping",
    "UnitRule",
    "builtin",
    "manual_total",
    "mapping_yaml",
    "parse_mapping",
    "propose",
    "read_pdf",
    "read_table",
]
