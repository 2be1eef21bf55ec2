"""Tools that declare limits, budgets and chains, one at a time."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from voicegateway_controller.mcp_server.declaring import Change, named, plan
from voicegateway_controller.mcp_server.preview import Confirm, Outcome, Revision, carry_out
from voicegateway_controller.mcp_server.reach import Ctx, api_of

Id = Annotated[str, Field(min_length=1, max_length=256, description="Its id, as the list tells it.")]
RoutingPart = Literal["stt", "llm", "tts", "realtime"]
Name = Annotated[str, Field(min_length=1, max_length=256, description="The chain's name.")]
Whose = Annotated[str, Field(max_length=256, description="Only for this project; empty: for everybody.")]
Models = Annotated[
    list[str | dict[str, Any]] | dict[str, Any],
    Field(
        description='Models in the order in which they are asked, `["openai/gpt-4.1-mini", '
        '"groq/openai/gpt-oss-120b"]`; or `{models: […], strategy: cheapest, hedge: true, attempt_timeout_ms: 3000}`.'
    ),
]


async def set_limit(
    ctx: Ctx,
    declaration: Annotated[
        dict[str, Any],
        Field(
            description="As in a limits file: whom it is about (`provider`, `model`, `project`, …) and how much "
            "(`requests_per_min`, `tokens_per_min`, `concurrent`, …): `{provider: openai, requests_per_min: 500}`. "
            "It replaces the limit of the same `name`, or about the same things."
        ),
    ],
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Declare one rate limit for the whole fleet; the others stay.

    Previews first: call without `confirm`, show the diff, then call again with `confirm` and its `revision`.
    """
    return await carry_out(await plan(api_of(ctx), named("limits", declaration)), confirm=confirm, revision=revision)


async def remove_limit(ctx: Ctx, limit_id: Id, confirm: Confirm = False, revision: Revision = None) -> Outcome:
    """Take one rate limit away; requests it held back are no longer held. Previews first, as `set_limit` does."""
    change = Change(section="limits", path=(limit_id,), declared=None)
    return await carry_out(await plan(api_of(ctx), change), confirm=confirm, revision=revision)


async def set_budget(
    ctx: Ctx,
    declaration: Annotated[
        dict[str, Any],
        Field(
            description='As in a budgets file: `{project: acme, amount: "25.00", window: day, zone: Europe/Berlin, '
            "action: block}`. Amounts are texts in US dollars. It replaces the budget of the same `name`, or about the "
            "same things in the same window."
        ),
    ],
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Declare one budget; the others stay. One that is spent already acts at once: look at `get_budgets` before.

    Previews first: call without `confirm`, show the diff, then call again with `confirm` and its `revision`.
    """
    return await carry_out(await plan(api_of(ctx), named("budgets", declaration)), confirm=confirm, revision=revision)


async def remove_budget(ctx: Ctx, budget_id: Id, confirm: Confirm = False, revision: Revision = None) -> Outcome:
    """Take one budget away: nothing stops that spending any more. Previews first, as `set_budget` does."""
    change = Change(section="budgets", path=(budget_id,), declared=None)
    return await carry_out(await plan(api_of(ctx), change), confirm=confirm, revision=revision)


async def set_chain(
    ctx: Ctx,
    part: Annotated[RoutingPart, Field(description="Of which part of an agent.")],
    name: Name,
    models: Models,
    project: Whose = "",
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Declare one fallback chain: which models stand in for one another, and in which order; the others stay.

    Previews first: call without `confirm`, show the diff, then call again with `confirm` and its `revision`.
    Afterwards `explain_resolve` says who serves.
    """
    if not models:
        raise ToolError("a chain has at least one model; to take it away, call `remove_chain`. Nothing was changed")
    change = Change(section="routing", path=_path(part, name, project), declared=models)
    return await carry_out(await plan(api_of(ctx), change), confirm=confirm, revision=revision)


async def remove_chain(
    ctx: Ctx,
    part: Annotated[RoutingPart, Field(description="Of which part of an agent.")],
    name: Name,
    project: Whose = "",
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Take one fallback chain away; agents that ask for it by name find nobody. Previews first, as `set_chain` does."""
    change = Change(section="routing", path=_path(part, name, project), declared=None)
    return await carry_out(await plan(api_of(ctx), change), confirm=confirm, revision=revision)


def _path(part: str, name: str, project: str) -> tuple[str, ...]:
    home = ("projects", project) if project else ()
    return (*home, "chains", part, name)
