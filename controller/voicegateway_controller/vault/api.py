"""Vendors' keys over HTTP: sealed, seen masked, tried, rotated, revoked; and the vault that holds them."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from voicegateway_controller.errors import Conflict, RedisUnavailable
from voicegateway_controller.http.auth import Admin, Reader
from voicegateway_controller.http.documented import refuses
from voicegateway_controller.http.etags import IfMatch, require_match
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import LIMIT_DEFAULT, Cursor, Keyset, Limit
from voicegateway_controller.http.texts import VISIBLE, Name
from voicegateway_controller.limits.providers import known_providers
from voicegateway_controller.vault import schemas
from voicegateway_controller.vault.changes import Check
from voicegateway_controller.vault.entry import Entry
from voicegateway_controller.vault.errors import VaultLocked
from voicegateway_controller.vault.opening import KeyDesk
from voicegateway_controller.vault.rules import checked_provider
from voicegateway_controller.vault.view import tag_of

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])
vault_router = APIRouter(prefix="/api/v1/vault", tags=["vault"])
_PAGES = Keyset("keys", str)
KeyId = Annotated[str, Path(max_length=64, pattern=VISIBLE, description="The key's name.", examples=["openai-main"])]


@router.get("", summary="The keys of vendors, masked")
async def list_keys(
    request: Request,
    access: Reader,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
    provider: Annotated[Name | None, Query(description="Only this vendor's.")] = None,
    project: Annotated[Name | None, Query(description="Only those that this project may use.")] = None,
    with_revoked: Annotated[bool, Query(description="Also those that were revoked.")] = False,
) -> schemas.KeyList:
    """Sealed keys and those that are read from variables and files, by name.

    A token of some projects sees those that they may use.
    """
    filters = {"provider": provider, "project": project, "with_revoked": with_revoked}
    after = _PAGES.read(cursor, filters=filters)
    rows = [
        each
        for each in await _shown(request, access.projects)
        if (after is None or each.id > after[0])
        and provider in (None, each.provider)
        and (project is None or each.projects is None or project in each.projects)
        and (with_revoked or each.state != "revoked")
    ]
    page = _PAGES.cut(rows[: limit + 1], limit=limit, key=lambda row: (row.id,), filters=filters)
    return schemas.KeyList(keys=page.rows, next=page.next)


@router.post("", status_code=201, summary="Seal a key", responses=refuses(Conflict, VaultLocked))
async def add(request: Request, response: Response, access: Admin, asked: schemas.NewKey) -> schemas.Key:
    """Seal a vendor's key under a name. Workers that need one of the vendor's have it with their next message."""
    made = await _desk(request).changes.add(
        asked.id,
        asked.secret.get_secret_value(),
        provider=checked_provider(asked.provider, providers=known_providers()),
        projects=None if asked.projects is None else tuple(dict.fromkeys(asked.projects)),
        note=asked.note,
        expires_at=asked.expires_at,
        by=access.actor,
    )
    response.headers["ETag"] = tag_of(made)
    return await _one(request, made.id, access.projects)


@router.get("/{key_id}", summary="One key, masked")
async def get(request: Request, response: Response, access: Reader, key_id: KeyId) -> schemas.Key:
    """As in the list; 404 also for one that only projects out of reach may use."""
    found = await _one(request, key_id, access.projects)
    if found.is_sealed:
        response.headers["ETag"] = tag_of(await _desk(request).changes.find(key_id))
    return found


@router.patch("/{key_id}", summary="Change who may use a key", responses=refuses(Conflict))
async def change(
    request: Request,
    response: Response,
    access: Admin,
    key_id: KeyId,
    asked: schemas.KeyChanges,
    if_match: IfMatch = None,
) -> schemas.Key:
    """Change its projects, note or expiry, or lend it to nobody for a while; the key itself stays."""
    _refuse_declared(request, key_id)
    made = await _desk(request).changes.change(
        key_id, _changes(asked), by=access.actor, check=_matching(key_id, if_match)
    )
    response.headers["ETag"] = tag_of(made)
    return await _one(request, key_id, access.projects)


@router.delete("/{key_id}", summary="Revoke a key", responses=refuses(Conflict))
async def revoke(
    request: Request,
    access: Admin,
    key_id: KeyId,
    if_match: IfMatch = None,
    reason: Annotated[str, Query(max_length=300, pattern=VISIBLE, description="For the audit log.")] = "",
) -> schemas.Key:
    """Take it back from the whole fleet, which obeys with its next message, and overwrite it: only its name stays.

    The vendor knows nothing of it: revoke it there, too.
    """
    _refuse_declared(request, key_id)
    await _desk(request).changes.revoke(key_id, by=access.actor, check=_matching(key_id, if_match), reason=reason)
    return await _one(request, key_id, access.projects)


@router.post("/{key_id}/rotate", summary="Put another key in its place", responses=refuses(Conflict, VaultLocked))
async def rotate(
    request: Request,
    response: Response,
    access: Admin,
    key_id: KeyId,
    asked: schemas.NewSecret,
    if_match: IfMatch = None,
) -> schemas.Key:
    """Seal a new key of the same vendor under the same name. Workers take it with their next message, calls go on."""
    _refuse_declared(request, key_id)
    made = await _desk(request).changes.rotate(
        key_id, asked.secret.get_secret_value(), by=access.actor, check=_matching(key_id, if_match)
    )
    response.headers["ETag"] = tag_of(made)
    return await _one(request, key_id, access.projects)


@router.post("/{key_id}/test", summary="Ask the vendor whether a key is good", responses=refuses(Conflict, VaultLocked))
async def test(request: Request, access: Admin, key_id: KeyId) -> schemas.KeyTest:
    """Ask by a request that costs nothing. Answers 200 whatever the vendor says: the verdict is in the answer."""
    answer = await _desk(request).try_key(key_id)
    return schemas.KeyTest(verdict=answer.verdict, status=answer.status, took_ms=answer.took_ms, detail=answer.detail)


@vault_router.get("", summary="How the vault is")
async def status(request: Request, access: Admin) -> schemas.VaultStatus:
    """Which secrets this controller and the others have, what is sealed under which, what cannot be opened."""
    settings = resources_of(request).settings
    desk = _desk(request)
    return desk.view.status(
        await desk.vault.replicas(),
        lease_s=settings.vault_lease_s,
        is_insecure_allowed=settings.vault_insecure,
        now=datetime.now(UTC),
    )


@vault_router.post(
    "/rotate-secret", summary="Re-seal everything under the primary secret", responses=refuses(Conflict, VaultLocked)
)
async def rotate_secret(request: Request, access: Admin, asked: schemas.RotateSecret) -> schemas.Rotated:
    """Re-seal in batches; keys are lent all the while. Afterwards the other secrets can be left out everywhere."""
    changes = _desk(request).changes
    done = changes.preview() if asked.dry_run else await changes.reseal(by=access.actor, is_forced=asked.force)
    return schemas.Rotated(
        is_dry_run=asked.dry_run,
        primary_id=done.primary,
        resealed=len(done.resealed),
        keys=list(done.resealed),
        unopened=list(done.unopened),
    )


def _changes(asked: schemas.KeyChanges) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in asked.model_fields_set:
        if name == "projects":
            changes["projects"] = None if asked.projects is None else tuple(dict.fromkeys(asked.projects))
        elif name == "is_enabled":
            state: Literal["active", "disabled"] = "active" if asked.is_enabled else "disabled"
            changes["state"] = state
        else:
            changes[name] = getattr(asked, name)
    return changes


def _matching(key_id: str, if_match: str | None) -> Check:
    return lambda entry: require_match(if_match, tag_of(entry), what=f"key {key_id!r}")


def _refuse_declared(request: Request, key_id: str) -> None:
    """What is read from a variable or a file is changed where it is declared."""
    held = next((each for each in _desk(request).vault.holding() if each.id == key_id), None)
    if held is not None and not isinstance(held.found, Entry):
        raise Conflict(
            f"key {key_id!r} is declared in layer {held.source} and read from "
            f"{held.found.reference.from_env or held.found.reference.from_file}: change it there"
        )


async def _shown(request: Request, reached: frozenset[str] | None) -> list[schemas.Key]:
    return _desk(request).view.keys(reached=reached, holders=await _holders(request, reached), now=datetime.now(UTC))


async def _one(request: Request, key_id: str, reached: frozenset[str] | None) -> schemas.Key:
    return _desk(request).view.one(
        key_id, reached=reached, holders=await _holders(request, reached), now=datetime.now(UTC)
    )


async def _holders(request: Request, reached: frozenset[str] | None) -> Mapping[str, int] | None:
    """How many processes hold each key, by their own word; None while Redis is away.

    Somebody who reaches some projects is told of those that carry a call of theirs: a job carries one call.
    """
    try:
        holders = await resources_of(request).fleet.holders()
    except RedisUnavailable:
        return None
    seen = [
        holder
        for holder in holders
        if reached is None or any(session.project in reached for session in holder.sessions or ())
    ]
    return Counter(each.id for holder in seen if holder.keys is not None for each in holder.keys.held)


def _desk(request: Request) -> KeyDesk:
    return resources_of(request).keys
