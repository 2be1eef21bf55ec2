"""`voicegw top`: the fleet, live: what it spends, who is dear, which limits and budgets come to their end."""

import contextlib
import select
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer
from rich.live import Live

from voicegateway_controller.cli import output
from voicegateway_controller.cli.access import HOME_DEFAULT, Home, Token, Url, api_client
from voicegateway_controller.cli.top_view import screen
from voicegateway_controller.client import ApiClient
from voicegateway_shared.errors import VoiceGatewayError

PARTS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "projects": ("/api/v1/spend", {"bucket": "minute", "by": "project"}),
    "models": ("/api/v1/spend", {"bucket": "minute", "by": "model"}),
    "live": ("/api/v1/live", {}),
    "budgets": ("/api/v1/budgets/status", {}),
    "limits": ("/api/v1/limits", {}),
    "workers": ("/api/v1/workers", {"limit": "500"}),
    "providers": ("/api/v1/providers/health", {}),
}
"""What is asked for one view, by name."""
KEY_LOOK_S: Final = 0.1


def top(
    interval_s: Annotated[float, typer.Option("--interval", help="Seconds between two looks.", min=0.5, max=60)] = 2.0,
    is_once: Annotated[bool, typer.Option("--once", help="Show it once and leave.")] = False,
    is_json: Annotated[bool, typer.Option("--json", help="Print what one view is made of, as JSON.")] = False,
    url: Url = None,
    token: Token = None,
    home: Home = HOME_DEFAULT,
) -> None:
    """Watch the fleet: spend per minute, live calls, dearest projects and models, what is nearly used up. q leaves."""
    client = api_client(url, token, home.expanduser())
    seen = look(client)
    if is_json:
        output.as_json(seen)
        return
    if is_once or not output.console.is_terminal:
        output.console.print(screen(seen, width=output.console.width, height=None))
        return
    with (
        _keys() as keys,
        Live(_shown(seen), console=output.console, auto_refresh=False, screen=True) as live,
        contextlib.suppress(KeyboardInterrupt),
    ):
        while not _has_left(keys, within_s=interval_s):
            live.update(_shown(look(client)), refresh=True)


def look(client: ApiClient) -> dict[str, Any]:
    """Return everything one view shows; a part that cannot be had is its reason.

    Raises:
        VoiceGatewayError: nothing can be had.
    """
    seen: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, (path, query) in PARTS.items():
        try:
            seen[name] = client.get(path, **query)
        except VoiceGatewayError as error:
            problems[name] = str(error)
            if not seen and len(problems) > 1:
                # Nobody answers at all: the other five would not either.
                raise
    return {**seen, "problems": problems, "at": time.time()}


def _shown(seen: dict[str, Any]) -> Any:
    return screen(seen, width=output.console.width, height=output.console.height)


@contextlib.contextmanager
def _keys() -> Iterator[int | None]:
    """Lend the terminal's keys one by one, without echo; None where there are none to be had."""
    try:
        import termios
        import tty
    except ImportError:
        # No such terminal: Ctrl-C leaves.
        yield None
        return
    try:
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):
        yield None
        return
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _has_left(keys: int | None, *, within_s: float) -> bool:
    """Wait for the next look; say whether the reader pressed q before that."""
    deadline = time.monotonic() + within_s
    while (left_s := deadline - time.monotonic()) > 0:
        if keys is None:
            time.sleep(left_s)
            continue
        ready, _, _ = select.select([keys], [], [], min(left_s, KEY_LOOK_S))
        if ready and sys.stdin.read(1) in ("q", "Q", "\x1b", ""):
            return True
    return False
