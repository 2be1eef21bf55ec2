"""When a simulated vendor refused, and a runtime that has learned nothing of any vendor yet."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from voicegateway import Options
from voicegateway.runtime import current_runtime, reset_runtime
from voicegateway.testing.vendors.server import VendorSimulator


class Refusals:
    """Within its context each refusal of a simulator is noted."""

    def __init__(self, vendor: VendorSimulator) -> None:
        self._vendor: Any = vendor
        self._at_s: list[float] = []

    def first_s(self, *, since_s: float) -> float:
        """Return when the first one was since then; `since_s` itself where nobody was refused."""
        return next((at_s for at_s in self._at_s if at_s >= since_s), since_s)

    def __enter__(self) -> Self:
        refuse = self._vendor.refuse

        def noted(*args: Any, **kwargs: Any) -> Any:
            self._at_s.append(time.perf_counter())
            return refuse(*args, **kwargs)

        self._vendor.refuse = noted
        return self

    def __exit__(self, *exc: object) -> None:
        del self._vendor.refuse


@asynccontextmanager
async def fresh_runtime(folder: Path) -> AsyncIterator[None]:
    """Run the metering of one case, its outbox on disk."""
    current_runtime(Options(outbox_dir=folder / "outbox"))
    try:
        yield
    finally:
        await asyncio.to_thread(reset_runtime)
