"""Changes of sealed keys: each in one transaction with its line in the audit log."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.audit.record import Change, record_change
from voicegateway_controller.db.engine import Connection, raw_connection
from voicegateway_controller.errors import Conflict, ControllerError, NotFound
from voicegateway_controller.logs import get_logger
from voicegateway_controller.vault import store
from voicegateway_controller.vault.entry import Entry
from voicegateway_controller.vault.errors import VaultLocked
from voicegateway_controller.vault.ring import Seal
from voicegateway_controller.vault.rules import checked_text
from voicegateway_controller.vault.service import PRESENT_S, Vault
from voicegateway_shared.fingerprints import fingerprint
from voicegateway_shared.masking import mask

RESEAL_BATCH: Final = 50
"""Keys re-sealed in one transaction."""

_log = get_logger(__name__)
Check = Callable[[Entry], None]
"""Refuses an entry that is not the one that somebody decided on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """What came of re-sealing."""

    primary: str
    resealed: tuple[str, ...]
    """Names of the keys that are under the primary now and were not."""
    unopened: tuple[str, ...]
    """Names of those that stay under a secret that is not here."""


class KeyChanges:
    """What people change. Lives as long as the vault that it is given; holds no state of its own."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def find(self, key_id: str) -> Entry:
        """Return one sealed key as stored now. Raises NotFound, DatabaseUnavailable."""
        async with raw_connection(self._engine) as connection:
            found = await store.find(connection, key_id)
        if found is None:
            raise NotFound(f"there is no sealed key {key_id[:80]!r}")
        return found

    async def add(
        self,
        key_id: str,
        text: str,
        *,
        provider: str,
        projects: tuple[str, ...] | None,
        note: str,
        expires_at: datetime | None,
        by: str,
    ) -> Entry:
        """Seal a key under a new name, or one that was revoked.

        Raises BadRequest, Conflict when the name is taken or the key is there already, VaultLocked without a secret.
        """
        text = checked_text(text)
        async with self._changing() as connection:
            await self._refuse_twin(connection, key_id, provider=provider, text=text)
            before = await store.find(connection, key_id)
            if before is None and await store.count(connection) >= store.ENTRIES_MAX:
                raise Conflict(f"the vault holds {store.ENTRIES_MAX} names: use one that was revoked again")
            new = store.NewKey(
                id=key_id,
                provider=provider,
                projects=projects,
                note=note,
                expires_at=expires_at,
                seal=await self._seal(connection, text, key_id=key_id, provider=provider),
                fingerprint=fingerprint(text),
                masked=mask(text),
            )
            made = await store.put(connection, new, by=by)
            if made is None:
                raise Conflict(f"there is a key {key_id!r} already: rotate it, or choose another name")
            await self._record(connection, "key.add", before, made, by=by)
        await self._after_change("key.added", made, by=by)
        return made

    async def change(
        self, key_id: str, changes: Mapping[str, Any], *, by: str, check: Check = lambda entry: None, reason: str = ""
    ) -> Entry:
        """Change projects, note, expiry or whether it is used; `check` may refuse what is there. NotFound, Conflict."""
        async with self._changing() as connection:
            before = await self._held(connection, key_id, check)
            made = replace(before, **changes)
            if made == before:
                return before
            made = await store.change(connection, made)
            await self._record(connection, "key.change", before, made, by=by, reason=reason)
        await self._after_change("key.changed", made, by=by)
        return made

    async def rotate(self, key_id: str, text: str, *, by: str, check: Check = lambda entry: None) -> Entry:
        """Put another key in the place of this one; workers take it with their next message.

        Raises BadRequest, NotFound, Conflict when it is the same key or another name has it, VaultLocked.
        """
        text = checked_text(text)
        async with self._changing() as connection:
            before = await self._held(connection, key_id, check)
            if before.fingerprint == fingerprint(text):
                raise Conflict(f"this is the key that {key_id!r} has already: make a new one at {before.provider}")
            await self._refuse_twin(connection, key_id, provider=before.provider, text=text)
            seal = await self._seal(connection, text, key_id=key_id, provider=before.provider)
            made = await store.rotate(connection, key_id, seal, fingerprint=fingerprint(text), masked=mask(text))
            await self._record(connection, "key.rotate", before, made, by=by)
        await self._after_change("key.rotated", made, by=by)
        return made

    async def revoke(self, key_id: str, *, by: str, check: Check = lambda entry: None, reason: str = "") -> Entry:
        """Take a key back from the whole fleet and overwrite it. Revoked again, nothing changes. Raises NotFound."""
        async with self._changing() as connection:
            before = await store.find(connection, key_id)
            if before is None:
                raise NotFound(f"there is no sealed key {key_id[:80]!r}")
            if before.state == "revoked":
                return before
            check(before)
            made = await store.revoke(connection, key_id)
            await self._record(connection, "key.revoke", before, made, by=by, reason=reason)
        await self._after_change("key.revoked", made, by=by)
        return made

    async def note_test(self, entry: Entry, result: str) -> None:
        """Keep what a vendor said of a key; no change of the key itself. Raises DatabaseUnavailable."""
        async with self._changing() as connection:
            await store.note_test(connection, entry.id, entry.version, result)
        await self._vault.refresh()

    def preview(self) -> Resealed:
        """Return what `reseal` would do, as far as this replica knows. Raises VaultLocked without a secret."""
        primary = self._primary()
        others = [each for each in self._vault.entries() if each.sealed_by not in ("", primary)]
        left = [each.id for each in others if each.sealed_by not in self._vault.ring.ids]
        return Resealed(
            primary=primary, resealed=tuple(each.id for each in others if each.id not in left), unopened=tuple(left)
        )

    async def reseal(self, *, by: str, is_forced: bool = False) -> Resealed:
        """Seal everything under the primary, in batches; keys are lent all the while.

        Raises VaultLocked without a secret, Conflict while a controller is there that has not the primary.
        """
        primary = self._primary()
        if not is_forced:
            await self._refuse_strangers(primary)
        resealed: list[str] = []
        unopened: list[str] = []
        after = ""
        while True:
            async with self._changing() as connection:
                batch = await store.sealed_otherwise(connection, primary=primary, after=after, limit=RESEAL_BATCH)
                if not batch:
                    break
                after = batch[-1].id
                done = self._reseal(batch, unopened)
                await store.reseal(connection, done)
                if done:
                    await self._record_reseal(connection, [key_id for key_id, _ in done], by=by)
            resealed += [key_id for key_id, _ in done]
        await self._vault.refresh()
        _log.info("vault.resealed", primary=primary, keys=len(resealed), unopened=len(unopened), by=by)
        return Resealed(primary=primary, resealed=tuple(resealed), unopened=tuple(unopened))

    def _primary(self) -> str:
        primary = self._vault.ring.primary
        if not primary:
            raise VaultLocked(self._vault.problem or "no vault secret is set")
        return primary

    def _reseal(self, batch: Sequence[Entry], unopened: list[str]) -> list[tuple[str, Seal]]:
        done = []
        for entry in batch:
            seal = Seal(entry.sealed or b"", entry.sealed_by)
            try:
                done.append((entry.id, self._vault.ring.reseal(seal, key_id=entry.id, provider=entry.provider)))
            except VaultLocked as error:
                _log.warning("vault.not_resealed", key=entry.id, error=str(error))
                unopened.append(entry.id)
        return done

    async def _refuse_strangers(self, primary: str) -> None:
        # What this replica said of itself may be of before its secrets changed.
        others = [each for each in await self._vault.replicas() if each.id != self._vault.replica]
        strangers = [each.id for each in others if primary not in each.secrets]
        if strangers:
            raise Conflict(
                f"{len(strangers)} of the controllers have not vault secret {primary} yet ({', '.join(strangers[:3])}) "
                "and could not open what is sealed under it: wait until all were started with it, or say `force`"
            )

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[Connection]:
        """A transaction that is counted; changes come one after the other."""
        async with raw_connection(self._engine) as connection, connection.transaction():
            await store.bump(connection)
            yield connection

    async def _seal(self, connection: Connection, text: str, *, key_id: str, provider: str) -> Seal:
        """Seal under what every replica can open: during a rollout the primary may be known to some only."""
        present = await store.replicas(connection, within_s=PRESENT_S)
        others = [set(each.secrets) for each in present if each.id != self._vault.replica]
        known_to_all = set(self._vault.ring.ids).intersection(*others) if others else None
        return self._vault.ring.seal(text, key_id=key_id, provider=provider, known_to_all=known_to_all)

    async def _held(self, connection: Connection, key_id: str, check: Check) -> Entry:
        found = await store.find(connection, key_id)
        if found is None:
            raise NotFound(f"there is no sealed key {key_id[:80]!r}")
        if found.state == "revoked":
            raise Conflict(f"key {key_id!r} was revoked: add it again with `voicegw keys add`")
        check(found)
        return found

    async def _refuse_twin(self, connection: Connection, key_id: str, *, provider: str, text: str) -> None:
        found = await store.twin(connection, provider=provider, fingerprint=fingerprint(text), besides=key_id)
        if found is not None:
            raise Conflict(
                f"this very key is there as {found!r}: give that one more projects instead, "
                "or its limits would count as two"
            )

    async def _record(
        self, connection: Connection, action: str, before: Entry | None, after: Entry, *, by: str, reason: str = ""
    ) -> None:
        was = None if before is None else before.told()
        change = Change(
            actor=by, action=action, resource=f"keys/{after.id}", before=was, after=after.told(), reason=reason
        )
        await record_change(connection, change)

    async def _record_reseal(self, connection: Connection, key_ids: list[str], *, by: str) -> None:
        after = {"primary": self._vault.ring.primary, "keys": key_ids}
        await record_change(connection, Change(actor=by, action="vault.reseal", resource="vault", after=after))

    async def _after_change(self, event: str, entry: Entry, *, by: str) -> None:
        _log.info(event, key=entry.id, provider=entry.provider, version=entry.version, by=by)
        try:
            await self._vault.refresh()
        except ControllerError as error:
            # It is committed; the next poll learns it.
            _log.warning("vault.not_refreshed", error=str(error))
