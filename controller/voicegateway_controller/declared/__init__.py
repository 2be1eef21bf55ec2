"""What people declare as whole sets, each a revision: kept in Postgres, copied to Redis, followed by every replica."""

from voicegateway_controller.declared.changing import Changed, LayerChange, change_layer
from voicegateway_controller.declared.copy import SetCopy
from voicegateway_controller.declared.rules import Allows, Declared, reaches, refuse_odd_texts
from voicegateway_controller.declared.service import DeclaredSets
from voicegateway_controller.declared.store import SetTable, StoredSet

__all__ = [
    "Allows",
    "Changed",
    "Declared",
    "DeclaredSets",
    "LayerChange",
    "SetCopy",
    "SetTable",
    "StoredSet",
    "change_layer",
    "reaches",
    "refuse_odd_texts",
]
