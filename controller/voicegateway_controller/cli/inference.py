"""`voicegw inference`: serve LiveKit Inference's protocol, for agents whose code nobody touches."""

import os
import sys
from typing import Annotated

import typer

from voicegateway_controller.local.inference import MODULE, check_packages


def inference(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8590 by default.", min=0, max=65535)] = None,
) -> None:
    """Serve LiveKit Inference's protocol until SIGTERM. Settings come from the environment, as a worker's do."""
    check_packages()
    for name, value in (("HOST", host), ("PORT", port)):
        if value is not None:
            os.environ[f"VOICEGATEWAY_INFERENCE_{name}"] = str(value)
    # It is the shim's program and not the service's: this process becomes it.
    os.execv(sys.executable, [sys.executable, "-m", MODULE])
