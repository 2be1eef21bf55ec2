"""The vault: which keys there are; what one replica changes the others know a quarter of a second later."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller import metrics
from voicegateway_controller.background import Background
from voicegateway_controller.configuration.layering import Layer
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import ControllerError
from voicegateway_controller.logs import get_logger
from voicegateway_controller.vault import store
from voicegateway_controller.vault.declared import KeySets
from voicegateway_controller.vault.entry import Entry
from voicegateway_controller.vault.errors import VaultLocked
from voicegateway_controller.vault.layers import Held, holding
from voicegateway_controller.vault.references import ReadKey, References
from voicegateway_controller.vault.ring import Seal, SecretRing
from voicegateway_controller.vault.ring_source import RingSource

POLL_S: Final = 0.25
"""How often a replica asks Postgres for changes: a worker's next message after that no longer gets a revoked key."""
READ_S: Final = 1.0
"""How often declared keys' files and variables, and the file of secrets, are read again."""
START_WAIT_S: Final = 2.0
SEEN_S: Final = 5.0
"""How often a replica says that it is there."""
PRESENT_S: Final = 20.0
"""A replica that has not said so for this long is gone."""

_log = get_logger(__name__)


class Vault:
    """Every key, sealed or by reference. Lives as long as the process; `start` and `close` are its owner's.

    Keys' texts are opened when they are lent, and kept nowhere.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        source: RingSource,
        declared: KeySets,
        references: References,
        *,
        replica: str,
    ) -> None:
        """Take where secrets and keys come from, and our own name among the controllers."""
        self._engine = engine
        self._source = source
        self._declared = declared
        self._references = references
        self.replica = replica
        """Our own name among the controllers."""
        self._entries: dict[str, Entry] | None = None
        self._revision = -1
        self._read: dict[str, ReadKey] = {}
        self._read_revision = -1
        self._read_at = 0.0
        self._sources: Mapping[str, Layer] = {}
        self._holding: tuple[Held, ...] | None = None
        self._leased: set[str] = set()
        self._taking = asyncio.Lock()
        self._loops = (
            Background("vault", self.refresh, interval_s=POLL_S),
            Background("vault.references", self._follow_references, interval_s=POLL_S),
            Background("vault.seen", self.say_seen, interval_s=SEEN_S),
        )

    async def start(self) -> None:
        """Learn the keys, if that is possible within START_WAIT_S, and follow what changes."""
        await self._declared.start()
        try:
            async with asyncio.timeout(START_WAIT_S):
                await self.read_again()
                await self.refresh()
                await self.say_seen()
        except (ControllerError, TimeoutError) as error:
            _log.warning("vault.start_without_postgres", error=str(error) or type(error).__name__)
        self._tell_locked()
        for loop in self._loops:
            loop.start()

    async def close(self) -> None:
        """Stop following, and say so to the others where that is possible."""
        for loop in self._loops:
            await loop.close()
        await self._declared.close()
        try:
            async with asyncio.timeout(START_WAIT_S), raw_connection(self._engine) as connection:
                await store.forget_replica(connection, self.replica)
        except (ControllerError, TimeoutError) as error:
            # The others forget us by themselves.
            _log.info("vault.left_unsaid", error=str(error) or type(error).__name__)

    @property
    def ring(self) -> SecretRing:
        """The secrets that this replica has."""
        return self._source.ring

    @property
    def problem(self) -> str:
        """Why the vault cannot seal, or not everything can be opened; empty when all is well."""
        if self._source.problem:
            return self._source.problem
        unopened = self.unopened()
        if not self.ring.ids and (unopened or not self._read):
            return (
                "no vault secret is set: make one with `voicegw vault new-secret` and set it as "
                "VOICEGATEWAY_VAULT_SECRETS for every controller"
            )
        if unopened:
            missing = ", ".join(sorted({each.sealed_by for each in unopened}))
            return (
                f"{len(unopened)} keys are sealed under vault secrets that are not here ({missing}): add them to "
                "VOICEGATEWAY_VAULT_SECRETS again, or give the keys anew with `voicegw keys rotate`"
            )
        return ""

    @property
    def is_known(self) -> bool:
        """Whether Postgres has told us the keys; before that nothing is said to any holder."""
        return self._entries is not None

    def entries(self) -> tuple[Entry, ...]:
        """Return the sealed keys as this replica knows them, revoked ones included, by name."""
        return tuple((self._entries or {}).values())

    def references(self) -> tuple[ReadKey, ...]:
        """Return the declared keys as they were read last, in the order of their declaration."""
        return tuple(self._read.values())

    def holding(self) -> tuple[Held, ...]:
        """Return the key that holds of each name, in order of preference."""
        # Thousands of holders ask between two changes.
        if self._holding is None:
            self._holding = holding(self.entries(), self.references(), self._sources)
        return self._holding

    def unopened(self) -> tuple[Entry, ...]:
        """Return the entries whose secret is not here."""
        return tuple(each for each in self.entries() if each.state != "revoked" and each.sealed_by not in self.ring.ids)

    def open(self, entry: Entry) -> str:
        """Return a key's text, for as short a time as it takes to hand it on. Raises VaultLocked."""
        if entry.sealed is None:
            raise VaultLocked(f"key {entry.id!r} was revoked: nothing of it is kept")
        return self.ring.open(Seal(entry.sealed, entry.sealed_by), key_id=entry.id, provider=entry.provider)

    def note_leased(self, key_ids: Iterable[str]) -> None:
        """Remember that these were lent; written down with the next sign of life."""
        self._leased.update(key_ids)

    async def refresh(self) -> None:
        """Take what Postgres says. Raises DatabaseUnavailable; what is known goes on holding."""
        async with self._taking, raw_connection(self._engine) as connection:
            if await store.revision(connection) != self._revision:
                await self._take(connection)

    async def read_again(self) -> None:
        """Read declared keys and the file of secrets again."""
        # Files may lie on a mount that hangs.
        if await asyncio.to_thread(self._source.refresh):
            _log.info("vault.secrets_changed", secrets=self.ring.ids)
            self._tell_locked()
        known = self._declared.known
        asked = () if known is None else known.references
        found = await asyncio.to_thread(self._references.read, asked)
        self._read = {each.reference.id: each for each in found}
        self._read_at = time.monotonic()
        self._read_revision = -1 if known is None else known.revision
        self._holding = None
        self._sources = {} if known is None else {each.id: each.source for each in self._declared.merged().resources}

    async def say_seen(self) -> None:
        """Tell the other replicas that we are there and which secrets we have; write down what was lent."""
        leased, self._leased = self._leased, set()
        async with raw_connection(self._engine) as connection:
            await store.note_replica(connection, self.replica, self.ring.ids)
            if leased:
                await store.note_leased(connection, leased)
        # When keys were lent is no change of them: read again now and then, for those who look.
        self._revision = -1

    async def replicas(self) -> tuple[store.Replica, ...]:
        """Return the controllers that are there. Raises DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            return await store.replicas(connection, within_s=PRESENT_S)

    async def _take(self, connection: Connection) -> None:
        # The number first: what changes between the two is read again with the next poll.
        revision = await store.revision(connection)
        self._entries = {each.id: each for each in await store.entries(connection)}
        self._revision, self._holding = revision, None
        for state in ("active", "disabled", "revoked"):
            metrics.VAULT_KEYS.labels(state).set(sum(each.state == state for each in self._entries.values()))
        metrics.VAULT_UNOPENED.set(len(self.unopened()))

    async def _follow_references(self) -> None:
        """Read again when something else is declared, and now and then. A loop of its own: a mount may hang."""
        known = self._declared.known
        is_new = known is not None and known.revision != self._read_revision
        if is_new or time.monotonic() - self._read_at >= READ_S:
            await self.read_again()

    def _tell_locked(self) -> None:
        metrics.VAULT_UNOPENED.set(len(self.unopened()))
        if self.unopened() or self._source.problem:
            _log.error("vault.locked", problem=self.problem)
