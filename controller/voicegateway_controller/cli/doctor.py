"""`voicegw doctor`: is everything here that this machine needs, and does what runs answer?"""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_shared.errors import VoiceGatewayError

FREE_BYTES_MIN: Final = 1024**3
PLUGINS: Final = ("deepgram", "openai", "cartesia")

Check = tuple[str, bool, str]


def doctor(
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Check this machine and the controller; exit code 1 when something that is needed is wrong."""
    checks = [*_machine(home.expanduser()), *_packages(), *_controller(url, token, home.expanduser())]
    if is_json:
        output.as_json([{"check": name, "ok": ok, "detail": detail} for name, ok, detail in checks])
    else:
        for name, ok, detail in checks:
            output.line(f"{'ok   ' if ok else 'WRONG'}  {name:<22} {detail}", style=None if ok else "red")
    sys.exit(0 if all(ok for _, ok, _ in checks) else 1)


def _machine(home: Path) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield "python", sys.version_info >= (3, 11), version
    folder = next(path for path in (home, *home.parents) if path.exists())
    writable = os.access(folder, os.W_OK)
    yield "home", writable, str(home) if writable else f"{folder} is not writable; set VOICEGATEWAY_HOME"
    free = shutil.disk_usage(folder).free
    yield "disk", free >= FREE_BYTES_MIN, f"{free // 1024**2} MiB free in {folder}"
    # Imported here: it brings the database driver, which other commands need not wait for.
    from voicegateway_controller.embedded.binaries import find_postgres, find_valkey

    for name, given, find in (
        ("postgres", ("VOICEGATEWAY_DATABASE_URL", "DATABASE_URL"), find_postgres),
        ("valkey", ("VOICEGATEWAY_REDIS_URL", "REDIS_URL"), find_valkey),
    ):
        yield _server(name, given, find)


def _server(name: str, variables: tuple[str, ...], find: Any) -> Check:
    from voicegateway_controller.embedded.errors import MissingBinaries

    variable = next((variable for variable in variables if os.environ.get(variable)), None)
    if variable is not None:
        return name, True, f"your own, from {variable}"
    try:
        return name, True, f"embedded, {find().path}"
    except MissingBinaries as error:
        return name, False, str(error)


def _packages() -> Iterator[Check]:
    for package in ("livekit-agents", *(f"livekit-plugins-{name}" for name in PLUGINS)):
        try:
            yield package, True, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            yield package, True, "not installed (only workers need it)"
    dashboard = Path(__file__).parents[1] / "web" / "index.html"
    yield "dashboard", True, "built" if dashboard.exists() else "not built: `make web`"
    yield "worker shim", find_spec("voicegateway") is not None, importlib.metadata.version("voicegateway")


def _controller(url: str | None, token: str | None, home: Path) -> Iterator[Check]:
    try:
        status = api_client(url, token, home).get("/api/v1/ledger/status")
    except VoiceGatewayError as error:
        yield "controller", url is None, str(error) if url else "none runs here"
        return
    yield "controller", True, "answers"
    lag_ms = status["oldest_pending_age_ms"] or 0
    yield "ledger", True, f"{status['pending_spans']} spans pending, lag {lag_ms} ms"
    unrated, bad = status["unrated_requests_total"], status["quarantined_total"]
    yield "unrated", unrated == 0, f"{unrated} requests without a price"
    yield "quarantine", bad == 0, f"{bad} malformed spans"
