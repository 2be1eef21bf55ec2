"""Locks that the kernel frees when their process dies, however it dies."""

import errno
import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Final

_REOPENS_MAX: Final = 8
"""A cleaner may unlink the file between our open and our lock; it does so once per file, so eight is plenty."""
_LOOK_AGAIN_S: Final = 0.002


class _Registry:
    """Paths locked by this very process. POSIX locks do not exclude threads of one process, and closing any
    descriptor of a file drops all of the process's locks on it, so a path may be opened only once."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all: a forked child holds none of its parent's locks, and the mutex may have been held."""
        self.mutex = threading.Lock()
        self.paths: set[str] = set()


_registry = _Registry()
os.register_at_fork(after_in_child=_registry.reset)


class ProcessLock:
    """An exclusive lock on one file. Held until `release`, or until the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._pid = 0

    @property
    def is_held(self) -> bool:
        """Whether this object, in this process, holds the lock."""
        return self._descriptor is not None and self._pid == os.getpid()

    def is_in_place(self) -> bool:
        """Whether we hold the lock and its file is still at its path, where others look for it."""
        return self.is_held and self._descriptor is not None and _is_file_at(self._descriptor, self.path)

    def try_acquire(self, *, create: bool = True) -> bool:
        """Take the lock if nobody, not even another object of this process, has it; never waits.

        Raises:
            FileNotFoundError: with `create=False`, there is no such file.
            OSError: the file cannot be opened.
        """
        with _registry.mutex:
            if str(self.path) in _registry.paths:
                return False
            for _ in range(_REOPENS_MAX):
                descriptor = self._open_locked(create=create)
                if descriptor is None:
                    return False
                if _is_file_at(descriptor, self.path):
                    self._descriptor, self._pid = descriptor, os.getpid()
                    _registry.paths.add(str(self.path))
                    return True
                os.close(descriptor)
        return False

    def acquire(self, *, timeout_s: float) -> None:
        """Take the lock, looking again every few milliseconds; threads of one process exclude each other too.

        Raises:
            TimeoutError: somebody else kept it for `timeout_s`.
            OSError: the file cannot be opened.
        """
        deadline = time.monotonic() + timeout_s
        while not self.try_acquire():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.path} stayed locked for {timeout_s:g} s")
            time.sleep(_LOOK_AGAIN_S)

    def release(self, *, unlink: bool = False) -> None:
        """Give the lock back; with `unlink`, remove the file while it is still ours."""
        with _registry.mutex:
            if self._descriptor is None or self._pid != os.getpid():
                return
            if unlink:
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
            _registry.paths.discard(str(self.path))

    def _open_locked(self, *, create: bool) -> int | None:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        descriptor = os.open(self.path, flags, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return None
            raise
        return descriptor


def _is_file_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
