"""What may stand in a sync message about the process itself, and what its configuration lacks. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from voicegateway_controller.errors import BadRequest
from voicegateway_shared.wire import SyncRequest
from voicegateway_shared.wire.keys import KEYS_MAX, NEEDS_MAX

Part = Literal["limits", "budgets", "routing"]
"""Of the configuration, as workers hear of it."""
TEXT_CHARS_MAX: Final = 256
JOBS_MAX: Final = 100_000
PERMILLE_MAX: Final = 1_000_000
"""A load function of a user's own may say more than full."""


def check_self(message: SyncRequest) -> None:
    """Raise BadRequest for what is out of bounds."""
    worker, keys = message.worker, message.keys
    if worker is not None:
        _texts((worker.worker_id, worker.agent, worker.started_at, worker.budgets_tag, worker.routing_tag))
        if not (0 <= worker.active_jobs <= JOBS_MAX and 0 <= worker.load_permille <= PERMILLE_MAX):
            raise BadRequest("a worker's load and jobs must be numbers that a machine can have")
    if keys is not None:
        if len(keys.needs) > NEEDS_MAX or len(keys.held) > KEYS_MAX:
            raise BadRequest(f"more than {NEEDS_MAX} providers or {KEYS_MAX} keys in one message")
        _texts((keys.tag, *keys.needs, *(each.id for each in keys.held)))


def lacks(told: Mapping[str, str], newest: Mapping[Part, str | None]) -> list[Part]:
    """Return the parts of the configuration that a process knows in another version than the newest, by name.

    What nobody can say, because this controller does not know it either, is not lacking.
    """
    return [part for part, version in newest.items() if version is not None and told.get(part, "") != version]


def _texts(texts: Iterable[str]) -> None:
    for text in texts:
        if len(text) > TEXT_CHARS_MAX or (text and not text.isprintable()):
            raise BadRequest(f"what a worker says of itself has texts of at most {TEXT_CHARS_MAX} printable characters")
