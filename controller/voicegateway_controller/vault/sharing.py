"""Of several keys of a vendor, the shares of each now: what is left of the limits on its account, read every second."""

from collections.abc import Iterable
from typing import Final

from voicegateway_controller.background import Background
from voicegateway_controller.limits.pools import Pools, PoolState
from voicegateway_controller.limits.service import Limits
from voicegateway_controller.vault.service import Vault
from voicegateway_controller.vault.shares import WHOLE_PERMILLE, Room, shares
from voicegateway_shared.limits import PoolSpec

READ_S: Final = 1.0
POOLS_MAX: Final = 200
"""Pools looked at in one round; a vendor's few keys have a handful each."""
MICRO: Final = 1_000_000


class Sharing:
    """The shares as they were a second ago. Lives as long as the process; `start` and `close` are its owner's.

    While Redis is away the last ones hold.
    """

    def __init__(self, vault: Vault, limits: Limits, pools: Pools) -> None:
        self._vault = vault
        self._limits = limits
        self._pools = pools
        self._shares: dict[tuple[str, str], int] = {}
        self._reading = Background("vault.sharing", self.read, interval_s=READ_S)

    def start(self) -> None:
        """Begin to read."""
        self._reading.start()

    async def close(self) -> None:
        """Stop."""
        await self._reading.close()

    def share(self, provider: str, fingerprint: str) -> int:
        """Return a key's share in permille."""
        return self._shares.get((provider, fingerprint), WHOLE_PERMILLE)

    async def read(self) -> None:
        """Read what is left, of vendors with several keys only. Raises RedisUnavailable."""
        definitions = self._limits.known
        if definitions is None:
            return
        found: dict[tuple[str, str], int] = {}
        left = POOLS_MAX
        for provider, fingerprints in self._several().items():
            rooms: dict[str, list[Room]] = {each: [] for each in sorted(fingerprints)}
            for spec in _about(definitions.pools, provider, fingerprints):
                if left == 0:
                    break
                left -= 1
                rooms[spec.selector.account].append(_room(spec, await self._pools.look(spec)))
            found |= {(provider, each): share for each, share in shares(rooms).items()}
        self._shares = found

    def _several(self) -> dict[str, set[str]]:
        """The fingerprints of each vendor that has more than one key."""
        keys: dict[str, set[str]] = {}
        for entry in self._vault.entries():
            if entry.state == "active":
                keys.setdefault(entry.provider, set()).add(entry.fingerprint)
        for read in self._vault.references():
            if read.text:
                keys.setdefault(read.reference.provider, set()).add(read.fingerprint)
        return {provider: each for provider, each in keys.items() if len(each) > 1}


def _about(pools: Iterable[PoolSpec], provider: str, fingerprints: set[str]) -> Iterable[PoolSpec]:
    """The pools of whole keys: those of one model, project or agent say little of what else is left."""
    for spec in pools:
        about = spec.selector
        is_whole = not (about.model or about.project or about.agent)
        if about.account in fingerprints and about.provider in ("", provider) and is_whole:
            yield spec


def _room(spec: PoolSpec, state: PoolState | None) -> Room:
    capacity = spec.burst if spec.is_rate else spec.slots
    rate_micro = spec.units * 1_000 * MICRO // spec.period_ms if spec.is_rate else spec.slots * MICRO
    return Room(
        meter=spec.meter,
        # A pool that nobody asked yet is full.
        left=capacity if state is None else state.level,
        capacity=capacity,
        rate_micro=rate_micro,
        is_paused=state is not None and state.paused_ms > 0,
    )
