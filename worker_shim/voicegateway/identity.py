"""Identity: who pays for a request and which call it belongs to, read from the LiveKit job around it."""

import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Final

from voicegateway_shared.telemetry import attributes
from voicegateway_shared.wire import Priority

logger = logging.getLogger("voicegateway")

PROJECT_KEY: Final = attributes.PROJECT
"""Job attribute, or key in the JSON of job or room metadata, that names the project."""
PRIORITY_KEY: Final = attributes.PRIORITY
"""In the same places: `batch` for calls that may wait for others where a limit is short, `live` (the default) else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One call, as far as the process can tell. Lives as long as the job; immutable."""

    session_id: str
    project: str | None
    agent: str
    job_id: str
    room: str
    started_at: str
    priority: Priority = "live"
    worker_id: str = ""
    """LiveKit's name of the worker whose job process this is."""
    carrier: Any = field(default=None, compare=False, repr=False)
    """What stands here for an agent session that runs elsewhere; None where the session itself runs here."""


_REMOTE: ContextVar[Identity | None] = ContextVar("voicegateway_identity", default=None)
"""Whose requests are made in this context on behalf of a job that runs elsewhere."""


@contextmanager
def on_behalf_of(identity: Identity) -> Iterator[None]:
    """Make requests in the name of a call whose job runs elsewhere."""
    token = _REMOTE.set(identity)
    try:
        yield
    finally:
        _REMOTE.reset(token)


def current_job() -> Any:
    """The LiveKit job context around the caller, None outside a job."""
    return _job_context_reader()(required=False)


def current_identity() -> Identity:
    """The running job's identity; outside a job, one made-up session per process."""
    remote = _REMOTE.get()
    if remote is not None:
        return remote
    context = current_job()
    if context is None:
        return process_identity()
    return _job_identity(context)


@cache
def _job_context_reader() -> Callable[..., Any]:
    """Imported once, at the first request: an import statement in a function costs 1 µs each time it is met."""
    from livekit.agents import get_job_context

    return get_job_context


def _job_identity(context: Any) -> Identity:
    cached = getattr(context, "_voicegateway_identity", None)
    if isinstance(cached, Identity):
        return cached
    job = context.job
    identity = Identity(
        session_id=job.id,
        project=project_of(job),
        agent=job.agent_name or "",
        job_id=job.id,
        room=job.room.name,
        started_at=now_text(),
        priority=_priority_of(job),
        worker_id=_worker_id(context),
    )
    context._voicegateway_identity = identity
    return identity


def _worker_id(context: Any) -> str:
    worker_id = getattr(context, "worker_id", "")
    return worker_id if isinstance(worker_id, str) else ""


@lru_cache(maxsize=1)
def _process_identity(pid: int) -> Identity:
    return Identity(
        session_id=f"process-{pid}-{secrets.token_hex(4)}",
        project=None,
        agent="",
        job_id="",
        room="",
        started_at=now_text(),
    )


def process_identity() -> Identity:
    """The made-up session of requests that belong to no job."""
    return _process_identity(os.getpid())


def project_of(job: Any) -> str | None:
    """Who pays for a job, as far as it says."""
    return _told(job, PROJECT_KEY)


def _priority_of(job: Any) -> Priority:
    told = _told(job, PRIORITY_KEY)
    if told in (None, "live"):
        return "live"
    if told == "batch":
        return "batch"
    logger.warning("voicegateway: job %s: %s is %r, neither live nor batch; taken for live", job.id, PRIORITY_KEY, told)
    return "live"


def _told(job: Any, key: str) -> str | None:
    """Job attributes, then job metadata, then room metadata: the nearest to the call wins."""
    found: str | None = job.attributes.get(key)
    for text in (job.metadata, job.room.metadata):
        found = found or from_json(text, key)
    return found or None


def from_json(text: str, key: str) -> str | None:
    """What a JSON object says under a key; None when it is none, or says something else than text."""
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text).get(key)
        if isinstance(value, str):
            # JSON can escape halves of characters, which no message can carry: that is no text.
            value.encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def now_text() -> str:
    """The moment, as the wire writes it."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
