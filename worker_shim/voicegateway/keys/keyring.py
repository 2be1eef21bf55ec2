"""Keyring: the vendors' keys that the controller lent to this process, in memory only; what expires is forgotten."""

import logging
import random
import threading
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from voicegateway.keys.loan import Loan
from voicegateway.limits.lease import boot_ns
from voicegateway_shared.wire import HeldKey, KeysAnswer, KeysReport, LeasedKey
from voicegateway_shared.wire.keys import EVERY_PROVIDER, KEYS_MAX, NEEDS_MAX

logger = logging.getLogger("voicegateway")

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
WORD_WITHIN_S: Final = 1.0
"""How long a resolve that would else fail waits for the controller's word on a provider's keys."""
TOLD_FRESH_S: Final = 10.0
"""So long nobody waits again for a key that the controller said it has not."""
FAILED_FRESH_S: Final = 2.0
"""And for a controller that did not answer."""
RENEW_S: Final = 10.0
"""A process that holds keys asks for them at least so often, even when it carries no call: so late it may hear of a
revocation. One that carries a call asks every two seconds."""

Random = Callable[[], float]
"""Uniform in [0, 1)."""


class _Key:
    """One key as it was lent. Replaced as a whole; its secret is in no repr and no pickle."""

    __slots__ = ("expires_ns", "fingerprint", "id", "projects", "provider", "secret", "share", "version")

    def __init__(self, leased: LeasedKey, secret: str, expires_ns: int) -> None:
        self.id, self.version, self.provider = leased.id, leased.version, leased.provider
        self.projects = None if leased.projects is None else frozenset(leased.projects)
        self.fingerprint, self.secret, self.share = leased.fingerprint, secret, max(0, leased.share_permille)
        self.expires_ns = expires_ns

    def __repr__(self) -> str:
        return f"_Key(id={self.id!r}, version={self.version}, provider={self.provider!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a leased key stays in the memory of the process it was lent to")

    def allows(self, project: str) -> bool:
        return self.projects is None or project in self.projects

    @property
    def identity(self) -> tuple[object, ...]:
        """What a plugin that uses it would have to hear of."""
        return self.version, self.provider, self.projects, self.secret, self.share > 0


class Keyring:
    """Lives as long as its runtime. Keys are borrowed on any thread; the syncer's thread reports and is answered."""

    def __init__(self, *, random: Random = random.random) -> None:
        self._random = random
        self._changed = threading.Condition()
        self._keys: dict[str, _Key] = {}
        """By id, in the controller's order of preference."""
        self._needs: set[str] = set()
        self._heard: dict[str, tuple[int, bool]] = {}
        """By provider: when the controller was last asked about it, and whether it answered."""
        self._reported: frozenset[str] = frozenset()
        self._tag = ""
        self._renew_ns = 0
        self.epoch = 0
        """Grows with each change of the set of keys, by which a plugin sees in one look that nothing has changed."""

    def lend(self, provider: str, project: str) -> Loan | None:
        """Lend a key of a provider to a project, if one is here; and ask for one from the next message on."""
        with self._changed:
            self._need(provider)
            key = self._choose(provider, project)
            return None if key is None else self._loan(key, project)

    def borrow(self, provider: str, project: str, *, ask: Callable[[], object]) -> Loan | None:
        """Likewise; where none is here and nobody has said why, `ask` the controller and wait for its word, bounded."""
        loan = self.lend(provider, project)
        asked_ns = boot_ns()
        if loan is not None or self._is_known(provider, asked_ns):
            return loan
        ask()
        self.wait(provider, WORD_WITHIN_S, since_ns=asked_ns)
        return self.lend(provider, project)

    def need(self, providers: Iterable[str] = (EVERY_PROVIDER,)) -> None:
        """Ask for the keys of these providers from the next message on."""
        with self._changed:
            for provider in providers:
                self._need(provider)

    def wait(self, provider: str, within_s: float, *, since_ns: int) -> bool:
        """Wait until the controller was asked about a provider and has answered, or has failed to; say if it answered.

        A controller that takes longer counts as one that failed.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._heard_of(provider)[0] >= since_ns, within_s):
                self._heard[provider] = (boot_ns(), False)
            return self._heard_of(provider)[1]

    @property
    def providers(self) -> frozenset[str]:
        """Whose keys are here."""
        with self._changed:
            return frozenset(key.provider for key in self._keys.values())

    def is_answered(self, provider: str) -> bool:
        """Whether the controller answered about a provider a moment ago."""
        with self._changed:
            heard_ns, is_answered = self._heard_of(provider)
        return is_answered and boot_ns() - heard_ns < TOLD_FRESH_S * NS_PER_S

    def renewed(self, loan: Loan, project: str) -> Loan | None:
        """Return the loan itself while its key holds, else its successor; None when its next request must not be made.

        The same key in a newer version comes first, then any other key of the provider that the project may use.
        """
        if loan.epoch == self.epoch and loan.project == project and boot_ns() < loan.expires_ns:
            return loan
        now_ns = boot_ns()
        with self._changed:
            self._need(loan.provider)
            key = self._keys.get(loan.key_id)
            if key is not None and (now_ns >= key.expires_ns or not key.allows(project)):
                key = None
            if key is None or not key.share:
                other = self._choose(loan.provider, project)
                # One that is used up is left for one that is not, and for no other reason.
                key = other if key is None or (other is not None and other.share) else key
            if key is not None:
                return self._loan(key, project)
            # A fork knows nothing yet of what its parent borrowed.
            is_unheard = not self._heard_of(loan.provider)[0]
            return loan if is_unheard and now_ns < loan.expires_ns else None

    def look(self) -> None:
        """Forget what has expired."""
        now_ns = boot_ns()
        with self._changed:
            if any(now_ns >= key.expires_ns for key in self._keys.values()):
                gone = [key for key in self._keys.values() if now_ns >= key.expires_ns]
                self._adopt({key.id: key for key in self._keys.values() if now_ns < key.expires_ns})
                names = ", ".join(f"{key.provider} ({key.id})" for key in gone)
                logger.warning("voicegateway: leased keys have expired without a word of a controller: %s", names)

    def due_ns(self) -> int | None:
        """When the keys should be asked for again; None: there are none."""
        with self._changed:
            return self._renew_ns if self._keys else None

    def report(self) -> KeysReport | None:
        """What to say of keys now; None: this process needs none."""
        with self._changed:
            if not self._needs:
                return None
            self._reported = frozenset(self._needs)
            self._renew_ns = boot_ns() + round(RENEW_S * NS_PER_S)
            return KeysReport(
                needs=tuple(sorted(self._needs)),
                held=tuple(HeldKey(id=key.id, version=key.version) for key in self._keys.values()),
                tag=self._tag,
            )

    def answered(self, answer: KeysAnswer | None, *, sent_ns: int) -> None:
        """The controller answered what was sent then; None: not of keys, and those that are held go on."""
        with self._changed:
            if answer is not None:
                self._take(answer, sent_ns)
            self._note(is_answered=True)

    def failed(self) -> None:
        """It did not answer: keys go on until they expire."""
        with self._changed:
            self._note(is_answered=False)

    @property
    def tag(self) -> str:
        """Of the last answer."""
        return self._tag

    def _need(self, provider: str) -> None:
        if provider not in self._needs:
            self._needs.add(provider if len(self._needs) < NEEDS_MAX - 1 else EVERY_PROVIDER)

    def _heard_of(self, provider: str) -> tuple[int, bool]:
        return max(self._heard.get(provider, (0, False)), self._heard.get(EVERY_PROVIDER, (0, False)))

    def _is_known(self, provider: str, now_ns: int) -> bool:
        with self._changed:
            heard_ns, is_answered = self._heard_of(provider)
        fresh_s = TOLD_FRESH_S if is_answered else FAILED_FRESH_S
        return heard_ns > 0 and now_ns - heard_ns < fresh_s * NS_PER_S

    def _note(self, *, is_answered: bool) -> None:
        heard = (boot_ns(), is_answered)
        for provider in self._reported:
            self._heard[provider] = heard
        self._reported = frozenset()
        self._changed.notify_all()

    def _take(self, answer: KeysAnswer, sent_ns: int) -> None:
        keys: dict[str, _Key] = {}
        for leased in answer.keys[:KEYS_MAX]:
            held = self._keys.get(leased.id)
            secret = leased.secret or (held.secret if held is not None and held.version == leased.version else "")
            # One that we are thought to hold and do not: what we say next tells.
            if secret and leased.ttl_ms > 0:
                keys[leased.id] = _Key(leased, secret, sent_ns + leased.ttl_ms * NS_PER_MS)
        self._tag = answer.tag
        for gone in self._keys.keys() - keys.keys():
            logger.warning("voicegateway: the key %s (%s) was revoked", gone, self._keys[gone].provider)
        self._adopt(keys)

    def _adopt(self, keys: dict[str, _Key]) -> None:
        before = {key.id: key.identity for key in self._keys.values()}
        self._keys = keys
        if before != {key.id: key.identity for key in keys.values()}:
            self.epoch += 1

    def _choose(self, provider: str, project: str) -> _Key | None:
        """A project's own keys come before those for all; of several, each gets requests by its share."""
        now_ns = boot_ns()
        usable = [
            key
            for key in self._keys.values()
            if key.provider == provider and now_ns < key.expires_ns and key.allows(project)
        ]
        keys = [key for key in usable if key.projects is not None] or usable
        if not keys:
            return None
        lot = self._random() * sum(key.share for key in keys)
        for key in keys:
            lot -= key.share
            if lot < 0:
                return key
        return keys[0]

    def _loan(self, key: _Key, project: str) -> Loan:
        return Loan(
            key_id=key.id,
            version=key.version,
            provider=key.provider,
            project=project,
            fingerprint=key.fingerprint,
            secret=key.secret,
            epoch=self.epoch,
            expires_ns=key.expires_ns,
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("leased keys stay in the memory of the process they were lent to")
