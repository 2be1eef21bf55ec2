"""The JSON of alerts."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

DeliveryState = Literal["pending", "delivered", "dead"]


class DeliveryRow(BaseModel):
    """How an alert's way to one channel is."""

    channel: str
    state: DeliveryState = Field(description="`dead`: given up; it can be delivered again.")
    attempts: int
    next_attempt_at: datetime | None = Field(description="While pending.")
    delivered_at: datetime | None
    last_error: str = Field(description="What the last attempt that failed was told.")


class AlertRow(BaseModel):
    """One alert."""

    id: UUID
    key: str = Field(description="What was told and for which window; no key is told twice.")
    kind: str
    severity: str
    project: str = Field(description="Empty when it is about no single project.")
    title: str
    details: dict[str, Any]
    raised_at: datetime
    is_routed: bool = Field(description="False until a runner wrote down to which channels it goes.")
    deliveries: list[DeliveryRow] = Field(description="None when no channel is set up.")


class AlertsPage(BaseModel):
    """Alerts, the newest first."""

    alerts: list[AlertRow]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class Redelivered(BaseModel):
    """What is delivered again."""

    channels: list[str] = Field(description="Empty when nothing was to be delivered again, or it is under way.")


class Tested(BaseModel):
    """The test that was raised."""

    id: UUID
