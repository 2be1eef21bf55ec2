"""Counts what assistants call, as middleware of the server."""

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import BaseModel

from voicegateway_controller import metrics


class ToolCalls:
    """Counts calls of known tools by how they ended; lives as long as its server."""

    def __init__(self, names: frozenset[str]) -> None:
        """`names` are the labels there may be: what is called otherwise is the caller's invention."""
        self._names = names

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass a message on; count it when it is a tool call."""
        if ctx.method != "tools/call":
            return await call_next(ctx)
        asked = (ctx.params or {}).get("name")
        name = asked if isinstance(asked, str) and asked in self._names else "unknown"
        result = "failed"
        try:
            answer = await call_next(ctx)
            result = _result(answer, name)
            return answer
        finally:
            metrics.MCP_TOOL_CALLS.labels(name, result).inc()


def _result(answer: HandlerResult, name: str) -> str:
    """Say how a call ended. What the SDK says of a crash is the tool's name and nothing more."""
    document = answer.model_dump(by_alias=True) if isinstance(answer, BaseModel) else answer or {}
    if not document.get("isError"):
        return "done"
    said = [str(each.get("text", "")) for each in document.get("content") or ()]
    return "failed" if said == [f"Error executing tool {name}"] else "refused"
