"""Directory: the chains, stacks and defaults that a process goes by: the fleet's, and below them those of its own file.

What the fleet said last is remembered on the host. A job process that has just started, or lives through an outage,
begins with that.
"""

import hashlib
import logging
import os
import tempfile
import threading
from pathlib import Path
from typing import Final

import msgspec

from voicegateway_shared.routing import Routing

logger = logging.getLogger("voicegateway")

REMEMBERED_BYTES_MAX: Final = 4 * 1024 * 1024
"""Twice as much as the largest set that can be declared; a longer file is none of ours."""


class _Word(msgspec.Struct, frozen=True, kw_only=True):
    """What the fleet said, and how it called that."""

    tag: str
    routing: Routing


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Word).decode


class Directory:
    """Lives as long as its runtime. `take` is called by the syncer's thread, everything else by any."""

    def __init__(self, own: Routing | None = None, *, memory: Path | None = None) -> None:
        """`own` is what the worker's file declares; `memory` is where the host remembers the fleet's word."""
        self._own = own or Routing()
        self._memory = memory
        self._seen_ns = 0
        self._lock = threading.Lock()
        self._is_said = False
        self.tag = ""
        """Of the fleet's word, empty while it is not known."""
        self.routing = self._own
        """What holds: the fleet's word, and what it does not hide of the worker's own file."""
        self.is_heard = False
        """The fleet has told this process itself, or said that nothing has changed."""
        self.is_awaited = False
        """Somebody has waited for its word, which is done once."""
        self.look()

    def take(self, tag: str, routing: Routing | None) -> None:
        """Take the fleet's word; None: what we know under this tag still holds."""
        if not tag or (routing is None and tag != self.tag):
            return
        self.is_heard = True
        if routing is None:
            return
        self._adopt(_Word(tag=tag, routing=routing))
        self._remember(_Word(tag=tag, routing=routing))

    def look(self) -> None:
        """Take what another process of this host has heard since; costs a look at a file's time."""
        if self._memory is None:
            return
        try:
            status = self._memory.stat()
            if status.st_mtime_ns == self._seen_ns or status.st_size > REMEMBERED_BYTES_MAX:
                return
            self._seen_ns = status.st_mtime_ns
            word = _decode(self._memory.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            # Another version's, or half of one after a crash of the host: the next answer writes it anew.
            self._say(f"cannot read {self._memory} ({error})")
            return
        if word.tag != self.tag:
            self._adopt(word)

    def _adopt(self, word: _Word) -> None:
        routing = word.routing.over(self._own)
        with self._lock:
            self.tag, self.routing = word.tag, routing

    def _remember(self, word: _Word) -> None:
        if self._memory is None:
            return
        try:
            self._memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(dir=self._memory.parent, prefix=self._memory.stem)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_encode(word))
                os.replace(path, self._memory)
            except BaseException:
                Path(path).unlink(missing_ok=True)
                raise
            self._seen_ns = self._memory.stat().st_mtime_ns
        except OSError as error:
            self._say(f"cannot write {self._memory} ({error})")

    def _say(self, problem: str) -> None:
        if not self._is_said:
            self._is_said = True
            logger.warning(
                "voicegateway: %s; a process that starts while no controller answers will not know the fleet's chains",
                problem,
            )


def memory_of(outbox_dir: Path, url: str | None, token: str | None) -> Path | None:
    """Return where a host remembers what one controller told those with one token; None without a controller."""
    if url is None:
        return None
    name = hashlib.blake2b(f"{url}\0{token or ''}".encode(), digest_size=8, person=b"voicegw-routing").hexdigest()
    return outbox_dir / f"routing-{name}.json"
