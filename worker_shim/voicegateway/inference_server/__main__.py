"""`python -m voicegateway.inference_server`: serve LiveKit Inference's protocol until SIGTERM."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

from voicegateway import Gateway
from voicegateway.inference_server.server import InferenceServer, vendors_client
from voicegateway.inference_server.settings import Settings
from voicegateway.options import Options
from voicegateway_shared.errors import VoiceGatewayError

logger = logging.getLogger("voicegateway")

_TALKATIVE: Final = ("httpx", "httpx2")
"""They log every request."""


def main() -> None:
    """Exit code 2: a setting is wrong, or the port is in use."""
    parser = argparse.ArgumentParser(prog="python -m voicegateway.inference_server", description=__doc__)
    parser.add_argument("--url-file", type=Path, help="write the URL for LIVEKIT_INFERENCE_URL here once it listens")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(_serve(Settings.load(), Options.load(), arguments.url_file))
    except (VoiceGatewayError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


async def _serve(settings: Settings, options: Options, url_file: Path | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    async with vendors_client(), Gateway(options) as gateway:
        # Keys that the fleet lends are here before the first caller is.
        await gateway.ready()
        server = InferenceServer(settings, gateway)
        try:
            await server.start()
            logger.info("inference is served: LIVEKIT_INFERENCE_URL=%s", server.url)
            if url_file is not None:
                _write_whole(url_file, server.url)
            await stopped.wait()
            logger.info("stopping: waiting for %d connections", server.connections)
            await server.drain()
        finally:
            await server.aclose()


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees all or nothing."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    partial.write_text(text)
    partial.replace(path)


if __name__ == "__main__":
    main()
