"""The JSON of ending sessions."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.sessions.ending import REASON_CHARS_MAX, SENTENCE_CHARS_MAX


class EndOne(BaseModel):
    """How to end one session."""

    model_config = ConfigDict(extra="forbid")
    sentence: str = Field("", max_length=SENTENCE_CHARS_MAX, description="Spoken first; empty: the worker's default.")
    reason: str = Field("", max_length=REASON_CHARS_MAX, description="For logs and alerts.")
    dry_run: bool = Field(False, description="Only say what would be ended.")


class EndMany(EndOne):
    """Which sessions to end; what is given must all hold."""

    project: str | None = Field(None, max_length=256, description="Only this project's.")
    over: str | None = Field(
        None,
        max_length=40,
        description="Only those that have cost more than so many USD, a decimal string.",
        examples=["2.00"],
    )


class SessionToEnd(BaseModel):
    """One session that is told to end."""

    session_id: str
    project: str
    agent: str
    room: str
    started_at: str
    amount_usd: str = Field(description="Rated so far; requests that are open or on their way are not in it.")
    directive: str = Field(description="Its id; empty in a dry run.")


class Told(BaseModel):
    """What came of an order."""

    is_dry_run: bool
    sessions: list[SessionToEnd] = Field(description="Dearest first.")
    left_out: int = Field(description="Sessions that matched beyond what one order may end: order again.")


class EndingRow(BaseModel):
    """What became of one session that was told to end."""

    directive: str
    session_id: str
    project: str
    state: Literal["told", "obeyed", "escalated", "ended", "failed"] = Field(
        description="`told`: its worker has not answered yet. `obeyed`: it said that it does. `escalated`: LiveKit was "
        "asked. `ended`: it is carried no longer. `failed`: it is, and nobody tries any more."
    )
    outcome: Literal["", "obeyed", "left", "removed", "failed"]
    sentence: str
    reason: str
    by: str
    told_at: datetime
    obeyed_at: datetime | None
    attempts: int = Field(description="How often LiveKit was asked.")
    last_error: str


class Endings(BaseModel):
    """What was ordered within the last hour, the newest first."""

    endings: list[EndingRow]
