"""The inference server beside a local stack: whether it can run here, and what it and its agents are told."""

import importlib.util
from pathlib import Path
from typing import Final

from voicegateway_controller.local.connection import Connection
from voicegateway_shared.errors import MissingPackage

MODULE: Final = "voicegateway.inference_server"
PORT_DEFAULT: Final = 8590
_NEEDED: Final = ("livekit.agents", "livekit.api", "openai", MODULE)


def port_for(asked: int | None) -> int | None:
    """Return where it listens; None where it is not wanted, cannot run, or nobody asked and its port is in use."""
    if asked == 0 or not all(_is_here(name) for name in _NEEDED):
        return None
    if asked is not None:
        return asked
    # Here and below: every command of the command line imports this module, and must not wait for the service's.
    from voicegateway_controller.embedded.ports import is_free

    return PORT_DEFAULT if is_free(PORT_DEFAULT) else None


def check_packages() -> None:
    """Raise MissingPackage, with what to install, where the inference server cannot run."""
    missing = [name for name in _NEEDED if not _is_here(name)]
    if missing:
        raise MissingPackage(
            f"the inference server needs {', '.join(missing)}: pip install 'voicegateway[livekit]' and the extras of "
            "your vendors, such as 'voicegateway[deepgram,openai,cartesia]'"
        )


def agents_environment(connection: Connection, host: str, port: int) -> dict[str, str]:
    """What agents set, and nothing else: the key is the worker token's."""
    from voicegateway_controller.access.rules import parse_token

    parts = parse_token(connection.worker_token)
    return {
        "LIVEKIT_INFERENCE_URL": f"http://{host}:{port}/v1",
        "LIVEKIT_INFERENCE_API_KEY": parts.id if parts is not None else "voicegateway",
        "LIVEKIT_INFERENCE_API_SECRET": connection.worker_token,
    }


def servers_environment(connection: Connection, host: str, port: int, home: Path) -> dict[str, str]:
    """What the server is told, beside what the stack's own environment says, such as the vendors' keys."""
    return {
        **agents_environment(connection, host, port),
        "VOICEGATEWAY_URL": connection.url,
        "VOICEGATEWAY_TOKEN": connection.worker_token,
        "VOICEGATEWAY_OUTBOX_DIR": str(home / "inference-outbox"),
        "VOICEGATEWAY_INFERENCE_HOST": host,
        "VOICEGATEWAY_INFERENCE_PORT": str(port),
    }


def _is_here(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
