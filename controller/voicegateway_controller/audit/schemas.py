"""What the audit log's routes answer."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class Record(BaseModel):
    """One change, with who made it."""

    number: int
    at: datetime
    actor: str = Field(description="A token's id, `oidc:` and a person, or the job that did it.")
    actor_name: str = Field(description="The token's name by now; the actor where there is none.")
    action: str = Field(description="Noun and verb: `limits.declare`.")
    resource: str = Field(description="What was changed: `limits`, `tokens/1f2e…`.")
    project: str = Field(description="Whose it is; empty for what concerns all.")
    reason: str
    before: Any = Field(description="What was there, secrets masked; null where nothing was.")
    after: Any = Field(description="What is there since; null where nothing is.")
    changes: list[str] = Field(description="Which places of the document differ, at most 50 of them.")
    digest: str = Field(description="The seal, hexadecimal.")


class Records(BaseModel):
    """A page of the audit log."""

    records: list[Record]
    next: str | None = Field(description="The cursor of the next page; null at the end.")
    newest: int = Field(description="The newest record's number: to go on from with `after`.")


class Broken(BaseModel):
    """Where the log is not what was written."""

    number: int
    reason: str


class Verification(BaseModel):
    """Whether the log is what was written."""

    ok: bool
    checked: int = Field(description="Records whose seal holds, from the first on.")
    newest: int = Field(description="The newest record's number.")
    head: str = Field(
        description="Its seal. Kept elsewhere with its number, it proves later that nothing before was rewritten."
    )
    broken: Broken | None
