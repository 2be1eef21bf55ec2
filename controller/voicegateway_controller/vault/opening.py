"""Everything of the vault in one process, opened and closed together."""

from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from voicegateway_controller.declared import SetCopy
from voicegateway_controller.errors import Conflict
from voicegateway_controller.limits.pools import Pools
from voicegateway_controller.limits.service import Limits
from voicegateway_controller.settings import Settings
from voicegateway_controller.vault.asking import Answer, Asking
from voicegateway_controller.vault.changes import KeyChanges
from voicegateway_controller.vault.declared import KeySets
from voicegateway_controller.vault.errors import VaultLocked
from voicegateway_controller.vault.leasing import KeyLeasing
from voicegateway_controller.vault.references import ReadKey, References
from voicegateway_controller.vault.ring_source import RingSource
from voicegateway_controller.vault.service import Vault
from voicegateway_controller.vault.sharing import Sharing
from voicegateway_controller.vault.vendors import read_urls
from voicegateway_controller.vault.view import KeysView
from voicegateway_shared.ids import new_incarnation


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDesk:
    """The vault and what is done with it. Lives as long as the process; `start` and `close` are its owner's."""

    vault: Vault
    declared: KeySets
    changes: KeyChanges
    sharing: Sharing
    leasing: KeyLeasing
    asking: Asking
    view: KeysView

    async def start(self) -> None:
        """Learn the keys and follow them."""
        await self.vault.start()
        self.sharing.start()

    async def try_key(self, key_id: str) -> Answer:
        """Ask the vendor whether a key is good, and keep what it says of a sealed one.

        Raises NotFound, Conflict for a revoked one, VaultLocked for one that cannot be opened or read.
        """
        held = next((each for each in self.vault.holding() if each.id == key_id), None)
        if held is not None and isinstance(held.found, ReadKey):
            if not held.found.text:
                raise VaultLocked(held.found.problem)
            return await self.asking.ask(held.provider, held.found.text)
        entry = await self.changes.find(key_id)
        if entry.state == "revoked":
            raise Conflict(f"key {key_id!r} was revoked: nothing of it is kept that could be tried")
        answer = await self.asking.ask(entry.provider, self.vault.open(entry))
        if answer.verdict != "not_tried":
            await self.changes.note_test(entry, answer.verdict)
        return answer

    async def close(self) -> None:
        """Stop."""
        await self.sharing.close()
        await self.vault.close()


def open_key_desk(settings: Settings, engine: AsyncEngine, redis: Redis, limits: Limits, pools: Pools) -> KeyDesk:
    """Return the desk, not yet started."""
    declared = KeySets(engine, SetCopy(redis, "keys"))
    folders = [Path(each.strip()) for each in settings.vault_folders.split(",") if each.strip()]
    references = References(variables=settings.vault_variables, folders=[*folders, settings.home / "keys"])
    vault = Vault(engine, RingSource(settings), declared, references, replica=new_incarnation())
    sharing = Sharing(vault, limits, pools)
    leasing = KeyLeasing(vault, sharing, lease_s=settings.vault_lease_s, is_insecure_allowed=settings.vault_insecure)
    return KeyDesk(
        vault=vault,
        declared=declared,
        changes=KeyChanges(engine, vault),
        sharing=sharing,
        leasing=leasing,
        asking=Asking(read_urls(settings.vault_test_urls)),
        view=KeysView(vault, sharing),
    )
