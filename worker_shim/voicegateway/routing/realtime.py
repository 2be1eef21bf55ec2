"""Realtime models that stand for one another: LiveKit's own adapter, for it asks nobody whom nobody needs.

A realtime session lives as long as its call, so a member that fails is replaced in the middle of it: a session with the
next one begins with what the caller has heard so far. LiveKit's adapters for the other modalities keep sending requests
to members that failed, each of which is billed; this one waits until it needs them.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any


def fall_back(plugins: Sequence[Any]) -> Any:
    """Return a realtime model that is served by the first of these, instrumented, and by the next when that fails.

    All but the last are given up at their first failure: waiting for another try is silence for the caller, and a
    session that is opened anew has forgotten as much as another vendor's.

    Raises:
        ValueError: they differ in what a call is built upon, such as who finds the ends of turns.
    """
    from livekit.agents.llm import RealtimeModelFallbackAdapter

    for plugin in plugins[:-1]:
        options: Any = getattr(plugin, "_opts", None)
        connection = getattr(options, "conn_options", None)
        if connection is not None:
            options.conn_options = dataclasses.replace(connection, max_retry=0)
    return RealtimeModelFallbackAdapter(list(plugins))
