"""`voicegw tokens`: create, list and revoke access tokens, straight in the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from voicegateway_controller.cli import output
from voicegateway_shared.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

app = typer.Typer(help="Create, list and revoke access tokens.", no_args_is_help=True)

Result = TypeVar("Result")


@app.command()
def create(
    role: Annotated[str, typer.Option(help="What it is for: admin, operator, viewer or worker.")],
    name: Annotated[str, typer.Option(help="For whom; shown in lists.")],
    project: Annotated[list[str] | None, typer.Option(help="Only these projects; default: all.")] = None,
) -> None:
    """Create a token and print it: the only time anybody sees it."""
    from voicegateway_controller.access.rules import Role
    from voicegateway_controller.access.service import create_token

    if role not in set(Role):
        raise ConfigurationError(f"--role {role!r} is unknown; take one of {', '.join(Role)}")
    text = _with_engine(lambda engine: create_token(engine, role=Role(role), name=name, projects=project or None))
    output.line(text)


@app.command("list")
def list_all(is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the tokens; their secrets are not stored."""
    from voicegateway_controller.access.service import list_tokens

    rows = [
        {
            "id": row.id,
            "role": row.role,
            "name": row.name,
            "projects": "all" if row.projects is None else ", ".join(row.projects),
            "state": "revoked" if row.revoked_at else "active",
        }
        for row in _with_engine(list_tokens)
    ]
    if is_json:
        output.as_json(rows)
    else:
        columns = ("id", "role", "name", "projects", "state")
        output.as_table({column: column for column in columns}, rows, title="tokens")


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="The id between the underscores, not the whole token.")],
) -> None:
    """Revoke a token; every replica refuses it within ten seconds."""
    from voicegateway_controller.access.service import revoke_token

    if not _with_engine(lambda engine: revoke_token(engine, token_id)):
        output.error(f"there is no token {token_id}")
        raise typer.Exit(1)
    output.line(f"{token_id} is revoked.")


def _with_engine(work: Callable[["AsyncEngine"], Awaitable[Result]]) -> Result:
    from voicegateway_controller.db.engine import make_engine
    from voicegateway_controller.settings import load_database_settings

    async def run() -> Result:
        url = load_database_settings().database_url.get_secret_value()
        engine = make_engine(url, pool_size=1, application_name="voicegw-tokens")
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())
