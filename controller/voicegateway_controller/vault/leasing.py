"""Leasing keys: what a holder's message says of them, and which it may have, until when. Nothing is written down."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from voicegateway_controller import metrics
from voicegateway_controller.access.rules import Access, Role
from voicegateway_controller.logs import get_logger
from voicegateway_controller.vault.entry import Entry
from voicegateway_controller.vault.errors import VaultLocked
from voicegateway_controller.vault.references import ReadKey
from voicegateway_controller.vault.rules import is_leased_to
from voicegateway_controller.vault.service import Vault
from voicegateway_controller.vault.sharing import Sharing
from voicegateway_shared.wire.keys import EVERY_PROVIDER, KEYS_MAX, NEEDS_MAX, KeysAnswer, KeysReport, LeasedKey

TOLD_MAX: Final = 1_000
"""Keys that are named in the log as locked; `voicegw vault status` names all."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """One key that may be lent, sealed or by reference; lives for one answer."""

    id: str
    provider: str
    projects: tuple[str, ...] | None
    version: int
    fingerprint: str
    found: Entry | ReadKey
    expires_at: datetime | None = None


class KeyLeasing:
    """Answers holders. Lives as long as the vault that it is given."""

    def __init__(
        self,
        vault: Vault,
        sharing: Sharing,
        *,
        lease_s: int,
        is_insecure_allowed: bool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._vault = vault
        self._sharing = sharing
        self._lease_ms = lease_s * 1_000
        self._is_insecure_allowed = is_insecure_allowed
        self._now = now
        self._is_refusal_told = False
        self._told: set[tuple[str, int]] = set()

    async def answer(self, holder: str, report: KeysReport, *, access: Access, is_secure: bool) -> KeysAnswer | None:
        """Return every key that a holder may use now; None says nothing, and it keeps what it has until that expires.

        Only a worker's token is lent keys, those of its projects, over TLS or on this machine.
        """
        if access.role is not Role.WORKER:
            metrics.VAULT_LEASES.labels("not_a_worker").inc()
            return None
        if not (is_secure or self._is_insecure_allowed):
            metrics.VAULT_LEASES.labels("insecure").inc()
            self._tell_refusal(holder)
            return None
        if not self._vault.is_known:
            metrics.VAULT_LEASES.labels("unknown").inc()
            return None
        held = {each.id: each.version for each in report.held[:KEYS_MAX]}
        needs = frozenset(report.needs[:NEEDS_MAX])
        offers = (each for each in self._offers(access.projects) if _is_wanted(each, needs, held))
        leased = [
            each
            for offer in islice(offers, KEYS_MAX)
            if (each := self._leased(offer, held, access.projects)) is not None
        ]
        self._vault.note_leased(each.id for each in leased)
        return KeysAnswer(tag=_tag(leased), keys=tuple(leased))

    def _offers(self, reached: Collection[str] | None) -> Iterator[_Offer]:
        """What may be lent now to somebody who reaches these projects, in order of preference."""
        now = self._now()
        for held in self._vault.holding():
            if not is_leased_to(held.projects, reached):
                continue
            if isinstance(held.found, ReadKey):
                if held.found.text:
                    yield _of_reference(held.found)
            elif held.found.is_live(now):
                yield _of_entry(held.found)

    def _leased(self, offer: _Offer, held: Mapping[str, int], reached: Collection[str] | None) -> LeasedKey | None:
        """One key as it is lent; its text only where the holder has not this version. None when it cannot be opened."""
        version, secret = offer.version, ""
        if held.get(offer.id) != offer.version:
            try:
                secret = self._text(offer)
            except VaultLocked as error:
                metrics.VAULT_LEASES.labels("locked").inc()
                self._tell_locked(offer, error)
                # Rotated under a secret that has not come here yet: until another replica answers, the old one goes.
                # None that is older: it may be of before the name was revoked and used again, which takes two numbers.
                version = offer.version - 1
                if held.get(offer.id) != version:
                    return None
        metrics.VAULT_LEASES.labels("leased" if secret else "held").inc()
        return LeasedKey(
            id=offer.id,
            version=version,
            provider=offer.provider,
            projects=_told_projects(offer.projects, reached),
            fingerprint=offer.fingerprint,
            secret=secret,
            ttl_ms=self._ttl_ms(offer),
            share_permille=self._sharing.share(offer.provider, offer.fingerprint),
        )

    def _text(self, offer: _Offer) -> str:
        return offer.found.text if isinstance(offer.found, ReadKey) else self._vault.open(offer.found)

    def _ttl_ms(self, offer: _Offer) -> int:
        if offer.expires_at is None:
            return self._lease_ms
        return max(1, min(self._lease_ms, int((offer.expires_at - self._now()).total_seconds() * 1_000)))

    def _tell_locked(self, offer: _Offer, error: VaultLocked) -> None:
        """Once for each key: every holder asks for it with every message."""
        if (offer.id, offer.version) not in self._told and len(self._told) < TOLD_MAX:
            self._told.add((offer.id, offer.version))
            _log.warning("vault.not_leased", key=offer.id, error=str(error))

    def _tell_refusal(self, holder: str) -> None:
        if self._is_refusal_told:
            return
        self._is_refusal_told = True
        _log.warning(
            "vault.refused_over_http",
            holder=holder,
            advice="keys are not lent over plain http: give the controller TLS, or, where the network itself seals, "
            "set VOICEGATEWAY_VAULT_INSECURE=true",
        )


def _is_wanted(offer: _Offer, needs: Collection[str], held: Mapping[str, int]) -> bool:
    return EVERY_PROVIDER in needs or offer.provider in needs or offer.id in held


def _told_projects(projects: tuple[str, ...] | None, reached: Collection[str] | None) -> tuple[str, ...] | None:
    """Of a key's projects those that the holder reaches: the others' names are none of its business."""
    if projects is None or reached is None:
        return projects
    return tuple(each for each in projects if each in reached)


def _of_entry(entry: Entry) -> _Offer:
    return _Offer(
        id=entry.id,
        provider=entry.provider,
        projects=entry.projects,
        version=entry.version,
        fingerprint=entry.fingerprint,
        found=entry,
        expires_at=entry.expires_at,
    )


def _of_reference(read: ReadKey) -> _Offer:
    return _Offer(
        id=read.reference.id,
        provider=read.reference.provider,
        projects=read.reference.projects,
        version=read.version,
        fingerprint=read.fingerprint,
        found=read,
    )


def _tag(leased: Iterable[LeasedKey]) -> str:
    said = repr([(each.id, each.version, each.projects) for each in leased])
    return hashlib.sha256(said.encode()).hexdigest()[:16]
