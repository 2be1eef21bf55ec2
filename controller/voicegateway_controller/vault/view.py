"""Keys as people see them: masked, and only those of projects in reach."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime

from voicegateway_controller.errors import NotFound
from voicegateway_controller.http.etags import etag_of
from voicegateway_controller.vault import schemas
from voicegateway_controller.vault.entry import Entry
from voicegateway_controller.vault.layers import Held
from voicegateway_controller.vault.references import ReadKey
from voicegateway_controller.vault.rules import is_leased_to
from voicegateway_controller.vault.service import Vault
from voicegateway_controller.vault.sharing import Sharing
from voicegateway_controller.vault.store import Replica


class KeysView:
    """Read models of keys. Lives as long as the vault that it is given."""

    def __init__(self, vault: Vault, sharing: Sharing) -> None:
        self._vault = vault
        self._sharing = sharing

    def keys(
        self, *, reached: Collection[str] | None, holders: Mapping[str, int] | None, now: datetime
    ) -> list[schemas.Key]:
        """Return the keys that somebody who reaches some projects may know of, by name."""
        found = [each for each in self._vault.holding() if is_leased_to(each.projects, reached)]
        return [self._key(each, reached, holders, now) for each in sorted(found, key=lambda each: each.id)]

    def one(
        self, key_id: str, *, reached: Collection[str] | None, holders: Mapping[str, int] | None, now: datetime
    ) -> schemas.Key:
        """Return one of them. Raises NotFound, also for one that is out of reach."""
        found = next((each for each in self.keys(reached=reached, holders=holders, now=now) if each.id == key_id), None)
        if found is None:
            raise NotFound(f"there is no key {key_id[:80]!r}")
        return found

    def status(
        self, replicas: Collection[Replica], *, lease_s: int, is_insecure_allowed: bool, now: datetime
    ) -> schemas.VaultStatus:
        """Return how the vault is."""
        vault = self._vault
        keys = self.keys(reached=None, holders=None, now=now)
        return schemas.VaultStatus(
            is_open=bool(vault.ring.ids) and not vault.problem,
            problem=vault.problem,
            primary_id=vault.ring.primary,
            secrets=list(vault.ring.ids),
            sealed_under=dict(Counter(each.sealed_by for each in vault.entries() if each.sealed_by)),
            unopened=[each.id for each in vault.unopened()],
            unreadable=[each.id for each in keys if each.state == "unreadable"],
            keys=dict(Counter(each.state for each in keys)),
            lease_s=lease_s,
            is_insecure_allowed=is_insecure_allowed,
            replicas=[
                schemas.VaultReplica(
                    id=each.id, secrets=list(each.secrets), seen_at=each.seen_at, is_this=each.id == vault.replica
                )
                for each in replicas
            ],
        )

    def _key(
        self, held: Held, reached: Collection[str] | None, holders: Mapping[str, int] | None, now: datetime
    ) -> schemas.Key:
        found = held.found
        entry = found if isinstance(found, Entry) else None
        told = None if held.projects is None else [each for each in held.projects if reached is None or each in reached]
        state, problem = self._state(found, now)
        return schemas.Key(
            id=held.id,
            provider=held.provider,
            projects=told,
            note=found.note if isinstance(found, Entry) else found.reference.note,
            masked=found.masked,
            fingerprint=found.fingerprint,
            version=found.version,
            state=state,
            problem=problem,
            source=held.source,
            shadows=list(held.shadows),
            is_sealed=entry is not None,
            reads="" if isinstance(found, Entry) else found.reference.from_env or found.reference.from_file,
            sealed_by="" if entry is None else entry.sealed_by,
            share_permille=self._sharing.share(held.provider, found.fingerprint),
            holders=None if holders is None else holders.get(held.id, 0),
            expires_at=None if entry is None else entry.expires_at,
            created_at=None if entry is None else entry.created_at,
            created_by="" if entry is None else entry.created_by,
            rotated_at=None if entry is None else entry.rotated_at,
            revoked_at=None if entry is None else entry.revoked_at,
            last_leased_at=None if entry is None else entry.last_leased_at,
            tested_at=None if entry is None else entry.tested_at,
            test_result="" if entry is None else entry.test_result,
        )

    def _state(self, found: Entry | ReadKey, now: datetime) -> tuple[schemas.KeyState, str]:
        if isinstance(found, ReadKey):
            return ("active", "") if found.text else ("unreadable", found.problem)
        if found.state != "active":
            return found.state, ""
        if found.expires_at is not None and found.expires_at <= now:
            return "expired", ""
        if found.sealed_by not in self._vault.ring.ids:
            return "locked", self._vault.problem
        return "active", ""


def tag_of(entry: Entry) -> str:
    """Return the ETag of what people may change of a key: that it is lent or tried is no change of theirs."""
    return etag_of(entry.told())
