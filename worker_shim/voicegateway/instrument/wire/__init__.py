"""Wire meter: count what plugins really hand to vendors' sockets, by the vendors' own message formats.

What an agent pushes is not what a vendor bills: plugins buffer, add spaces, drop on close and resend on retry. Each
vendor has a module that says how its plugins speak; `socket` counts, `session` has plugins open sockets that count.
"""

from typing import Any

from voicegateway.instrument.wire.dialects import DIALECTS
from voicegateway.instrument.wire.owners import once_sent
from voicegateway.instrument.wire.session import meter_session, sample_rate
from voicegateway.record import RequestRecord
from voicegateway.wire_count import WireCount

__all__ = ["follow", "meter_session", "once_sent", "watch_post", "wire_count"]


def wire_count(plugin: Any, record: RequestRecord) -> WireCount | None:
    """A counter fed by the plugin's own socket, or None when its wire format or its session is not known."""
    dialect = DIALECTS.get((record.facts.provider, record.modality))
    if dialect is None:
        return None
    return WireCount(sample_rate=sample_rate(plugin) or dialect.sample_rate) if meter_session(plugin) else None


def watch_post(plugin: Any, record: RequestRecord) -> None:
    """Have it known whether a request that goes whole was sent, where its plugin posts it by a metered session."""
    is_metered = meter_session(plugin)
    dialect = DIALECTS.get((record.facts.provider, record.modality))
    record.is_post_seen = is_metered and dialect is not None and dialect.posts


def follow(plugin: Any, stream: Any, record: RequestRecord) -> None:
    """Make what a new stream sends over a socket that it shares with others known as its own."""
    dialect = DIALECTS.get((record.facts.provider, record.modality))
    if dialect is not None and dialect.follow is not None and record.wire is not None:
        dialect.follow(plugin, stream, record)
