"""One job process of the benchmark: in one long call it asks the chain `fast` again and again, by the newest word."""

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
ONCE: Final = APIConnectOptions(max_retry=0, timeout=5.0)


async def hold(controller: str, token: str, name: str) -> None:
    """Ask until it is killed; the vendor sees who asks by the header's name."""
    with tempfile.TemporaryDirectory() as folder:
        async with Gateway(Options(url=controller, token=token, outbox_dir=Path(folder))) as gateway:
            await gateway.ready(10.0)
            context = ChatContext.empty()
            context.add_message(role="user", content=name)
            while True:
                await asyncio.sleep(PAUSE_S)
                try:
                    llm = gateway.llm("fast")
                except ConfigurationError:
                    continue
                try:
                    async with llm.chat(chat_ctx=context, conn_options=ONCE) as stream:
                        async for _chunk in stream:
                            pass
                except APIError:
                    continue
                finally:
                    await llm.aclose()


if __name__ == "__main__":
    asyncio.run(hold(*sys.argv[1:4]))
