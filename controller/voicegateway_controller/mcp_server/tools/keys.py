"""Tools for vendors' keys. A key's text never stands in a conversation: it is named by the variable that holds it."""

from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import Field

from voicegateway_controller.mcp_server import listings
from voicegateway_controller.mcp_server.asking import AdminApi
from voicegateway_controller.mcp_server.preview import Confirm, Outcome, Plan, Revision, carry_out
from voicegateway_controller.mcp_server.reach import Ctx, api_of, secret_of
from voicegateway_controller.mcp_server.tools.arguments import Reason
from voicegateway_shared.masking import mask

PATH: Final = "/api/v1/keys"
KeyId = Annotated[str, Field(min_length=1, max_length=64, description="The key's name, as `list_keys` tells it.")]
FromEnv = Annotated[
    str,
    Field(
        pattern=r"^[A-Z][A-Z0-9_]{0,100}_API_KEY$",
        description="The variable that holds the key where `voicegw mcp` runs, such as `OPENAI_API_KEY`. Never ask "
        "for the key itself, and never write one down.",
    ),
]


async def test_key(ctx: Ctx, key_id: KeyId) -> listings.KeyTest:
    """Ask the vendor whether a key is good, by a request that costs nothing. Needs an admin's token."""
    found = await api_of(ctx).ask("POST", f"{PATH}/{quote(key_id, safe='')}/test")
    return listings.KeyTest.model_validate(found.document)


async def add_key(
    ctx: Ctx,
    key_id: Annotated[str, Field(min_length=1, max_length=64, description="Its name, free to choose: `openai-main`.")],
    provider: Annotated[str, Field(max_length=64, description="As in model strings: `openai`.")],
    from_env: FromEnv,
    projects: Annotated[list[str] | None, Field(description="Which may use it; all when absent.")] = None,
    confirm: Confirm = False,
    revision: Revision = None,
) -> Outcome:
    """Seal a vendor's key in the vault, read from a variable of the machine where `voicegw mcp` runs.

    Over HTTP there is no such variable: `voicegw keys add` or the dashboard takes it. Previews first.
    """
    api, secret = api_of(ctx), secret_of(ctx, from_env)
    document = {"id": key_id, "provider": provider, "projects": projects}

    async def do() -> list[str]:
        await api.ask("POST", PATH, document={**document, "secret": secret})
        return []

    plan = Plan(
        summary=f"key {key_id} of {provider} is sealed", before=None, after={**document, "secret": mask(secret)}, do=do
    )
    return await carry_out(plan, confirm=confirm, revision=revision)


async def rotate_key(
    ctx: Ctx, key_id: KeyId, from_env: FromEnv, confirm: Confirm = False, revision: Revision = None
) -> Outcome:
    """Put another key of the same vendor in a key's place; calls go on. Read as `add_key` reads it. Previews first."""
    api, secret = api_of(ctx), secret_of(ctx, from_env)
    path, key, etag = await _key(api, key_id)

    async def do() -> list[str]:
        await api.ask("POST", f"{path}/rotate", document={"secret": secret}, if_match=etag)
        return ["the old key is still good at the vendor: revoke it there when no call uses it any more"]

    plan = Plan(
        summary=f"key {key_id} is exchanged",
        before=_shown(key),
        after={**_shown(key), "masked": mask(secret)},
        do=do,
        etag=etag,
    )
    return await carry_out(plan, confirm=confirm, revision=revision)


async def revoke_key(
    ctx: Ctx, key_id: KeyId, reason: Reason, confirm: Confirm = False, revision: Revision = None
) -> Outcome:
    """Take a key back from the whole fleet and overwrite it; it cannot be taken back. The vendor knows nothing of it.

    Previews first: call without `confirm`, show the result, then call again with `confirm` and its `revision`.
    """
    api = api_of(ctx)
    path, key, etag = await _key(api, key_id)

    async def do() -> list[str]:
        await api.ask("DELETE", path, query={"reason": reason}, if_match=etag)
        return ["the vendor still takes this key: revoke it there, too"]

    holders = key["holders"]
    plan = Plan(
        summary=f"key {key_id} of {key['provider']} is revoked",
        before=_shown(key),
        after={**_shown(key), "state": "revoked"},
        do=do,
        etag=etag,
        warnings=() if not holders else (f"{holders} processes hold it now",),
    )
    return await carry_out(plan, confirm=confirm, revision=revision)


async def _key(api: AdminApi, key_id: str) -> tuple[str, dict[str, Any], str | None]:
    path = f"{PATH}/{quote(key_id, safe='')}"
    answer = await api.ask("GET", path)
    return path, answer.document, answer.etag


def _shown(key: dict[str, Any]) -> dict[str, Any]:
    return {name: key[name] for name in ("id", "provider", "projects", "masked", "state")}
