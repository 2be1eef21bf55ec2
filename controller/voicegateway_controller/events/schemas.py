"""The JSON of live events."""

from typing import Any

from pydantic import BaseModel, Field


class EventRow(BaseModel):
    """One event; the stream's `data:` is the same."""

    id: str = Field(description="Its place in the stream.", examples=["1763700000000-0"])
    kind: str = Field(description="Such as `request.settled`; see the guide to events.", examples=["request.settled"])
    at: str = Field(description="When it was told.")
    project: str = Field(description="Whose it is; empty: about no single project.")
    data: dict[str, Any]


class EventsRecent(BaseModel):
    """Events that are kept, the oldest of them first."""

    events: list[EventRow]
    last_id: str = Field(description="Listen on from here: `after` of the stream.")
