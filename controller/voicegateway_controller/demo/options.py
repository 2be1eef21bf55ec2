"""What a demo run is asked to do."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voicegateway_shared.errors import MissingKey

VENDOR_KEYS: Final = ("OPENAI_API_KEY", "DEEPGRAM_API_KEY", "CARTESIA_API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """One demo run."""

    home: Path
    calls: int = 0
    """How many calls to take; 0 is until Ctrl-C."""
    concurrency: int = 3
    is_once: bool = False
    """Stop when the calls are over and the ledger has settled, and give the verdict."""
    is_live: bool = False
    """Use the real vendors, with the keys in the environment."""
    faults: str = "demo"
    seed: int = 0
    kills: int = 0
    """How many processes to kill -9 on the way."""
    kill_every_s: float = 2.0
    port: int | None = None

    def check(self) -> None:
        """Refuse what cannot run.

        Raises:
            MissingKey: real vendors were asked for and a key is not set.
        """
        absent = [name for name in VENDOR_KEYS if not os.environ.get(name)]
        if self.is_live and absent:
            raise MissingKey(f"real vendors need {', '.join(absent)} in the environment; or run without --live")
