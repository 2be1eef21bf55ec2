"""What the routes of keys take and answer. A key's text is only ever taken."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from voicegateway_controller.http.texts import VISIBLE, Name
from voicegateway_controller.vault.rules import ID_PATTERN, KEY_CHARS_MAX, NOTE_CHARS_MAX, PROJECTS_MAX

EARLIEST_YEAR: Final = 2000
LATEST_YEAR: Final = 2200
KeyState = Literal["active", "disabled", "expired", "locked", "unreadable", "revoked"]
Projects = Annotated[
    list[Name] | None,
    Field(
        min_length=1, max_length=PROJECTS_MAX, description="Which projects may use it; null: all.", examples=[["acme"]]
    ),
]
Note = Annotated[
    str, Field(max_length=NOTE_CHARS_MAX, pattern=VISIBLE, description="For people.", examples=["the main account"])
]
Secret = Annotated[
    SecretStr,
    Field(
        max_length=KEY_CHARS_MAX,
        description="The vendor's key itself. No answer, log or list shows it again.",
        examples=["sk-0123456789abcdefghijklmn"],
    ),
]


def _within_reason(at: datetime | None) -> datetime | None:
    """No clock, and not Postgres', tells the first and the last years of a calendar apart in every zone."""
    if at is not None and not EARLIEST_YEAR <= at.year <= LATEST_YEAR:
        raise ValueError(f"must lie between the years {EARLIEST_YEAR} and {LATEST_YEAR}")
    return at


ExpiresAt = Annotated[
    AwareDatetime | None,
    AfterValidator(_within_reason),
    Field(description="From then on it is not lent; null: never.", examples=["2030-01-01T00:00:00Z"]),
]


class NewKey(BaseModel):
    """A key to be sealed."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=f"^{ID_PATTERN}$", description="Its name, free to choose.", examples=["openai-main"])
    provider: Name = Field(description="As in model strings.", examples=["openai"])
    secret: Secret
    projects: Projects = None
    note: Note = ""
    expires_at: ExpiresAt = None


class KeyChanges(BaseModel):
    """What is to be changed of a key; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"projects": ["acme"]}]})

    projects: Projects = None
    note: Note = ""
    expires_at: ExpiresAt = None
    is_enabled: bool = Field(True, description="False: it is lent to nobody until it is true again.")


class NewSecret(BaseModel):
    """The key that takes another one's place."""

    model_config = ConfigDict(extra="forbid")

    secret: Secret


class Key(BaseModel):
    """One key of a vendor, as much as anybody may see of it."""

    id: str
    provider: str
    projects: list[str] | None = Field(description="Which may use it, of those that the caller reaches; null: all.")
    note: str
    masked: str = Field(description="Its first and last four characters.", examples=["sk-0...klmn"])
    fingerprint: str = Field(description="Its short one-way name, as `account` in limits and `key_id` in the ledger.")
    version: int = Field(description="Another number is another key under this name.")
    state: KeyState = Field(
        description="`expired`: its time is over. `locked`: sealed under a vault secret that this controller has not. "
        "`unreadable`: declared, and its variable or file cannot be read."
    )
    problem: str = Field(description="Why it is locked or unreadable, and what to do; empty else.")
    source: Literal["env", "db", "yaml"] = Field(description="The layer that it is from; `db`: managed.")
    shadows: list[Literal["env", "db", "yaml"]] = Field(description="Lower layers that have one of this name.")
    is_sealed: bool = Field(description="Kept in the vault; false for one that is read from a variable or a file.")
    reads: str = Field(description="Which variable or file it is read from; empty for a sealed one.")
    sealed_by: str = Field(description="The short name of the vault secret that it is sealed under.")
    share_permille: int = Field(description="Of a vendor's keys: what is left of this one's limits; 1,000 is all.")
    holders: int | None = Field(description="Processes that hold it now; null while Redis is away.")
    expires_at: datetime | None
    created_at: datetime | None
    created_by: str
    rotated_at: datetime | None
    revoked_at: datetime | None
    last_leased_at: datetime | None
    tested_at: datetime | None
    test_result: str = Field(description="`good`, `refused` or `unclear`, as the vendor said; empty: never tried.")


class KeyList(BaseModel):
    """One page of keys, by name."""

    keys: list[Key]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class KeyTest(BaseModel):
    """What the vendor says of a key."""

    verdict: Literal["good", "refused", "unclear", "not_tried"] = Field(
        description="`unclear`: the vendor is not well. `not_tried`: no question to this vendor is known that is free."
    )
    status: int | None = Field(description="The vendor's HTTP status.")
    took_ms: int
    detail: str


class VaultReplica(BaseModel):
    """One controller."""

    id: str
    secrets: list[str] = Field(description="Short names of the vault secrets that it has, the primary first.")
    seen_at: datetime
    is_this: bool = Field(description="Whether it is the one that answers.")


class VaultStatus(BaseModel):
    """How the vault is, as the controller that answers sees it."""

    is_open: bool = Field(description="Whether it can seal, and open everything that is sealed.")
    problem: str = Field(description="What is wrong and what to do; empty when all is well.")
    primary_id: str = Field(description="The short name of the secret that new keys are sealed under.")
    secrets: list[str] = Field(description="Short names of all secrets that it has, the primary first.")
    sealed_under: dict[str, int] = Field(description="Keys by the short name of their secret.")
    unopened: list[str] = Field(description="Names of keys whose secret is not here.")
    unreadable: list[str] = Field(description="Names of declared keys whose variable or file cannot be read.")
    keys: dict[str, int] = Field(description="Keys by state.")
    lease_s: int = Field(description="How long a worker keeps a key that no answer renews.")
    is_insecure_allowed: bool = Field(description="Whether keys are lent over plain HTTP from other machines.")
    replicas: list[VaultReplica]


class RotateSecret(BaseModel):
    """How to re-seal."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"force": False}]})

    dry_run: bool = Field(False, description="Only say which keys it would be.")
    force: bool = Field(False, description="Also while a controller is there that has not the primary secret.")


class Rotated(BaseModel):
    """What came of re-sealing."""

    is_dry_run: bool
    primary_id: str
    resealed: int = Field(description="How many; in a dry run, how many it would be.")
    keys: list[str] = Field(description="Names of the keys that are under the primary now and were not.")
    unopened: list[str] = Field(description="Names of those that stay under a secret that is not here.")
