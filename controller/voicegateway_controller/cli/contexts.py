"""`voicegw contexts`: controllers by name, and which of them commands talk to."""

import os
import sys
from typing import Annotated

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, chosen_context
from voicegateway_controller.cli.context_file import LOCAL, Context, read_contexts
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.masking import mask
from voicegateway_shared.worker_section import CHECKS

app = typer.Typer(help="Controllers by name, and which of them commands talk to.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="The context's name.")]


@app.command("list")
def list_all(is_json: Json = False, home: Home = HOME_DEFAULT) -> None:
    """List the contexts; the one with a star is asked where nothing else is said. Tokens are masked."""
    contexts = read_contexts(home.expanduser())
    chosen = chosen_context() or contexts.current or LOCAL
    rows = [{"name": LOCAL, "url": "the stack of this machine", "token": "", "is_current": chosen == LOCAL}]
    rows += [
        {
            "name": name,
            "url": each.url,
            "token": f"${each.token_env}" if each.token_env else mask(each.token),
            "is_current": name == chosen,
        }
        for name, each in sorted(contexts.contexts.items())
    ]
    if is_json:
        output.as_json(rows)
        return
    shown = [{**row, "current": "*" if row["is_current"] else ""} for row in rows]
    output.as_table({"name": "name", "current": "", "url": "controller", "token": "token"}, shown, title="contexts")


@app.command()
def use(name: Name, home: Home = HOME_DEFAULT) -> None:
    """Talk to this one from now on; `local` is the stack of this machine."""
    contexts = read_contexts(home.expanduser())
    if name != LOCAL:
        contexts.get(name)
    _replaced(home, current="" if name == LOCAL else name)
    output.line(f"commands talk to {name} now.")
    if "VOICEGATEWAY_URL" in os.environ:
        output.line("note: VOICEGATEWAY_URL is set and comes first; unset it.", style="yellow")


@app.command("set")
def set_one(
    name: Name,
    url: Annotated[str, typer.Option("--url", help="The controller's address.")],
    token: Annotated[str | None, typer.Option("--token", help="A token of it; `-` reads it from stdin.")] = None,
    token_env: Annotated[str | None, typer.Option("--token-env", help="The variable that will hold the token.")] = None,
    is_used: Annotated[bool, typer.Option("--use", help="Also talk to it from now on.")] = False,
    home: Home = HOME_DEFAULT,
) -> None:
    """Add a context, or change the one of that name. Without --token it is asked for, unseen."""
    address = CHECKS["url"]("--url", url)
    if token is not None and token_env is not None:
        raise ConfigurationError("give --token or --token-env, not both")
    if token == "-" or (token is None and token_env is None and not sys.stdin.isatty()):
        token = sys.stdin.readline(4_096).strip()
    if token is None and token_env is None:
        token = typer.prompt(f"token of {address}", hide_input=True).strip()
    if not token and not token_env:
        raise ConfigurationError("a context needs a token: give --token, --token - or --token-env")
    folder = home.expanduser()
    context = Context(url=address, token=token or "", token_env=token_env or "")
    contexts = read_contexts(folder).with_one(name, context)
    contexts.write()
    if is_used:
        _replaced(home, current=name)
    output.line(f"context {name} is {address}{', and commands talk to it now' if is_used else ''}.")


@app.command()
def delete(name: Name, home: Home = HOME_DEFAULT) -> None:
    """Forget a context. The token itself goes on working: revoke it with `voicegw tokens revoke`."""
    contexts = read_contexts(home.expanduser())
    contexts.get(name)
    left = {key: each for key, each in contexts.contexts.items() if key != name}
    was_current = contexts.current == name
    type(contexts)(path=contexts.path, contexts=left, current="" if was_current else contexts.current).write()
    output.line(f"context {name} is forgotten{'; commands talk to the local stack now' if was_current else ''}.")


@app.command()
def current(is_json: Json = False, home: Home = HOME_DEFAULT) -> None:
    """Print the name of the context that commands talk to."""
    name = chosen_context() or read_contexts(home.expanduser()).current or LOCAL
    if is_json:
        output.as_json({"name": name})
    else:
        output.line(name)


def _replaced(home: "Home", *, current: str) -> None:
    contexts = read_contexts(home.expanduser())
    type(contexts)(path=contexts.path, contexts=contexts.contexts, current=current).write()
