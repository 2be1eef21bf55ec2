"""Settles what dead processes left behind, so that a begun request never vanishes and never comes twice."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from voicegateway.outbox.process_lock import ProcessLock
from voicegateway.outbox.slate import read_slate
from voicegateway.outbox.span_bytes import PROCESS_DIED, request_id_and_start
from voicegateway.outbox.store import Store

logger = logging.getLogger("voicegateway.outbox")

ALIVE_DIRECTORY: Final = "alive"
_SUFFIX: Final = ".lock"
_SLATE_SUFFIX: Final = ".slate"


def life_lock(directory: Path, incarnation: str) -> ProcessLock:
    """Return the lock that a process life holds from before its first intent until its end."""
    return ProcessLock(directory / ALIVE_DIRECTORY / f"{quote(incarnation, safe='')}{_SUFFIX}")


def slate_path(directory: Path, incarnation: str) -> Path:
    """Return where a process keeps the intents that no commit has taken yet."""
    return directory / ALIVE_DIRECTORY / f"{quote(incarnation, safe='')}{_SLATE_SUFFIX}"


def recover(
    store: Store, directory: Path, *, now_ns: int, on_dead: Callable[[str], None] = lambda incarnation: None
) -> int:
    """Settle the intents of every dead process as interrupted; return how many. `on_dead` is told each process life.

    The dead one's lock is held meanwhile, and each intent turns into its final bytes in one transaction: two
    recoverers cannot both do it, and what is sent later is the same however often it is sent.
    """
    recovered = 0
    for incarnation in sorted({*store.incarnations_with_intents(), *_incarnations_with_slates(directory)}):
        lock = life_lock(directory, incarnation)
        if not lock.try_acquire():
            continue
        try:
            store.save(_on_slate(directory, incarnation))
            while settled := store.interrupt_intents_of(incarnation, error_type=PROCESS_DIED, now_ns=now_ns):
                recovered += settled
            slate_path(directory, incarnation).unlink(missing_ok=True)
            on_dead(incarnation)
        finally:
            # Should recovery have failed, the next one makes the lock file anew.
            lock.release(unlink=True)
    if recovered:
        logger.warning("%d requests were interrupted by the death of their process", recovered)
    return recovered


def _incarnations_with_slates(directory: Path) -> list[str]:
    return [
        unquote(path.name.removesuffix(_SLATE_SUFFIX))
        for path in (directory / ALIVE_DIRECTORY).glob(f"*{_SLATE_SUFFIX}")
    ]


def _on_slate(directory: Path, incarnation: str) -> list[tuple[str, tuple[object, ...]]]:
    """Return, as rows to save, what a dead process had begun and not committed; damaged spans are said and left.

    None of them has settled: the writer frees a request's slot before it commits the request's end.
    """
    rows: list[tuple[str, tuple[object, ...]]] = []
    for body in read_slate(slate_path(directory, incarnation)):
        try:
            request_id, begun_ns = request_id_and_start(body)
        except ValueError as error:
            logger.error("a begun request of a dead process cannot be read and is lost: %s", error)
            continue
        rows.append(("intent", (request_id, incarnation, begun_ns, None, body)))
    return rows


def remove_dead_locks(
    store: Store, directory: Path, *, on_dead: Callable[[str], None] = lambda incarnation: None
) -> None:
    """Remove lock files of dead processes that left nothing begun; `on_dead` is told each process life."""
    busy = set(store.incarnations_with_intents())
    for path in (directory / ALIVE_DIRECTORY).glob(f"*{_SUFFIX}"):
        incarnation = unquote(path.name.removesuffix(_SUFFIX))
        lock = life_lock(directory, incarnation)
        try:
            if incarnation not in busy and lock.try_acquire(create=False):
                lock.release(unlink=True)
                on_dead(incarnation)
        except FileNotFoundError:
            continue
