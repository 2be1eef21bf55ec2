"""What the routes of access take and answer."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from voicegateway_controller.access.rules import TOKEN_CHARS_MAX, Role
from voicegateway_controller.http.texts import Name

PROJECTS_MAX = 500
"""Of one token."""

State = Literal["active", "expired", "revoked"]


class Visitor(BaseModel):
    """Who is calling, and what they may do."""

    actor: str = Field(description="How the audit log names them: a token's id, or `oidc:` and the person.")
    name: str = Field(description="For whom the token is, or who the person is.")
    kind: Literal["token", "session"] = Field(description="A token came with the request, or a sign-in's cookie.")
    role: Role
    projects: list[str] | None = Field(description="Which projects are reached; null: all.")
    expires_at: datetime | None = Field(description="When it ends by itself; null: never.")
    sign_in_id: str | None = Field(description="The sign-in's id; null for a token.")
    csrf_token: str | None = Field(
        description="To be sent as `X-CSRF-Token` with each POST, PUT, PATCH and DELETE; null where none is needed."
    )


class Provider(BaseModel):
    """Where people sign in without a token."""

    name: str = Field(description="What the button says.")


class SignInOptions(BaseModel):
    """How to sign in, and who is signed in already."""

    token: bool = Field(description="Whether a token may be given: always.")
    oidc: Provider | None = Field(description="Single sign-on at `/api/v1/sign-in/oidc`; null where none is set up.")
    is_secure: bool = Field(description="False: the cookie travels without TLS, and so did this.")
    signed_in: Visitor | None = Field(description="Who the cookie that came along signs in; null: nobody.")


class SignInWithToken(BaseModel):
    """A token that becomes a cookie."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"token": "vgw_1f2e3d4c5b6a7988_…"}})

    token: SecretStr = Field(min_length=1, max_length=TOKEN_CHARS_MAX)


class SignedOut(BaseModel):
    """Nobody is signed in any more."""


class SignIn(BaseModel):
    """A sign-in that is in force."""

    id: str
    actor: str
    name: str
    role: Role
    projects: list[str] | None
    with_token: str | None = Field(description="The id of the token it was begun with; null: single sign-on.")
    created_at: datetime
    last_seen_at: datetime = Field(description="To the minute.")
    expires_at: datetime
    is_current: bool = Field(description="Whether it is the one that asks.")


class SignIns(BaseModel):
    """A page of sign-ins, the newest first."""

    sign_ins: list[SignIn]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class NewToken(BaseModel):
    """A token that is to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "agents in Frankfurt", "role": "worker", "projects": ["acme"]}},
    )

    name: Name = Field(description="For whom it is; shown in lists and in the audit log.")
    role: Role
    projects: list[Name] | None = Field(
        default=None, description="What it reaches; null: all projects.", min_length=1, max_length=PROJECTS_MAX
    )
    expires_at: datetime | None = Field(default=None, description="When it ends by itself; null: never.")


class Token(BaseModel):
    """A token, without its secret, which is stored nowhere."""

    id: str
    name: str
    role: Role
    projects: list[str] | None
    state: State
    created_at: datetime
    created_by: str = Field(description="Who made it; empty for the first ones.")
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute; null: never.")
    revoked_at: datetime | None
    revoked_by: str | None


class MadeToken(Token):
    """A new token, with its text: the only time that anybody sees it."""

    token: str


class Tokens(BaseModel):
    """A page of tokens, the newest first."""

    tokens: list[Token]
    next: str | None = Field(description="The cursor of the next page; null at the end.")
