"""Tools that stop and start things: vendors, live calls."""

from typing import Annotated, Any
from urllib.parse import quote

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from voicegateway_controller.health.schemas import FOR_S_MAX
from voicegateway_controller.mcp_server.asking import AdminApi
from voicegateway_controller.mcp_server.preview import Confirm, Outcome, Plan, Revision, carry_out
from voicegateway_controller.mcp_server.reach import Ctx, api_of
from voicegateway_controller.mcp_server.tools.arguments import Reason
from voicegateway_controller.sessions.ending import SENTENCE_CHARS_MAX

PROVIDERS = "/api/v1/providers"
SHOWN_MAX = 20
"""Sessions named one by one in a preview; the others are counted."""
Target = Annotated[
    str, Field(min_length=1, max_length=320, description="A vendor, `openai`, or one of its models, `openai/gpt-4.1`.")
]


async def switch_off_provider(
    ctx: Ctx,
    target: Target,
    reason: Reason,
    for_minutes: Annotated[
        int | None, Field(ge=1, le=FOR_S_MAX // 60, description="So long; until it is switched on when absent.")
    ] = None,
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Have all workers ask others than a vendor, or than one of its models. An agent that has no other goes on with it.

    Previews first: call without `confirm`, show the result, then call again with `confirm` and its `revision`.
    """
    api, (provider, model) = api_of(ctx), _parted(target)
    wanted = {"model": model, "for_s": None if for_minutes is None else for_minutes * 60, "reason": reason}
    now = await _switched_off(api, provider, model)

    async def do() -> list[str]:
        await api.ask("POST", f"{PROVIDERS}/{quote(provider, safe='')}/disabled", document=wanted)
        return []

    lasts = "until it is switched on" if for_minutes is None else f"for {for_minutes} minutes"
    after = {"target": target, "is_off": True, "lasts": lasts, "reason": reason}
    plan = Plan(summary=f"{target} is switched off {lasts}", before=now, after=after, do=do)
    return await carry_out(plan, confirm=confirm, revision=revision)


async def switch_on_provider(ctx: Ctx, target: Target, confirm: Confirm = False, revision: Revision = None) -> Outcome:
    """Let workers ask a vendor, or one of its models, again. Previews first, as `switch_off_provider` does."""
    api, (provider, model) = api_of(ctx), _parted(target)
    now = await _switched_off(api, provider, model)

    async def do() -> list[str]:
        await api.ask("DELETE", f"{PROVIDERS}/{quote(provider, safe='')}/disabled", query={"model": model})
        return []

    after = {"target": target, "is_off": False}
    plan = Plan(summary=f"{target} is switched on again", before=now, after=after, do=do)
    return await carry_out(plan, confirm=confirm, revision=revision)


async def end_session(
    ctx: Ctx,
    session_id: Annotated[str, Field(min_length=1, max_length=256, description="As `get_live_calls` tells it.")],
    reason: Reason,
    sentence: Annotated[
        str, Field(max_length=SENTENCE_CHARS_MAX, description="Spoken first; the worker's own when empty.")
    ] = "",
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """End one live call: its worker says goodbye and hangs up. The caller notices; it cannot be taken back.

    Previews first: call without `confirm`, show the result, then call again with `confirm` and its `revision`.
    """
    path = f"/api/v1/sessions/{quote(session_id, safe='')}/end"
    return await _end(api_of(ctx), path, {"reason": reason, "sentence": sentence}, confirm=confirm, revision=revision)


async def end_sessions(
    ctx: Ctx,
    reason: Reason,
    project: Annotated[str | None, Field(max_length=256, description="Those of this project.")] = None,
    over_usd: Annotated[str | None, Field(max_length=40, description="Those that cost more: `2.00`.")] = None,
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """End all live calls of a project, or that cost more than an amount, or both. Previews first, as `end_session`."""
    if project is None and over_usd is None:
        raise ToolError("which calls: give a project, an amount, or both. Nothing was changed")
    order = {"project": project, "over": over_usd, "reason": reason}
    return await _end(api_of(ctx), "/api/v1/sessions/end", order, confirm=confirm, revision=revision)


async def _end(api: AdminApi, path: str, order: dict[str, Any], *, confirm: bool, revision: str | None) -> Outcome:
    found = (await api.ask("POST", path, document={**order, "dry_run": True})).document
    # Amounts grow by the second: what is confirmed is which calls end.
    live = sorted(each["session_id"] for each in found["sessions"])

    async def do() -> list[str]:
        told = (await api.ask("POST", path, document={**order, "dry_run": False})).document
        ended = {each["session_id"] for each in told["sessions"]}
        return (
            [f"{len(ended - set(live))} more began to match meanwhile and are ended too"] if ended - set(live) else []
        )

    warnings = [
        f"{each['session_id']} of {each['project']} has cost {each['amount_usd']} USD so far"
        for each in found["sessions"][:SHOWN_MAX]
    ]
    if found["left_out"]:
        warnings.append(f"{found['left_out']} more match than one order ends")
    plan = Plan(
        summary=f"{len(live)} live calls are told to end",
        before={"live": live, "ended": []},
        after={"live": [], "ended": live},
        do=do,
        warnings=tuple(warnings),
    )
    return await carry_out(plan, confirm=confirm, revision=revision)


async def _switched_off(api: AdminApi, provider: str, model: str) -> dict[str, Any]:
    """Return how a vendor or a model is switched now, as the preview shows it."""
    target = f"{provider}/{model}" if model else provider
    for each in (await api.get(f"{PROVIDERS}/health"))["disabled"]:
        if (each["provider"], each["model"]) == (provider, model):
            lasts = "until it is switched on" if each["until"] is None else f"until {each['until']}"
            return {"target": target, "is_off": True, "lasts": lasts, "reason": each["reason"]}
    return {"target": target, "is_off": False}


def _parted(target: str) -> tuple[str, str]:
    provider, _, model = target.partition("/")
    return provider, model
