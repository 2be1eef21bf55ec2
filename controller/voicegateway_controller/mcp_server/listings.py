"""What tools that list answer: projects, models, requests, prices, keys, workers, versions, changes."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from voicegateway_controller.catalog import schemas as catalog
from voicegateway_controller.fleet import schemas as fleet
from voicegateway_controller.mcp_server.bounds import LeftOut
from voicegateway_controller.models import schemas as models
from voicegateway_controller.projects import schemas as projects
from voicegateway_controller.requests import schemas as requests
from voicegateway_controller.routing import schemas as routing
from voicegateway_controller.vault import schemas as vault


class Projects(projects.ProjectList):
    """Projects in the order of their ids."""

    left_out: LeftOut = 0


class Models(models.ModelsPage):
    """Models in the order of provider, name and modality."""

    left_out: LeftOut = 0


class Requests(requests.RequestsPage):
    """Requests, the newest first."""

    left_out: LeftOut = 0


class RequestDetail(requests.RequestDetail):
    """One request, whole."""

    left_out: LeftOut = 0


class Routing(routing.RoutingDeclared):
    """What is declared, as given."""

    left_out: LeftOut = 0


class PriceLine(BaseModel):
    """One price that holds."""

    price_id: str
    provider: str
    model: str
    modality: str
    meter: str
    layer: catalog.LayerName
    scope: str = Field(description="The key's fingerprint, `*` or the project; empty for list prices.")
    amount: str = Field(description="For each `per`: US dollars, or credits where `currency` says so.")
    currency: str
    per: str
    when: dict[str, str] = Field(description="The context it is for.")
    effective_from: datetime | None
    effective_to: datetime | None
    source: catalog.SourceOf
    is_stale: bool = Field(description="Nobody has read it at its source for more than 60 days.")
    overridden_by: list[str]


class Prices(BaseModel):
    """Prices, in the order of provider, model, modality, meter and context."""

    revision: int
    prices: list[PriceLine]
    total: int
    left_out: LeftOut = 0


class Keys(vault.KeyList):
    """Vendors' keys, masked."""

    left_out: LeftOut = 0


class KeyTest(vault.KeyTest):
    """What the vendor says of a key."""


class Workers(fleet.WorkerList):
    """The fleet's processes."""

    left_out: LeftOut = 0


class ConfiguredResource(BaseModel):
    """One resource that holds, and where it is declared."""

    id: str
    source: Literal["env", "db", "yaml"]
    shadows: list[str] = Field(description="Lower layers that declare it too.")
    place: str = Field(description="In its layer's document.")
    declared: Any = Field(description="As given.")


class Configuration(BaseModel):
    """What holds of one kind."""

    version: int
    section: str
    resources: list[ConfiguredResource]
    left_out: LeftOut = 0


class ConfigurationVersion(BaseModel):
    """One change of a layer."""

    number: int
    at: datetime
    actor: str
    layer: Literal["env", "db", "yaml"]
    kinds: list[str]
    summary: str
    reason: str
    origin: str
    is_rollback_of: int | None


class ConfigurationVersions(BaseModel):
    """Versions, the newest first."""

    versions: list[ConfigurationVersion]
    next: str | None
    left_out: LeftOut = 0


class AuditLine(BaseModel):
    """One change, with who made it."""

    number: int
    at: datetime
    actor: str
    actor_name: str
    action: str
    resource: str
    project: str
    reason: str
    changes: list[str] = Field(description="Which places of the document differ, at most 50 of them.")


class Audit(BaseModel):
    """Who changed what, the newest first."""

    records: list[AuditLine]
    next: str | None
    left_out: LeftOut = 0
