"""Where limit sets are kept; the SQL is that of every declared set."""

from typing import Final

from voicegateway_controller.declared import SetTable

APPLY_LOCK: Final = 0x5647_4C49_4D49
"""Advisory lock: sets are declared one after the other. The letters say VGLIMI."""
LIMIT_SETS: Final = SetTable("limit_set", apply_lock=APPLY_LOCK)
