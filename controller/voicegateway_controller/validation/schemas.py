"""What the validation routes answer."""

from datetime import datetime

from pydantic import BaseModel, Field

from voicegateway_controller.validation.rules import Finding, Source


class ModelRow(BaseModel):
    """One meter of one model, counted by us and by somebody else."""

    provider: str
    model: str
    modality: str
    meter: str
    source: Source = Field(description="Who else counted: LiveKit's `plugin`, or the `vendor` itself in its answer.")
    requests: int = Field(description="Requests compared.")
    agreeing: int = Field(description="Of those, within tolerance.")
    ours: str = Field(description="The sum of our counts, in the meter's base unit.")
    theirs: str
    findings: dict[str, int] = Field(description="Requests beyond tolerance, by the reason found.")


class Validation(BaseModel):
    """Counts compared, those that disagree most first."""

    since: datetime
    until: datetime
    rows: list[ModelRow]
    meaning: dict[str, str] = Field(description="What each finding means.")


class RequestRow(BaseModel):
    """One request whose counts disagree."""

    request_id: str
    session_id: str
    project: str
    provider: str
    model: str
    modality: str
    meter: str
    source: Source
    finding: Finding
    ours: int
    theirs: int
    charged_at: datetime


class Requests(BaseModel):
    """Requests whose counts disagree, the newest first."""

    rows: list[RequestRow]
    next: str | None = Field(description="The cursor of the next page; null at the end.")
