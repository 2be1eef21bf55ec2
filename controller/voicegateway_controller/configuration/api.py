"""Configuration over HTTP: what holds and where it is from, a whole document applied, versions, files and replicas."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Request, Response

from voicegateway_controller.access.rules import Access, Role, require_all_projects
from voicegateway_controller.configuration import schemas
from voicegateway_controller.configuration.layering import SECTIONS, Merged, differences, merge
from voicegateway_controller.configuration.service import Configuration, Status
from voicegateway_controller.configuration.store import HeldLayer
from voicegateway_controller.declared import Changed
from voicegateway_controller.declared.http import expected_revision, read_model, takes
from voicegateway_controller.declared.shown import seen
from voicegateway_controller.errors import BadRequest, DatabaseUnavailable, Forbidden
from voicegateway_controller.http.auth import Operator, Reader
from voicegateway_controller.http.owned import resources_of
from voicegateway_controller.http.pages import LIMIT_DEFAULT, Cursor, Keyset, Limit
from voicegateway_shared.limits.declared import nearest

router = APIRouter(prefix="/api/v1/config", tags=["configuration"])

Number = Annotated[int, Path(ge=1, le=2**62, description="Of a version.")]
IfMatch = Annotated[
    str | None, Header(description="The version that this was decided on; 409 when another one holds by now.")
]
_PAGES: Final = Keyset("config/versions", int)
_WHY: Final = "the configuration holds for the whole fleet"
_KNOWN: Final = (*SECTIONS, "zone")


@router.get("", summary="What holds, and where it is declared")
async def effective(request: Request, response: Response, access: Reader) -> schemas.EffectiveConfiguration:
    """All sections as they hold, each resource with its layer. A token of some projects sees what concerns them."""
    configuration = _configuration(request)
    version = await configuration.version()
    sections = configuration.sets
    merged = {section: seen(sets.merged(), access.allows) for section, sets in sections.items()}
    managed = {
        section: seen(merge(section, {"db": sets.managed()}), access.allows) for section, sets in sections.items()
    }
    response.headers["ETag"] = f'"{version}"'
    return schemas.EffectiveConfiguration(
        version=version,
        document=_documents(merged),
        managed=_documents(managed),
        sections={
            section: schemas.LayeredSection(
                revision=sets.current().revision,
                resources=[schemas.LayeredResource.of(each) for each in merged[section].resources],
            )
            for section, sets in sections.items()
        },
    )


@router.post("/apply", summary="Declare several kinds at once", openapi_extra=takes(schemas.NewDocument))
async def apply(request: Request, access: Operator, if_match: IfMatch = None) -> schemas.ConfigurationApplied:
    """Replace what is managed of the sections named, all or nothing; the same again changes nothing."""
    require_all_projects(access, _WHY)
    expected = expected_revision(if_match, kind="config")
    asked = await read_model(request, schemas.NewDocument, kind="config")
    _refuse_unknown(asked.document)
    _require_admin(access, asked.document)
    made = await _configuration(request).apply(
        asked.document,
        by=access.actor,
        expected_version=expected,
        reason=asked.reason,
        is_dry_run=asked.dry_run,
    )
    return _applied(made, is_dry_run=asked.dry_run)


@router.post("/validate", summary="Could this be applied", openapi_extra=takes(schemas.AskedDocument))
async def validate(request: Request, access: Operator) -> schemas.Validated:
    """Hold a document against what the other layers say; changes nothing."""
    require_all_projects(access, _WHY)
    asked = await read_model(request, schemas.AskedDocument, kind="config")
    problems = [
        schemas.DocumentProblem(layer=asked.layer, section="", place=each, problem=_unknown(each))
        for each in asked.document
        if each not in _KNOWN
    ]
    problems += [
        schemas.DocumentProblem(layer=each.layer, section=each.section, place=each.place, problem=each.problem)
        for each in await _configuration(request).problems(asked.document, layer=asked.layer)
    ]
    return schemas.Validated(is_valid=not problems, problems=problems)


@router.post("/diff", summary="What would change", openapi_extra=takes(schemas.AskedDocument))
async def diff(request: Request, access: Operator) -> schemas.Differences:
    """What would become of a layer, and of what holds, if it said this; changes nothing."""
    require_all_projects(access, _WHY)
    asked = await read_model(request, schemas.AskedDocument, kind="config")
    _refuse_unknown(asked.document)
    made = await _configuration(request).apply(asked.document, by="", layer=asked.layer, is_dry_run=True)
    return schemas.Differences(
        changes=[schemas.Change.of(each) for each in made.changes],
        effective_changes=[schemas.Change.of(each) for each in made.effective_changes],
    )


@router.get("/versions", summary="Who changed the configuration, when")
async def versions(
    request: Request, access: Reader, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> schemas.ConfigurationVersions:
    """Every change of a layer, the newest first."""
    require_all_projects(access, _WHY)
    key = _PAGES.read(cursor)
    rows = await _configuration(request).versions(before=None if key is None else key[0], limit=limit + 1)
    page = _PAGES.cut(rows, limit=limit, key=lambda each: (each.number,))
    return schemas.ConfigurationVersions(
        versions=[schemas.ConfigurationVersion.of(each) for each in page.rows], next=page.next
    )


@router.get("/versions/{number}", summary="One version")
async def version(request: Request, access: Reader, number: Number) -> schemas.ConfigurationVersionReport:
    """What it changed, and what was managed from then on."""
    require_all_projects(access, _WHY)
    configuration = _configuration(request)
    found, before, after = await configuration.version_at(number)
    changes = [
        each for section in found.kinds for each in differences(section, before.get(section), after.get(section))
    ]
    return schemas.ConfigurationVersionReport(
        **schemas.ConfigurationVersion.of(found).model_dump(),
        managed=dict(await configuration.managed_at(number)),
        changes=[schemas.Change.of(each) for each in changes],
    )


@router.post("/versions/{number}/rollback", summary="Back to a version", openapi_extra=takes(schemas.Rollback))
async def roll_back(
    request: Request, access: Operator, number: Number, if_match: IfMatch = None
) -> schemas.ConfigurationApplied:
    """Let what is managed be what it was then, as a new version. What files and variables declare stays theirs."""
    require_all_projects(access, _WHY)
    expected = expected_revision(if_match, kind="config")
    asked = await read_model(request, schemas.Rollback, kind="config")
    configuration = _configuration(request)
    planned = await configuration.roll_back(number, by=access.actor, expected_version=expected, is_dry_run=True)
    _require_admin(access, planned.merged)
    if asked.dry_run:
        return _applied(planned, is_dry_run=True)
    # What was allowed is what was planned: another version may take back what only admins may.
    planned_on = planned.version - planned.is_changed
    made = await configuration.roll_back(number, by=access.actor, expected_version=planned_on, reason=asked.reason)
    return _applied(made, is_dry_run=False)


@router.get("/status", summary="How layers, files and replicas stand")
async def status(request: Request, access: Reader) -> schemas.ConfigurationStatus:
    """Which layer says something of which kind, and what each replica reads; problems with files."""
    require_all_projects(access, _WHY)
    configuration = _configuration(request)
    found = await configuration.status()
    problems = list(_problems(found))
    return schemas.ConfigurationStatus(
        version=found.version,
        layers=[_layer(configuration, each, problems) for each in found.layers],
        problems=problems,
        replicas=[
            schemas.ReplicaStatus(
                id=each.id,
                host=each.host,
                version=each.version,
                revisions=each.revisions,
                files=[schemas.ReplicaFile.model_validate(file, from_attributes=True) for file in each.files],
                seen_at=each.seen_at,  # type: ignore[arg-type]  # pydantic reads the instant
            )
            for each in found.replicas
        ],
        is_live=found.is_live,
    )


def _applied(made: Changed, *, is_dry_run: bool) -> schemas.ConfigurationApplied:
    effective_ids = {(each.section, each.id) for each in made.effective_changes}
    hidden = [each for each in made.changes if (each.section, each.id) not in effective_ids]
    return schemas.ConfigurationApplied(
        version=made.version,
        is_changed=made.is_changed,
        is_dry_run=is_dry_run,
        revisions=dict(made.revisions),
        changes=[schemas.Change.of(each) for each in made.changes],
        effective_changes=[schemas.Change.of(each) for each in made.effective_changes],
        warnings=[
            f"{each.section} {each.id!r} is {each.change}, and what holds stays as it is: another layer declares it so"
            for each in hidden
        ],
    )


def _documents(merged: Mapping[Any, Merged]) -> dict[str, Any]:
    return {section: one.document for section, one in merged.items() if one.resources}


def _refuse_unknown(document: Mapping[str, Any]) -> None:
    for section in document:
        if section not in _KNOWN:
            raise BadRequest(f"{section}: {_unknown(section)}")


def _unknown(section: str) -> str:
    return f"unknown section; {nearest(section, _KNOWN) or 'known are ' + ', '.join(_KNOWN)}"


def _require_admin(access: Access, sections: Iterable[str]) -> None:
    if "keys" in sections and access.role is not Role.ADMIN:
        # A reference makes the controller read something of its own and lend it.
        raise Forbidden(f"the token's role is {access.role.value}; changing `keys` needs admin")


def _problems(found: Status) -> Iterable[schemas.FileProblem]:
    for replica in found.replicas:
        for file in replica.files:
            for each in file.problems:
                section = str(each.get("key", "")).partition("[")[0].partition(".")[0]
                line = f":{each['line']}:{each['column']}" if each.get("line") else ""
                yield schemas.FileProblem(
                    layer=file.layer,  # type: ignore[arg-type]  # pydantic holds it against the layers
                    kind=section if section in SECTIONS else "",
                    place=f"{each.get('file', file.name)}{line}",
                    problem=f"{each['key']}: {each['message']}" if each.get("key") else str(each.get("message", "")),
                    replica=replica.id,
                )


def _layer(
    configuration: Configuration, held: HeldLayer, problems: Iterable[schemas.FileProblem]
) -> schemas.LayerStatus:
    try:
        said = configuration.sets[held.kind].layers().get(held.layer)
        resources = len(merge(held.kind, {held.layer: said}).resources)
    except (KeyError, DatabaseUnavailable):
        resources = 0
    own = [each for each in problems if each.layer == held.layer and each.kind in ("", held.kind)]
    return schemas.LayerStatus(
        layer=held.layer,
        kind=held.kind,
        revision=held.revision,
        resources=resources,
        version=held.version,
        published_at=held.at,
        published_by=held.actor,
        origin=held.origin,
        problem=f"{own[0].place}: {own[0].problem}" if own else "",
    )


def _configuration(request: Request) -> Configuration:
    return resources_of(request).configuration
