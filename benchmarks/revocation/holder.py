"""One job process of the benchmark: it asks a vendor again and again by the key that it was lent, in one long call."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from livekit.agents import APIConnectOptions, APIError
from livekit.agents.llm import ChatContext

from voicegateway import Gateway, Options
from voicegateway_shared.errors import ConfigurationError

PAUSE_S: Final = 0.02
REQUESTS_OF_A_PLUGIN: Final = 10
"""So that keys that are added come into use: a plugin stays with its key while that holds."""
ONCE: Final = APIConnectOptions(max_retry=0, timeout=5.0)


async def hold(controller: str, token: str, vendor: str, name: str) -> None:
    """Ask until it is killed."""
    with tempfile.TemporaryDirectory() as folder:
        async with Gateway(Options(url=controller, token=token, outbox_dir=Path(folder))) as gateway:
            await gateway.ready(10.0)
            context = ChatContext.empty()
            context.add_message(role="user", content="Are you there?")
            while True:
                try:
                    llm = gateway.llm(f"openai/{name}", base_url=f"{vendor}/v1")
                except ConfigurationError:
                    await asyncio.sleep(PAUSE_S)
                    continue
                for _ in range(REQUESTS_OF_A_PLUGIN):
                    try:
                        async with llm.chat(chat_ctx=context, conn_options=ONCE) as stream:
                            async for _chunk in stream:
                                pass
                    except APIError:
                        break
                    await asyncio.sleep(PAUSE_S)
                await llm.aclose()


if __name__ == "__main__":
    asyncio.run(hold(*sys.argv[1:5]))
