"""Tools that change prices: what a dry run of the API says is what the preview shows."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from voicegateway_controller.mcp_server.asking import AdminApi
from voicegateway_controller.mcp_server.preview import Confirm, Outcome, Plan, Revision, carry_out
from voicegateway_controller.mcp_server.reach import Ctx, api_of

Why = Annotated[str, Field(min_length=1, max_length=1_000, description="Why; kept for ever.")]
Price = Annotated[
    dict[str, Any],
    Field(
        description='A row of a price file: `{meter: audio_sent_ms, amount: "0.0041", per: 1 minute}`. Amounts are '
        "texts. What is left out is as in the list price; `when: {mode: streaming}` chooses among several."
    ),
]


async def set_price(
    ctx: Ctx,
    provider: Annotated[str, Field(min_length=1, max_length=256, description="As in model strings: `deepgram`.")],
    model: Annotated[str, Field(min_length=1, max_length=256, description="Its name, or an alias of it.")],
    price: Price,
    reason: Why,
    project: Annotated[str, Field(max_length=256, description="For this project alone; empty: list price.")] = "",
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Record a price that holds from now on; what was rated stays as it was. Needs an operator of all projects.

    Previews first: call without `confirm`, show the diff, then call again with `confirm` and its `revision`.
    """
    asked = {"provider": provider, "model": model, "price": price, "reason": reason, "project": project}
    plan = await _set(api_of(ctx), asked)
    return await carry_out(plan, confirm=confirm, revision=revision)


async def withdraw_price(
    ctx: Ctx,
    price_id: Annotated[str, Field(min_length=1, max_length=512, description="As `get_prices` tells it.")],
    reason: Why,
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Withdraw a managed price: what it stood in for holds again. Previews first, as `set_price` does."""
    api, path = api_of(ctx), f"/api/v1/prices/{quote(price_id, safe='/')}"
    tried = (await api.ask("DELETE", path, query={"reason": reason, "is_dry_run": True})).document

    async def do() -> list[str]:
        return list((await api.ask("DELETE", path, query={"reason": reason, "is_dry_run": False})).document["warnings"])

    plan = _plan(f"price {price_id} is withdrawn", tried, do)
    return await carry_out(plan, confirm=confirm, revision=revision)


async def _set(api: AdminApi, asked: dict[str, Any]) -> Plan:
    tried = (await api.ask("POST", "/api/v1/prices", document={**asked, "is_dry_run": True})).document

    async def do() -> list[str]:
        applied = (await api.ask("POST", "/api/v1/prices", document={**asked, "is_dry_run": False})).document
        return list(applied["warnings"])

    return _plan(f"a price of {asked['provider']}/{asked['model']} is recorded", tried, do)


def _plan(summary: str, tried: dict[str, Any], do: Callable[[], Awaitable[list[str]]]) -> Plan:
    """Return the plan of what a dry run told: that from now on, whenever that is, something holds."""
    changes = [each for each in tried["changes"] if each["action"] != "unchanged"]
    return Plan(
        summary=summary,
        before=[{"price": _name(each), "amount": each["before_amount"]} for each in changes],
        after=[{"price": _name(each), "action": each["action"], **each["content"]} for each in changes],
        do=do,
        etag=str(tried["revision"]),
        warnings=tuple(tried["warnings"]),
    )


def _name(change: dict[str, Any]) -> str:
    """Return a price's id without what differs from one instant to the next."""
    return str(change["price_id"] or change["provider"]).partition("@")[0]
