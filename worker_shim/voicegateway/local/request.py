"""The request that a local model works for: where its slots' time and its text are counted."""

from typing import Any

from voicegateway.instrument.current import CURRENT
from voicegateway.node_count import NodeCount


def node_of_request(plugin: Any) -> NodeCount | None:
    """The count of the running request, or None when nobody meters this plugin.

    Asked for when a request starts, so that one which is given up before any of its text is spoken has sent none.
    """
    record = CURRENT.get()
    if record is None or record.owner is not plugin:
        return None
    if record.node is None:
        record.node = NodeCount()
    return record.node
