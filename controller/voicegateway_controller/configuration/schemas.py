"""The JSON of the configuration as a whole."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicegateway_controller.configuration.layering import Difference, Layer, Resource, Section
from voicegateway_controller.configuration.store import Version

REASON_CHARS_MAX = 500
_EXAMPLE = {"limits": [{"provider": "openai", "requests_per_min": 500}]}
_DOCUMENT = (
    "Sections as in voicegw.yaml: `projects`, `limits`, `budgets` (with `zone` beside), `routing`, `allowances`, "
)
_DOCUMENT += "`markups`, `keys`. A section that is not there stays as it is; an empty one is emptied."


class NewDocument(BaseModel):
    """What should be managed from now on."""

    model_config = ConfigDict(extra="forbid")
    document: dict[str, Any] = Field(description=_DOCUMENT, examples=[_EXAMPLE])
    dry_run: bool = Field(False, description="Say what would change, and change nothing.")
    reason: str = Field("", max_length=REASON_CHARS_MAX, description="Why, for the log.")


class AskedDocument(BaseModel):
    """What a layer might say."""

    model_config = ConfigDict(extra="forbid")
    document: dict[str, Any] = Field(description=_DOCUMENT, examples=[_EXAMPLE])
    layer: Layer = Field("db", description="Whose it would be.")


class Rollback(BaseModel):
    """How to go back."""

    model_config = ConfigDict(extra="forbid")
    dry_run: bool = Field(False, description="Say what would change, and change nothing.")
    reason: str = Field("", max_length=REASON_CHARS_MAX, description="Why, for the log.")


class LayeredResource(BaseModel):
    """One resource that holds, and where it is declared."""

    id: str
    source: Layer
    shadows: list[Layer] = Field(description="Lower layers that declare it too.")
    place: str = Field(description="In its layer's document.", examples=["limits[3]", "routing.chains.llm.fast"])
    declared: Any = Field(description="As given.")

    @classmethod
    def of(cls, resource: Resource) -> "LayeredResource":
        """Return a resource as JSON has it."""
        return cls(
            id=resource.id,
            source=resource.source,
            shadows=list(resource.shadows),
            place=resource.place,
            declared=resource.declared,
        )


class LayeredSection(BaseModel):
    """One kind of resources."""

    revision: int = Field(description="Moves with every change of any layer; what `If-Match` of its own route takes.")
    resources: list[LayeredResource]


class EffectiveConfiguration(BaseModel):
    """What holds, where it comes from, and what of it is managed here."""

    version: int
    document: dict[str, Any] = Field(description="What holds, as one voicegw.yaml would say it.")
    managed: dict[str, Any] = Field(description="The managed layer as given: what `config/apply` replaces.")
    sections: dict[str, LayeredSection]


class Change(BaseModel):
    """One resource that differs."""

    section: Section
    id: str
    change: Literal["added", "changed", "removed"]
    before: Any = None
    after: Any = None

    @classmethod
    def of(cls, difference: Difference) -> "Change":
        """Return a difference as JSON has it."""
        return cls(
            section=difference.section,
            id=difference.id,
            change=difference.change,
            before=difference.before,
            after=difference.after,
        )


class Differences(BaseModel):
    """What would become of a layer, and of what holds."""

    changes: list[Change] = Field(description="Of the layer.")
    effective_changes: list[Change] = Field(description="Of what holds: other layers may hide a change.")


class ConfigurationApplied(Differences):
    """What came of it, or would come of it."""

    version: int = Field(description="In force from now on; of a dry run the number that it would get.")
    is_changed: bool = Field(description="False when all of it was so already: no new version was made.")
    is_dry_run: bool
    revisions: dict[str, int] = Field(description="Of the kinds it is about.")
    warnings: list[str] = Field(description="What changes nothing, because a higher layer declares it too.")


class DocumentProblem(BaseModel):
    """One thing that is wrong."""

    layer: Layer
    section: str
    place: str = Field(examples=["limits[3].requests_per_min"])
    problem: str


class Validated(BaseModel):
    """Whether a document could be applied now."""

    is_valid: bool
    problems: list[DocumentProblem]


class ConfigurationVersion(BaseModel):
    """One change of a layer."""

    number: int
    at: datetime
    actor: str = Field(
        description="A token's id or a person; `yaml@host`, `env@host` for a file or variable read there."
    )
    layer: Layer
    kinds: list[Section]
    summary: str = Field(examples=["limits: + openai, ~ groq"])
    reason: str
    origin: str = Field(description="The file and the host that it was read on; empty for what is managed.")
    is_rollback_of: int | None

    @classmethod
    def of(cls, version: Version) -> "ConfigurationVersion":
        """Return a version as JSON has it."""
        return cls(
            number=version.number,
            at=version.at,
            actor=version.actor,
            layer=version.layer,
            kinds=list(version.kinds),
            summary=version.summary,
            reason=version.reason,
            origin=version.origin,
            is_rollback_of=version.rollback_of,
        )


class ConfigurationVersions(BaseModel):
    """Versions, the newest first."""

    versions: list[ConfigurationVersion]
    next: str | None


class ConfigurationVersionReport(ConfigurationVersion):
    """One version, what it changed, and what was managed from then on."""

    managed: dict[str, Any]
    changes: list[Change]


class LayerStatus(BaseModel):
    """What a layer says of a kind, since when."""

    layer: Layer
    kind: Section
    revision: int
    resources: int
    version: int
    published_at: datetime
    published_by: str
    origin: str
    problem: str = Field(description="Of any replica's file of this layer; empty where there is none.")


class FileProblem(BaseModel):
    """What is wrong with a file; what it said last stays in force."""

    layer: Layer
    kind: str = Field(description="The section; empty for the whole file.")
    place: str = Field(description="File, line and column, as far as they are known.")
    problem: str
    replica: str


class ReplicaFile(BaseModel):
    """One file as one replica reads it."""

    layer: Layer
    name: str
    state: str = Field(description="`waiting` for Postgres, `published`, `wrong`, `refused` by the whole, `missing`.")
    digest: str = Field(description="Of what was published from there last; the same for files that say the same.")
    is_in_force: bool = Field(description="False where another replica's file, published later, holds.")
    problems: list[dict[str, Any]]
    read_at: datetime | None


class ReplicaStatus(BaseModel):
    """One replica of the controller."""

    id: str
    host: str
    version: int
    revisions: dict[str, int]
    files: list[ReplicaFile]
    seen_at: datetime


class ConfigurationStatus(BaseModel):
    """How the layers stand."""

    version: int
    layers: list[LayerStatus]
    problems: list[FileProblem]
    replicas: list[ReplicaStatus]
    is_live: bool = Field(description="False while Redis is away: then only the answering replica is told of.")
