"""`voicegw tokens`: make, list and revoke access tokens at a controller; the first one straight in the database."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from urllib.parse import quote

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client, database_url
from voicegateway_shared.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from voicegateway_controller.access.store import TokenRow

PATH: Final = "/api/v1/tokens"
PAGE: Final = 500
LISTED_MAX: Final = 10_000
"""Tokens in one table; more are found by filters."""
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_COLUMNS: Final = {
    "id": "id", "role": "role", "name": "name", "projects": "projects", "state": "state", "created_at": "created",
    "last_used_at": "last used", "expires_at": "expires",
}  # fmt: skip

app = typer.Typer(help="Make, list and revoke access tokens.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Database = Annotated[
    bool,
    typer.Option(
        "--database", help="Straight in the database (VOICEGATEWAY_DATABASE_URL): for the first token, or a lost one."
    ),
]
TokenId = Annotated[str, typer.Argument(help="The id between the underscores, not the whole token.")]

Result = TypeVar("Result")


@app.command()
def create(
    role: Annotated[str, typer.Option(help="What it is for: admin, operator, viewer or worker.")],
    name: Annotated[str, typer.Option(help="For whom; shown in lists and in the audit log.")],
    project: Annotated[list[str] | None, typer.Option(help="Only these projects; default: all.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 90d, 12h, or 2027-01-31. Default: never.", show_default=False)
    ] = None,
    is_database: Database = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Make a token and print it: the only time anybody sees it."""
    from voicegateway_controller.access.rules import Role

    if role not in set(Role):
        raise ConfigurationError(f"--role {role!r} is unknown; take one of {', '.join(Role)}")
    expires_at = None if expires is None else expiry(expires, now=datetime.now(UTC))
    if is_database:
        text = _in_database(home, lambda engine: _created(engine, role, name, project or None, expires_at))
        made: dict[str, Any] = {"token": text, "id": text.split("_")[1]}
    else:
        wanted = {
            "role": role, "name": name, "projects": project or None,
            "expires_at": None if expires_at is None else expires_at.isoformat(),
        }  # fmt: skip
        made = api_client(url, token, home.expanduser()).post(PATH, wanted)
    if is_json:
        output.as_json(made)
    else:
        output.line(made["token"])


@app.command("list")
def list_all(
    role: Annotated[str | None, typer.Option(help="Only of this role.")] = None,
    project: Annotated[str | None, typer.Option(help="Only those that reach this project.")] = None,
    state: Annotated[str | None, typer.Option(help="Only active, expired or revoked ones.")] = None,
    is_database: Database = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """List the tokens, the newest first; their secrets are not stored."""
    if is_database:
        rows = _in_database(home, lambda engine: _listed(engine, role or "", project or "", state or ""))
    else:
        client = api_client(url, token, home.expanduser())
        rows = []
        asked = {"role": role, "project": project, "state": state, "limit": str(PAGE)}
        query = {key: value for key, value in asked.items() if value is not None}
        while len(rows) < LISTED_MAX:
            page = client.get(PATH, **query)
            rows += page["tokens"]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
    if is_json:
        output.as_json(rows)
    else:
        output.as_table(_COLUMNS, [_row(each) for each in rows], title="tokens, times in UTC")


@app.command()
def revoke(
    token_id: TokenId,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
    is_forced: Annotated[bool, typer.Option("--force", help="Even the last admin's of all projects.")] = False,
    is_database: Database = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Revoke a token, for good; every replica refuses it, and sign-ins begun with it, within a second."""
    if token_id.startswith("vgw_"):
        # The secret must not travel in an address.
        token_id = token_id.split("_")[1]
    if is_database:
        _in_database(home, lambda engine: _revoked(engine, token_id, reason))
    else:
        query = {"reason": reason, "force": str(is_forced).lower()}
        api_client(url, token, home.expanduser()).delete(f"{PATH}/{quote(token_id, safe='')}", **query)
    output.line(f"{token_id} is revoked.")


def expiry(text: str, *, now: datetime) -> datetime:
    """Read when a token ends: so long from now, or an instant; one without an offset is UTC."""
    if (span := re.fullmatch(r"(\d{1,6})([mhdw])", text)) is not None:
        return now + timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--expires {text!r} is no time: say 90d, 12h, or 2027-01-31") from error
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    if at <= now:
        raise ConfigurationError(f"--expires {text} has passed already")
    return at


def _row(token: dict[str, Any]) -> dict[str, Any]:
    times = {name: _minute(token[name]) for name in ("created_at", "last_used_at", "expires_at")}
    return {**token, **times, "projects": "all" if token["projects"] is None else ", ".join(token["projects"])}


def _minute(at: str | None) -> str:
    return "never" if at is None else at[:16].replace("T", " ")


async def _created(
    engine: "AsyncEngine", role: str, name: str, projects: list[str] | None, expires_at: datetime | None
) -> str:
    from voicegateway_controller.access.rules import Role
    from voicegateway_controller.access.service import create_token

    return await create_token(
        engine, role=Role(role), name=name, projects=projects, expires_at=expires_at, by="database"
    )


async def _listed(engine: "AsyncEngine", role: str, project: str, state: str) -> list[dict[str, Any]]:
    from voicegateway_controller.access import store
    from voicegateway_controller.db.engine import raw_connection

    async with raw_connection(engine) as connection:
        rows = await store.page(connection, before=None, role=role, project=project, state=state, limit=LISTED_MAX)
    return [_described(row) for row in rows]


def _described(row: "TokenRow") -> dict[str, Any]:
    now = datetime.now(UTC)
    is_expired = row.expires_at is not None and row.expires_at <= now
    return {
        "id": row.id,
        "name": row.name,
        "role": row.role,
        "projects": row.projects,
        "state": "revoked" if row.revoked_at is not None else "expired" if is_expired else "active",
        **{
            name: None if at is None else at.isoformat()
            for name, at in (
                ("created_at", row.created_at),
                ("expires_at", row.expires_at),
                ("last_used_at", row.last_used_at),
                ("revoked_at", row.revoked_at),
            )
        },
        "created_by": row.created_by,
        "revoked_by": row.revoked_by,
    }


async def _revoked(engine: "AsyncEngine", token_id: str, reason: str) -> None:
    from voicegateway_controller.access.service import revoke_token

    if await revoke_token(engine, token_id, by="database", reason=reason) is None:
        raise ConfigurationError(f"there is no token {token_id}; `voicegw tokens list --database` shows them")


def _in_database(home: Path, work: Callable[["AsyncEngine"], Awaitable[Result]]) -> Result:
    from voicegateway_controller.db.engine import make_engine

    async def run() -> Result:
        engine = make_engine(database_url(home.expanduser()), pool_size=1, application_name="voicegw-tokens")
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())
