"""An answer that is made while it is sent, and ends what makes it when the reader goes away."""

from collections.abc import AsyncGenerator

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class MadeAnswer(StreamingResponse):
    """Lives for one answer. What makes it holds a place and a connection: both are free when this ends, however."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], *, media_type: str, headers: dict[str, str]) -> None:
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pieces.aclose()
