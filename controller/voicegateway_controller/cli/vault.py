"""`voicegw vault`: how the vault is, and its own secrets, under which vendors' keys are sealed."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_shared.errors import ConfigurationError

PATH: Final = "/api/v1/vault"
RESEAL_TIMEOUT_S: Final = 120.0
"""A thousand keys are re-sealed in a second or two."""

app = typer.Typer(help="The vault's own secrets, under which vendors' keys are sealed.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def status(is_json: Json = False, url: Url = None, token: Token = None, home: Home = HOME_DEFAULT) -> None:
    """Say which secrets each controller has, and what is sealed under which. Exit code 1 when anything is wrong."""
    found = api_client(url, token, home.expanduser()).get(PATH)
    if is_json:
        output.as_json(found)
    else:
        _show(found)
    if not found["is_open"]:
        raise typer.Exit(1)


@app.command("rotate-secret")
def rotate_secret(
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which keys it would be.")] = False,
    is_forced: Annotated[
        bool, typer.Option("--force", help="Also while a controller is there that has not the primary secret.")
    ] = False,
    is_json: Json = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Re-seal everything under the primary secret; keys are lent all the while. Exit code 1 when a key was left."""
    client = api_client(url, token, home.expanduser())
    done = client.post(f"{PATH}/rotate-secret", {"force": is_forced, "dry_run": is_dry_run}, timeout_s=RESEAL_TIMEOUT_S)
    if is_json:
        output.as_json(done)
    elif is_dry_run:
        output.line(f"would be re-sealed under secret {done['primary_id']}: {', '.join(done['keys']) or 'nothing'}")
    else:
        output.line(f"{done['resealed']} keys are re-sealed under secret {done['primary_id']}.")
        if done["unopened"]:
            output.error(f"left, for their secret is not here: {', '.join(done['unopened'])}")
        else:
            output.line("The other secrets can be left out of VOICEGATEWAY_VAULT_SECRETS now, everywhere.")
    if done["unopened"]:
        raise typer.Exit(1)


@app.command("new-secret")
def new_secret(
    into: Annotated[
        Path | None, typer.Option(help="Write it as the first line of this file, 0600, and do not print it.")
    ] = None,
) -> None:
    """Make a secret for VOICEGATEWAY_VAULT_SECRETS, or the file of VOICEGATEWAY_VAULT_SECRETS_FILE."""
    from voicegateway_controller.vault.ring import new_secret as made
    from voicegateway_controller.vault.ring import secret_id
    from voicegateway_controller.vault.secret_file import add_secret

    text = made()
    if into is None:
        output.text(f"{text}\n")
        return
    try:
        add_secret(into.expanduser(), text)
    except OSError as error:
        raise ConfigurationError(f"{into} cannot be written: {error.strerror}") from error
    output.line(f"secret {secret_id(text)} is the first of {into}; then run `voicegw vault rotate-secret`")


def _show(found: dict[str, Any]) -> None:
    output.line("open" if found["is_open"] else f"locked: {found['problem']}")
    rows = [
        {
            "id": secret,
            "role": "primary"
            if secret == found["primary_id"]
            else "also here"
            if secret in found["secrets"]
            else "gone",
            "keys": str(found["sealed_under"].get(secret, 0)),
        }
        for secret in dict.fromkeys([*found["secrets"], *found["sealed_under"]])
    ]
    output.as_table({"id": "secret", "role": "here", "keys": "keys under it"}, rows, title="secrets")
    columns = {"id": "controller", "secrets": "secrets, the primary first", "seen_at": "seen"}
    controllers = [
        {
            "id": each["id"],
            "secrets": ", ".join(each["secrets"]) or "none",
            "seen_at": each["seen_at"][:19].replace("T", " "),
        }
        for each in found["replicas"]
    ]
    output.as_table(columns, controllers, title="controllers, times in UTC")
    counts = ", ".join(f"{count} {state}" for state, count in sorted(found["keys"].items()))
    output.line(f"keys: {counts or 'none'}; lent for {found['lease_s']} s")
    if found["unreadable"]:
        output.line(f"cannot be read: {', '.join(found['unreadable'])} (`voicegw keys list` says why)")
