"""What the API takes and answers.

Made by `make clients` from clients/openapi.json (sha256 86dd2a43969fbf71a5a602a08f48a77056f172388bf4b6432ea17b6d180cdd8e); change the routes, not this.
"""
# ruff: noqa: E501

from typing import Any, Literal, NotRequired, TypedDict


class Accept(TypedDict):
    """Why, and the invoice's own number."""

    force: NotRequired[bool]
    reason: NotRequired[str]
    reference: NotRequired[str]


class Accepted(TypedDict):
    """That the books were made to say what the vendor billed."""

    accepted_at: str
    actor: str
    booked_usd: str
    correction_id: str


class Account(TypedDict):
    """One account of the trial balance."""

    balance_usd: str
    """Debit minus credit."""
    credit_usd: str
    debit_usd: str
    name: str
    """`cost:<project>`, `accrued:<provider>` or `payable:<provider>`."""


class AlertRow(TypedDict):
    """One alert."""

    deliveries: "list[DeliveryRow]"
    """None when no channel is set up."""
    details: dict[str, Any]
    id: str
    is_routed: bool
    """False until a runner wrote down to which channels it goes."""
    key: str
    """What was told and for which window; no key is told twice."""
    kind: str
    project: str
    """Empty when it is about no single project."""
    raised_at: str
    severity: str
    title: str


class AlertsPage(TypedDict):
    """Alerts, the newest first."""

    alerts: "list[AlertRow]"
    next: str | None
    """The cursor of the next page; null at the end."""


class AliasRow(TypedDict):
    """A vendor's word for a model."""

    model: str
    name: str
    provider: str
    valid_from: NotRequired[str | None]
    valid_to: NotRequired[str | None]


class AllowancesApplied(TypedDict):
    """What came of declaring a set."""

    allowances: int
    is_changed: bool
    revision: int


class AllowancesDeclared(TypedDict):
    """What is declared, as given."""

    allowances: list[dict[str, Any]]
    """What is managed, as given: what PUT replaces."""
    created_at: str | None
    created_by: str
    effective: "list[Effective]"
    """What holds, each resource with the layer that it is from."""
    revision: int


class AuditRecord(TypedDict):
    """One change, with who made it."""

    action: str
    """Noun and verb: `limits.declare`."""
    actor: str
    """A token's id, `oidc:` and a person, or the job that did it."""
    actor_name: str
    """The token's name by now; the actor where there is none."""
    after: Any
    """What is there since; null where nothing is."""
    at: str
    before: Any
    """What was there, secrets masked; null where nothing was."""
    changes: list[str]
    """Which places of the document differ, at most 50 of them."""
    digest: str
    """The seal, hexadecimal."""
    number: int
    project: str
    """Whose it is; empty for what concerns all."""
    reason: str
    resource: str
    """What was changed: `limits`, `tokens/1f2e…`."""


class AuditRecords(TypedDict):
    """A page of the audit log."""

    newest: int
    """The newest record's number: to go on from with `after`."""
    next: str | None
    """The cursor of the next page; null at the end."""
    records: "list[AuditRecord]"


class Basis(TypedDict):
    """How the billed quantity comes about."""

    fallback: list[str]
    increment: int
    instead_of: list[str]
    minimum: int
    """In the meter's base unit, as increment is."""
    minus: list[str]
    not_billed: list[str]
    plus: list[str]
    rounding: str
    rounding_scope: str
    times: str | None


class BehindRow(TypedDict):
    """One process that knows something older than the newest."""

    agent: str
    host: str
    id: str
    kind: Literal["worker", "job"]
    known: str
    """The version it knows; empty: none."""
    newest: str
    part: Literal["limits", "budgets", "routing"]
    seen_at: str


class Booked(TypedDict):
    """What was booked, now or before."""

    booked_usd: str
    correction_id: str
    entries: int
    is_new: bool
    number: int


class Broken(TypedDict):
    """Where the log is not what was written."""

    number: int
    reason: str


class BudgetStatus(TypedDict):
    """One budget and its open window."""

    action: str
    amount_usd: str
    forecast: "Forecast | None"
    """Null while Postgres is away, and wherever `spent_usd` is."""
    holders: int
    """Worker processes that the pool knows."""
    id: str
    is_unbacked: bool
    """Money was released while Postgres was away, and is not noted there yet."""
    left_usd: str | None
    """Neither spent nor reserved."""
    offline: str
    percent: float | None
    """Spent of the amount, for display: one decimal, rounded down."""
    reserved_usd: str | None
    """Leased to workers and not spent, or not told yet."""
    resets_at: str | None
    """With the zone's offset; null where the window never ends."""
    selector: dict[str, str]
    """Whom it is about; empty: the whole fleet."""
    spent_usd: str | None
    """Null where nobody can be asked, per session, and of more than the token's projects."""
    starts_at: str | None
    """With the zone's offset."""
    state: Literal["ok", "over", "exhausted", "learning"]
    """exhausted: it stops, and not one request's price is left. over: it does not stop, and its amount is spent. learning: Redis lost the pool, and not every worker has said since what it holds."""
    thresholds: list[int]
    """Percents of the amount that are told once per window, rising."""
    window: str
    window_id: str
    """Empty where each session is a window of its own."""
    zone: str


class BudgetsApplied(TypedDict):
    """What came of declaring a set."""

    budgets: int
    is_changed: bool
    """False when this very set was in force already: no new revision was made."""
    revision: int
    """The revision in force; its replicas follow within a second."""
    warnings: list[str]
    """Budgets whose amount is spent already: they stop from now on."""


class BudgetsDeclared(TypedDict):
    """The budgets in force."""

    budgets: list[dict[str, Any]]
    """What is managed, as given: what PUT replaces."""
    created_at: str | None
    created_by: str
    """The id of the token that declared them."""
    effective: "list[Effective]"
    """What holds, each resource with the layer that it is from."""
    revision: int


class BudgetsStatus(TypedDict):
    """How the budgets stand, what they will come to, what is odd."""

    anomalies: "list[OddHour]"
    as_of: str
    budgets: "list[BudgetStatus]"
    is_live: bool
    """False while Redis is away: then the ledger alone says what is spent."""
    projects: "list[ProjectForecast]"
    revision: int


class CallsItem(TypedDict):
    """One request, or one leg of the call, with all its entries."""

    amount_usd: str
    direction: str
    """Of a phone leg: `inbound` or `outbound`."""
    ended_at: str
    is_corrected: bool
    is_estimated: bool
    is_unrated: bool
    """A part of it has no price: the amount is a lower bound."""
    lines: "list[Line]"
    model: str
    outcome: str
    part: str
    """`stt`, `llm`, `tts`, `realtime`, `transport`, `telephony` or `recording`."""
    project: str
    provider: str
    request_id: str
    started_at: str | None
    """Null when only the entries are left of it."""


class CatalogApplied(TypedDict):
    """What came of a change."""

    changes: "list[Changed]"
    is_changed: bool
    is_dry_run: bool
    revision: int
    """That holds from now on; every process follows within two seconds."""
    warnings: list[str]


class CatalogRecord(TypedDict):
    """One record of the append-only store."""

    content: dict[str, Any]
    effective_from: str | None
    effective_to: str | None
    is_in_force: bool
    """Neither superseded nor a withdrawal."""
    kind: str
    layer: Literal["builtin", "managed", "account", "project"]
    provider: str
    reason: str
    record_id: int
    recorded_at: str
    recorded_by: str
    scope: str
    source_url: str
    superseded_at: str | None
    superseded_by: int | None
    supersedes: int | None
    """The record that it stands in for, or withdraws."""
    verified_on: str | None


class CatalogRecords(TypedDict):
    """The history of managed prices, the newest first."""

    next: str | None
    records: "list[CatalogRecord]"
    revision: int


class CellChange(TypedDict):
    """A cell that is not what it was: the vendor restated it, or our books changed."""

    day: str | None
    key_id: str
    meter: str
    model: str
    ours_after_usd: str
    ours_before_usd: str
    vendor_after_usd: str
    vendor_before_usd: str


class CellRow(TypedDict):
    """Both sides of one day, key, model and meter."""

    category: str
    context: dict[str, str]
    day: str | None
    difference_usd: str
    is_derived: bool
    key_id: str
    meter: str
    model: str
    notes: list[str]
    our_quantity: str
    our_requests: int
    ours_usd: str
    parts: "list[PartRow]"
    position: int
    project: str
    skus: list[str]
    vendor_quantity: str | None
    vendor_requests: int | None
    vendor_usd: str


class Cells(TypedDict):
    """Cells, the largest difference first."""

    cells: "list[CellRow]"


class Changed(TypedDict):
    """One thing that a change did."""

    action: Literal["added", "closed", "split", "replaced", "withdrawn", "reopened", "verified", "unchanged"]
    before_amount: NotRequired[str | None]
    """Of the price that held there, in the same unit as now."""
    content: dict[str, Any]
    """As a price file would say it."""
    effective_from: str | None
    effective_to: str | None
    kind: Literal["price", "discount", "plan", "credit_price", "context", "verification"]
    price_id: str | None
    """Null for what is no price by itself, such as a plan."""
    provider: str
    record_id: int | None
    """The record that says so; null in a dry run, and where nothing changed."""


class CloseMonth(TypedDict):
    """Close a month for good."""

    month: str
    """`2026-10`; it must be over, and every month before it closed."""
    reason: NotRequired[str]
    """For whoever asks later."""


class Comparison(TypedDict):
    """What changed from one run of a month to another."""

    after: int
    before: int
    cells: "list[CellChange]"
    is_complete: bool
    """Whether all changed cells are listed."""
    ours_change_usd: str
    parts: "list[PartChange]"
    vendor_change_usd: str


class ConfigStatus(TypedDict):
    """How far the newest configuration has come."""

    behind: "list[BehindRow]"
    """At most 500 of them."""
    parts: "list[PartStatus]"
    processes: int
    up_to_date: int


class ConfigurationApplied(TypedDict):
    """What came of it, or would come of it."""

    changes: "list[ConfigurationChange]"
    """Of the layer."""
    effective_changes: "list[ConfigurationChange]"
    """Of what holds: other layers may hide a change."""
    is_changed: bool
    """False when all of it was so already: no new version was made."""
    is_dry_run: bool
    revisions: dict[str, int]
    """Of the kinds it is about."""
    version: int
    """In force from now on; of a dry run the number that it would get."""
    warnings: list[str]
    """What changes nothing, because a higher layer declares it too."""


class ConfigurationChange(TypedDict):
    """One resource that differs."""

    after: NotRequired[Any]
    before: NotRequired[Any]
    change: Literal["added", "changed", "removed"]
    id: str
    section: Literal["projects", "limits", "budgets", "routing", "allowances", "markups", "keys"]


class ConfigurationStatus(TypedDict):
    """How the layers stand."""

    is_live: bool
    """False while Redis is away: then only the answering replica is told of."""
    layers: "list[LayerStatus]"
    problems: "list[FileProblem]"
    replicas: "list[ReplicaStatus]"
    version: int


class ConfigurationVersion(TypedDict):
    """One change of a layer."""

    actor: str
    """A token's id or a person; `yaml@host`, `env@host` for a file or variable read there."""
    at: str
    is_rollback_of: int | None
    kinds: list[Literal["projects", "limits", "budgets", "routing", "allowances", "markups", "keys"]]
    layer: Literal["env", "db", "yaml"]
    number: int
    origin: str
    """The file and the host that it was read on; empty for what is managed."""
    reason: str
    summary: str


class ConfigurationVersionReport(TypedDict):
    """One version, what it changed, and what was managed from then on."""

    actor: str
    """A token's id or a person; `yaml@host`, `env@host` for a file or variable read there."""
    at: str
    changes: "list[ConfigurationChange]"
    is_rollback_of: int | None
    kinds: list[Literal["projects", "limits", "budgets", "routing", "allowances", "markups", "keys"]]
    layer: Literal["env", "db", "yaml"]
    managed: dict[str, Any]
    number: int
    origin: str
    """The file and the host that it was read on; empty for what is managed."""
    reason: str
    summary: str


class ConfigurationVersions(TypedDict):
    """Versions, the newest first."""

    next: str | None
    versions: "list[ConfigurationVersion]"


class Correction(TypedDict):
    """Why entries were booked that are no usage."""

    actor: str
    amount_usd: str
    created_at: str
    entries: int
    id: str
    kind: str
    reason: str
    reverses: str | None


class Corrections(TypedDict):
    """Corrections, the newest first."""

    corrections: "list[Correction]"
    next: str | None
    """The cursor of the next page; null at the end."""


class Costs(TypedDict):
    """What was spent, by key, dearest first (days and hours in order)."""

    as_of: str
    by: Literal["provider", "model", "project", "session", "agent", "day", "hour", "modality"]
    rows: "list[CostsRow]"
    since: str
    """Full hours are counted: rounded down."""
    total: "Total"
    until: str
    """Full hours are counted: rounded up."""


class CostsRow(TypedDict):
    """One key's costs."""

    amount_usd: str
    estimated_requests: int
    """Requests whose usage the vendor never told."""
    key: str
    """A model's key is `provider/model`."""
    requests: int
    unrated_requests: int
    """Requests of which a part has no price: the amount is a lower bound."""
    usage: dict[str, int]
    """Meter: quantity in the meter's base unit; priced meters only."""


class CreditPrice(TypedDict):
    """What a plan's credits cost, as published."""

    amount: str
    """In US dollars."""
    credits: int
    """For so many credits."""
    plan: str


class DeclaredNames(TypedDict):
    """What people declared about vendors' names."""

    aliases: "list[AliasRow]"
    links: "list[LinkRow]"


class DeliveryRow(TypedDict):
    """How an alert's way to one channel is."""

    attempts: int
    channel: str
    delivered_at: str | None
    last_error: str
    """What the last attempt that failed was told."""
    next_attempt_at: str | None
    """While pending."""
    state: Literal["pending", "delivered", "dead"]
    """`dead`: given up; it can be delivered again."""


class Differences(TypedDict):
    """What would become of a layer, and of what holds."""

    changes: "list[ConfigurationChange]"
    """Of the layer."""
    effective_changes: "list[ConfigurationChange]"
    """Of what holds: other layers may hide a change."""


class Disable(TypedDict):
    """What to switch off of a vendor, and until when."""

    for_s: NotRequired[int | None]
    """For so many seconds; none: until somebody switches it on."""
    model: NotRequired[str]
    """Only this model; empty: everything of the vendor."""
    reason: NotRequired[str]
    """For those who wonder."""


class Disabled(TypedDict):
    """Something that a person has switched off."""

    disabled_at: str
    disabled_by: str
    """The token's id."""
    model: str
    """Empty: everything of the vendor."""
    provider: str
    reason: str
    until: str | None
    """Null: until somebody switches it on."""


class Document(TypedDict):
    """Something the vendor said, kept as received."""

    bytes: int
    fetched_at: str
    name: str
    position: int
    sha256: str


class DocumentProblem(TypedDict):
    """One thing that is wrong."""

    layer: Literal["env", "db", "yaml"]
    place: str
    problem: str
    section: str


class Documents(TypedDict):
    """A run's evidence."""

    documents: "list[Document]"


class DrainOrder(TypedDict):
    """Why a worker is drained, or no longer."""

    reason: NotRequired[str]
    """For the audit log and whoever looks."""


class Effective(TypedDict):
    """One resource that holds, and where it is declared."""

    declared: Any
    """As given."""
    id: str
    """Its name, or what it is called where it has none."""
    shadows: list[Literal["env", "db", "yaml"]]
    """Lower layers that declare it too, and would hold without this one."""
    source: Literal["env", "db", "yaml"]
    """The layer it is from: `env` (VOICEGATEWAY_OVERRIDES), `db` (managed here), `yaml` (voicegw.yaml)."""


class EffectiveConfiguration(TypedDict):
    """What holds, where it comes from, and what of it is managed here."""

    document: dict[str, Any]
    """What holds, as one voicegw.yaml would say it."""
    managed: dict[str, Any]
    """The managed layer as given: what `config/apply` replaces."""
    sections: "dict[str, LayeredSection]"
    version: int


class EndMany(TypedDict):
    """Which sessions to end; what is given must all hold."""

    dry_run: NotRequired[bool]
    """Only say what would be ended."""
    over: NotRequired[str | None]
    """Only those that have cost more than so many USD, a decimal string."""
    project: NotRequired[str | None]
    """Only this project's."""
    reason: NotRequired[str]
    """For logs and alerts."""
    sentence: NotRequired[str]
    """Spoken first; empty: the worker's default."""


class EndOne(TypedDict):
    """How to end one session."""

    dry_run: NotRequired[bool]
    """Only say what would be ended."""
    reason: NotRequired[str]
    """For logs and alerts."""
    sentence: NotRequired[str]
    """Spoken first; empty: the worker's default."""


class EndingRow(TypedDict):
    """What became of one session that was told to end."""

    attempts: int
    """How often LiveKit was asked."""
    by: str
    directive: str
    last_error: str
    obeyed_at: str | None
    outcome: Literal["", "obeyed", "left", "removed", "failed"]
    project: str
    reason: str
    sentence: str
    session_id: str
    state: Literal["told", "obeyed", "escalated", "ended", "failed"]
    """`told`: its worker has not answered yet. `obeyed`: it said that it does. `escalated`: LiveKit was asked. `ended`: it is carried no longer. `failed`: it is, and nobody tries any more."""
    told_at: str


class Endings(TypedDict):
    """What was ordered within the last hour, the newest first."""

    endings: "list[EndingRow]"


class EntryRow(TypedDict):
    """One line of the books."""

    amount_usd: str
    billed_quantity: int
    """After parts, minimum and rounding."""
    booked_in: str | None
    """The month that took it, where its own was closed."""
    kind: str
    """`usage`, or what corrected it: `rerate`, `credit`, `adjustment`."""
    list_amount_usd: str
    """At list prices."""
    meter: str
    price_id: str | None
    quantity: int
    """In the meter's base unit."""
    recorded_at: str
    revision: int
    unrated_reason: str | None


class EventRow(TypedDict):
    """One event; the stream's `data:` is the same."""

    at: str
    """When it was told."""
    data: dict[str, Any]
    id: str
    """Its place in the stream."""
    kind: str
    """Such as `request.settled`; see the guide to events."""
    project: str
    """Whose it is; empty: about no single project."""


class EventsPage(TypedDict):
    """The next usage events."""

    events: list[dict[str, Any]]
    has_more: bool
    """Whether there are more right now."""
    next_cursor: str
    """Send it as cursor to go on; at the end, later, for what has come since."""


class EventsRecent(TypedDict):
    """Events that are kept, the oldest of them first."""

    events: "list[EventRow]"
    last_id: str
    """Listen on from here: `after` of the stream."""


class FileProblem(TypedDict):
    """What is wrong with a file; what it said last stays in force."""

    kind: str
    """The section; empty for the whole file."""
    layer: Literal["env", "db", "yaml"]
    place: str
    """File, line and column, as far as they are known."""
    problem: str
    replica: str


class Forecast(TypedDict):
    """What to expect of one budget."""

    burn_last_day_usd: str
    """Per hour, over the last 24."""
    burn_last_hour_usd: str
    """Spent in the last 60 minutes."""
    month_end: "Projection"
    """Of the calendar month in the budget's zone."""
    runs_out_at: str | None
    """When the amount is likely to be spent; null when the window ends before, or not within 92 days."""
    sureness: Literal["good", "fair", "poor"]
    """good: three weeks or more are known; fair: one or two; poor: none, the last day goes on."""
    weeks: int
    """Weeks that it is made of."""
    window_end: "Projection | None"
    """Null for a window without an end."""


class Group(TypedDict):
    """Cells summed by day, model or key."""

    cells: int
    difference_usd: str
    key: str
    ours_usd: str
    vendor_usd: str


class Groups(TypedDict):
    """All groups of one kind."""

    by: Literal["day", "model", "key"]
    groups: "list[Group]"


class Imported(TypedDict):
    """What came of an import."""

    added: int
    """Rows for what had no price."""
    changed: int
    """Rows that differ from the price that held."""
    changes: "list[Changed]"
    """Those that are not unchanged."""
    is_dry_run: bool
    revision: int
    unchanged: int
    warnings: list[str]


class ItemChanged(TypedDict):
    """What came of a change."""

    is_changed: bool
    item: "ItemsItem | None"
    """What holds of it now; null: nothing."""
    revision: int
    """Of the whole kind, in force everywhere within a second."""
    warnings: list[str]


class Items(TypedDict):
    """Resources of one kind that hold."""

    items: "list[ItemsItem]"
    revision: int
    """Of the whole kind."""


class ItemsItem(TypedDict):
    """One resource: what holds, and what is managed of it."""

    declared: Any
    """What holds, as given."""
    id: str
    managed: Any
    """What is managed here, as given; null: nothing. It holds unless `source` is `env`."""
    modality: str
    """Of chains: `stt`, `llm`, `tts` or `realtime`; empty for the others."""
    project: str
    """Of chains and stacks: whose it is; empty: everybody's."""
    shadows: list[Literal["env", "db", "yaml"]]
    """Lower layers that declare it too, and would hold without this one."""
    source: Literal["env", "db", "yaml"]
    """The layer that it holds by: `env`, `db` (managed here) or `yaml`."""


class Key(TypedDict):
    """One key of a vendor, as much as anybody may see of it."""

    created_at: str | None
    created_by: str
    expires_at: str | None
    fingerprint: str
    """Its short one-way name, as `account` in limits and `key_id` in the ledger."""
    holders: int | None
    """Processes that hold it now; null while Redis is away."""
    id: str
    is_sealed: bool
    """Kept in the vault; false for one that is read from a variable or a file."""
    last_leased_at: str | None
    masked: str
    """Its first and last four characters."""
    note: str
    problem: str
    """Why it is locked or unreadable, and what to do; empty else."""
    projects: list[str] | None
    """Which may use it, of those that the caller reaches; null: all."""
    provider: str
    reads: str
    """Which variable or file it is read from; empty for a sealed one."""
    revoked_at: str | None
    rotated_at: str | None
    sealed_by: str
    """The short name of the vault secret that it is sealed under."""
    shadows: list[Literal["env", "db", "yaml"]]
    """Lower layers that have one of this name."""
    share_permille: int
    """Of a vendor's keys: what is left of this one's limits; 1,000 is all."""
    source: Literal["env", "db", "yaml"]
    """The layer that it is from; `db`: managed."""
    state: Literal["active", "disabled", "expired", "locked", "unreadable", "revoked"]
    """`expired`: its time is over. `locked`: sealed under a vault secret that this controller has not. `unreadable`: declared, and its variable or file cannot be read."""
    test_result: str
    """`good`, `refused` or `unclear`, as the vendor said; empty: never tried."""
    tested_at: str | None
    version: int
    """Another number is another key under this name."""


class KeyChanges(TypedDict):
    """What is to be changed of a key; what is left out stays."""

    expires_at: NotRequired[str | None]
    """From then on it is not lent; null: never."""
    is_enabled: NotRequired[bool]
    """False: it is lent to nobody until it is true again."""
    note: NotRequired[str]
    """For people."""
    projects: NotRequired[list[str] | None]
    """Which projects may use it; null: all."""


class KeyList(TypedDict):
    """One page of keys, by name."""

    keys: "list[Key]"
    next: str | None
    """The cursor of the next page; null at the end."""


class KeyTest(TypedDict):
    """What the vendor says of a key."""

    detail: str
    status: int | None
    """The vendor's HTTP status."""
    took_ms: int
    verdict: Literal["good", "refused", "unclear", "not_tried"]
    """`unclear`: the vendor is not well. `not_tried`: no question to this vendor is known that is free."""


class Latency(TypedDict):
    """Time to first byte, by model."""

    rows: "list[LatencyRow]"


class LatencyRow(TypedDict):
    """Time to first byte of one model."""

    modality: str
    model: str
    provider: str
    requests: int
    """Requests that had a first byte."""
    ttfb_p50_ms: int
    """From a histogram: within 4.5 %."""
    ttfb_p95_ms: int


class LayerStatus(TypedDict):
    """What a layer says of a kind, since when."""

    kind: Literal["projects", "limits", "budgets", "routing", "allowances", "markups", "keys"]
    layer: Literal["env", "db", "yaml"]
    origin: str
    problem: str
    """Of any replica's file of this layer; empty where there is none."""
    published_at: str
    published_by: str
    resources: int
    revision: int
    version: int


class LayeredResource(TypedDict):
    """One resource that holds, and where it is declared."""

    declared: Any
    """As given."""
    id: str
    place: str
    """In its layer's document."""
    shadows: list[Literal["env", "db", "yaml"]]
    """Lower layers that declare it too."""
    source: Literal["env", "db", "yaml"]


class LayeredSection(TypedDict):
    """One kind of resources."""

    resources: "list[LayeredResource]"
    revision: int
    """Moves with every change of any layer; what `If-Match` of its own route takes."""


class LearnedLimit(TypedDict):
    """A limit that the vendor told in an answer within the last hour."""

    account: str
    """The vendor key's fingerprint."""
    age_ms: int
    header: str
    """Where it stood."""
    limit: int
    meter: str
    modality: str
    model: str
    period_ms: int
    """0 where the vendor does not tell it."""
    provider: str
    remaining: int
    """-1 where the vendor does not tell it."""
    reset_ms: int


class LedgerReratingChange(TypedDict):
    """What a run changes of one meter of one model on one day."""

    after_usd: str
    before_usd: str
    day: str
    difference_usd: str
    meter: str
    model: str
    provider: str
    requests: int


class LedgerStatus(TypedDict):
    """How far the ledger is behind the inbox."""

    last_rated_at: str | None
    oldest_pending_age_ms: int
    pending_spans: int
    quarantined_total: int
    rated_spans_total: int
    unrated_requests_total: int


class LimitsApplied(TypedDict):
    """What came of declaring a set."""

    is_changed: bool
    """False when this very set was in force already: no new revision was made."""
    pools: int
    revision: int
    """The revision in force; its replicas follow within a second."""


class LimitsReport(TypedDict):
    """The limits in force and how their pools are."""

    created_at: str | None
    created_by: str
    """The id of the token that declared them."""
    effective: "list[Effective]"
    """What holds, each resource with the layer that it is from."""
    is_live: bool
    """False while Redis is away: then nobody knows how the pools are."""
    learned: "list[LearnedLimit]"
    limits: list[dict[str, Any]]
    """What is managed, as given: what PUT replaces."""
    pools: "list[Pool]"
    revision: int


class Line(TypedDict):
    """One entry of the books."""

    amount_usd: str
    billed_quantity: int
    """After parts, minimum and rounding."""
    kind: str
    """`usage`, or what corrected it: `rerate`, `adjustment`, …"""
    meter: str
    price_id: str | None
    quantity: int
    """In the meter's base unit."""
    revision: int
    unrated_reason: str | None


class LinkRow(TypedDict):
    """A vendor's key and our fingerprint of it."""

    credential: str
    key_id: str
    provider: str


class Live(TypedDict):
    """What is running now, as far as workers have said within the last seconds."""

    calls: int
    may_end: bool
    """Whether the token that asked may end sessions."""
    sessions: "list[LiveSession]"
    workers: int
    """Processes present, idle ones included."""


class LiveSession(TypedDict):
    """One call that is running now."""

    agent: str
    amount_usd: str
    """Rated so far."""
    project: str
    room: str
    session_id: str
    started_at: str


class MadeToken(TypedDict):
    """A new token, with its text: the only time that anybody sees it."""

    created_at: str
    created_by: str
    """Who made it; empty for the first ones."""
    expires_at: str | None
    id: str
    last_used_at: str | None
    """To the minute; null: never."""
    name: str
    projects: list[str] | None
    revoked_at: str | None
    revoked_by: str | None
    role: "Role"
    state: Literal["active", "expired", "revoked"]
    token: str


class Mapping(TypedDict):
    """One mapping."""

    actor: NotRequired[str]
    """The token that saved it."""
    document: str
    """The mapping as YAML."""
    is_built_in: bool
    """Whether it came along; a saved one of its name hides it."""
    name: str
    provider: str
    saved_at: NotRequired[str | None]


class MappingDocument(TypedDict):
    """A mapping to save."""

    document: str
    """The mapping as YAML."""


class MappingList(TypedDict):
    """All mappings, by name."""

    mappings: "list[Mapping]"


class Margin(TypedDict):
    """What one project's model cost and what it is charged at."""

    cost_usd: str
    is_thin: bool
    margin_percent: str | None
    """Of the price, one digit after the point; null without a price."""
    margin_usd: str
    model: str
    """`minimum: …` for what a rule charges at least."""
    price_usd: str
    project: str
    provider: str


class MarginsReport(TypedDict):
    """Cost, price and margin of a month by project and model."""

    is_cut: bool
    """Not all rows are here; the total counts them all."""
    month: str
    rows: "list[Margin]"
    thin_percent: int
    total: "Margin"


class MarkupsApplied(TypedDict):
    """What came of declaring a set."""

    is_changed: bool
    """False when this very set was in force already: no new revision was made."""
    markups: int
    revision: int
    """The revision in force; its replicas follow within a second."""


class MarkupsDeclared(TypedDict):
    """The markups in force."""

    created_at: str | None
    created_by: str
    """The id of the token that declared them."""
    effective: "list[Effective]"
    """What holds, each resource with the layer that it is from."""
    markups: list[dict[str, Any]]
    """What is managed, as given: what PUT replaces."""
    revision: int


class ModelsModelRow(TypedDict):
    """One model: priced, named in a chain, asked by workers, or several of these."""

    amount_usd: str
    cause: str
    chains: list[str]
    """Chains that have it, of those the token may see."""
    health: Literal["unknown", "ok", "degraded", "half_open", "open", "disabled"]
    """The worst that workers say of it at any account; `unknown`: nobody asked lately."""
    is_priced: bool
    modality: str
    model: str
    """As in model strings: `provider/model`."""
    more_prices: int
    """How many more there are: `GET /api/v1/prices` has them all."""
    name: str
    """Without its provider."""
    priced_as: str
    """The catalogue's name of it, where that is another one."""
    prices: "list[PriceNow]"
    """List prices that hold now."""
    provider: str
    requests: int
    """Of the last 24 hours, in the projects that the token reaches."""
    ttfb_p50_ms: int | None
    ttfb_p95_ms: int | None
    typical: dict[str, int]
    """What a typical request uses."""
    typical_usd: str | None
    """A typical request at the prices of now; null where that has no price."""
    unpriced_reason: str
    """Why it has no price; empty where it has one."""
    unrated_requests: int


class ModelsPage(TypedDict):
    """Models in the order of provider, name and modality."""

    as_of: str
    models: "list[ModelsModelRow]"
    next: str | None
    """Send it as `cursor` for the next page; null: this is the last."""


class MovedMonth(TypedDict):
    """A month whose invoice was accepted, and by how much a run moves its books away from it."""

    difference_usd: str
    month: str
    provider: str
    reconciliation: int
    """The accepted one: reconcile the month again, and accept that."""


class NewKey(TypedDict):
    """A key to be sealed."""

    expires_at: NotRequired[str | None]
    """From then on it is not lent; null: never."""
    id: str
    """Its name, free to choose."""
    note: NotRequired[str]
    """For people."""
    projects: NotRequired[list[str] | None]
    """Which projects may use it; null: all."""
    provider: str
    """As in model strings."""
    secret: str
    """The vendor's key itself. No answer, log or list shows it again."""


class NewSecret(TypedDict):
    """The key that takes another one's place."""

    secret: str
    """The vendor's key itself. No answer, log or list shows it again."""


class NewToken(TypedDict):
    """A token that is to be made."""

    expires_at: NotRequired[str | None]
    """When it ends by itself; null: never."""
    name: str
    """For whom it is; shown in lists and in the audit log."""
    projects: NotRequired[list[str] | None]
    """What it reaches; null: all projects."""
    role: "Role"


class OddHour(TypedDict):
    """An hour that cost far more than the same hour of the past weeks."""

    hour: str
    is_over: bool
    """False while the hour runs."""
    project: str
    """Empty: the whole fleet."""
    spent_usd: str
    usual_usd: str
    """The middle of the past weeks."""
    weeks: int


class OpenLeg(TypedDict):
    """A leg that goes on, or ended a moment ago, and is not in the books yet."""

    amount_usd: str
    """By today's prices, so far."""
    duration_ms: int
    ended_at: str | None
    """Null while it goes on."""
    is_unrated: bool
    model: str
    part: str
    provider: str
    started_at: str | None


class PartChange(TypedDict):
    """One category in two runs."""

    after_usd: str
    before_usd: str
    category: str


class PartRow(TypedDict):
    """All parts of one category, or one part of a cell."""

    amount_usd: str
    category: str
    cells: NotRequired[int]
    confidence: str
    quantity: NotRequired[str | None]
    reason: NotRequired[str]


class PartStatus(TypedDict):
    """One part of the configuration, as the fleet knows it."""

    behind: int
    newest: str | None
    """Its newest version for a process that reaches all projects; null while this controller does not know it."""
    part: Literal["limits", "budgets", "routing"]
    up_to_date: int


class PartSum(TypedDict):
    """What one part of the call cost."""

    amount_usd: str
    part: str
    requests: int


class Period(TypedDict):
    """One month of the books; amounts are decimal strings in USD."""

    amount_usd: str
    closed_at: str | None
    closed_by: str
    """The id of the token that closed it."""
    entries: int
    """Entries booked in it."""
    is_closed: bool
    late_entries: int
    """Of those, entries that belong to months that were closed already."""
    month: str
    """`2026-10`"""
    pending_spans: int
    """Spans of this month that wait to be rated."""
    reason: str


class Periods(TypedDict):
    """Months that have entries or are closed, the newest first."""

    periods: "list[Period]"


class Pool(TypedDict):
    """One pool: what is declared, how it is now, what the vendor says."""

    burst: int
    id: str
    learned: "list[LearnedLimit]"
    limit: str
    """The name of the declaration it comes from."""
    live: "PoolLive | None"
    """Null where nobody has used the pool yet, and while Redis is away."""
    meter: str
    min_shares_permille: dict[str, int]
    offline: str
    period_ms: int
    rate_per_s: float
    """Units per second, for display."""
    selector: dict[str, str]
    slots: int
    units: int
    """Per period; 0 for slots."""
    weights: dict[str, int]


class PoolHolder(TypedDict):
    """One worker process's lease on a pool."""

    holder: str
    leased: int
    priority: str
    project: str
    refused: int
    spent: int
    """Units spent in its life; for slots, open now."""
    waiters: int


class PoolLive(TypedDict):
    """How a pool is now."""

    holders: int
    learning_ms: int
    """For how long nothing is granted because the pool lost its memory."""
    leased: int
    """Units that holders have and did not report spent; slots: leased."""
    level: int
    """Units that can be granted now, below zero while a debt is repaid; slots: free."""
    paused_ms: int
    """For how long the vendor's 429 still stops new grants."""
    projects: "list[PoolProject]"
    refused: int
    """Requests refused, by the holders that are present."""
    spent: int
    """Units spent since the pool began or lost its memory; 0 for slots."""
    top_holders: "list[PoolHolder]"
    """Those that hold most, at most ten."""
    waiters: int
    """Requests waiting, as holders said last."""


class PoolProject(TypedDict):
    """One project's part of a pool."""

    demand_milli: int
    """Thousandths of a unit per second; for slots, thousandths of a slot."""
    holders: int
    leased: int
    priority: str
    project: str
    refused: int
    waiters: int


class Posted(TypedDict):
    """What a posting changed of one allowance in one month."""

    amount_usd: str
    entries: int
    kind: str
    """`credit` or `purchase`."""
    month: str
    name: str
    what: str
    """`allowance`, `prepaid` or `subscription`."""


class PostedMonth(TypedDict):
    """What a posting changed: nothing, when the books were right already."""

    posted: "list[Posted]"


class PriceDetail(TypedDict):
    """One price by its id, also one that no catalogue holds any more."""

    content: dict[str, Any]
    """The row as a price file would say it."""
    first_seen_at: str | None
    first_version: str
    """The catalogue it was first seen in; empty: it has rated nothing yet."""
    is_known_now: bool
    """Whether the catalogue of now holds it, in whatever window."""
    origin: str
    """`builtin`, `managed`, or `local node`."""
    price: "PriceRow | None"
    """Null where only what was rated by is left: see `content`."""
    price_id: str


class PriceList(TypedDict):
    """Prices, in the order of provider, model, modality, meter and context."""

    as_of: str | None
    """What was known then; null: what is known now."""
    at: str | None
    """The instant that they hold at; null with `history`."""
    next: str | None
    """The cursor of the next page; null at the end."""
    prices: "list[PriceRow]"
    revision: int
    """Of the managed prices: it grows with each record."""
    total: int
    version: str
    """Names the whole catalogue's content."""


class PriceNow(TypedDict):
    """One price that holds now."""

    amount: str
    """For each `per`."""
    currency: Literal["USD", "credits"]
    meter: str
    per: str
    price_id: str
    when: dict[str, str]
    """The context it is for; empty: any."""


class PriceRow(TypedDict):
    """One price as published, with its layer and how fresh it is."""

    amount: str
    """As published, for each `per`: US dollars, or credits where `currency` says so."""
    basis: "Basis"
    confidence: str
    credit_price: "CreditPrice | None"
    currency: Literal["USD", "credits"]
    discount: str | None
    """The share of the list price that is paid, where a discount made this row."""
    effective_from: str | None
    effective_to: str | None
    """Excluded; null: open."""
    is_stale: bool
    """More than 60 days since then."""
    layer: Literal["builtin", "managed", "account", "project"]
    """Higher layers win: `builtin` (shipped with the package), `managed` (list prices that operators set or imported), `account` (contract of a vendor key, or of all: `*`), `project` (of a project)."""
    list_amount: str | None
    """The regular price beside a promotional `amount`."""
    meter: str
    modality: str
    model: str
    multiplier: str
    note: str
    overridden_by: list[str]
    """Prices of higher layers, among those asked for, that win over this one in some of its requests."""
    per: str
    """Such as `1 minute` or `1000000 tokens`."""
    price_id: str
    provider: str
    reason: str
    """Why it was recorded."""
    record_id: int | None
    """The record that states it; null for what the package ships."""
    recorded_at: str | None
    recorded_by: str
    """Who recorded it; empty for what the package ships."""
    scope: str
    """The key's fingerprint, `*` or the project; empty for list prices."""
    source: "SourceOf"
    tiers: "TiersOf | None"
    verified_by: str
    verified_days: int
    """Days since then."""
    verified_on: str
    """The day somebody last read it at its source."""
    when: dict[str, str]
    """The context it is for; a key that is not named may be anything."""


class Problem(TypedDict):
    """What went wrong (RFC 9457). `code` is stable; `detail` is for people and says what to do."""

    code: str
    """One of docs/reference/http.md#problems."""
    detail: str
    status: int
    title: str
    type: str
    """`urn:voicegateway:` and the code."""


class ProjectForecast(TypedDict):
    """What to expect of one project; of the whole fleet where its name is empty."""

    burn_last_day_usd: str
    """Per hour, over the last 24."""
    burn_last_hour_usd: str
    month_end: "Projection"
    project: str
    spent_this_month_usd: str
    sureness: Literal["good", "fair", "poor"]
    weeks: int
    zone: str
    """That of its first budget by the calendar, else the fleet's, else UTC."""


class ProjectList(TypedDict):
    """Projects in the order of their ids."""

    created_at: str | None
    created_by: str
    next: str | None
    """The cursor of the next page; null at the end."""
    projects: "list[ProjectRow]"
    revision: int
    """Of what is in force."""


class ProjectRow(TypedDict):
    """One project: declared, or seen to spend, or both."""

    calls: int | None
    """Live now; null while nobody can know."""
    description: str
    id: str
    is_archived: bool
    is_declared: bool
    """False: calls name it, and nobody has declared it."""
    labels: dict[str, str]
    last_seen_on: str | None
    """The last day with a request, of the last 31; null: none."""
    month_usd: str
    """Spent in this month, UTC."""
    name: str
    owner: str
    requests_today: int
    shadows: list[str]
    """Lower layers that declare it too and do not hold."""
    source: Literal["env", "db", "yaml", ""]
    """The layer its declaration is from; empty where it is not declared."""
    today_usd: str
    unrated_requests: int
    """Of this month: requests of which a part has no price."""


class Projection(TypedDict):
    """What will have been spent by an instant, if nothing stops it."""

    at: str
    high_usd: str
    """As the dearest of the past weeks would have it."""
    likely_usd: str
    low_usd: str
    """As the cheapest of the past weeks would have it."""


class ProjectsApplied(TypedDict):
    """What came of declaring projects."""

    is_changed: bool
    """False when this was in force already: nothing new was made."""
    projects: int
    """Declared now, by all layers."""
    revision: int
    """The revision in force; replicas follow within a second."""


class Provider(TypedDict):
    """Where people sign in without a token."""

    name: str
    """What the button says."""


class ProvidersHealth(TypedDict):
    """What is known of vendors now."""

    disabled: "list[Disabled]"
    is_live: bool
    """False while Redis is away: this is what was known last."""
    may_switch: bool
    """Whether the token that asked may switch vendors off and on."""
    targets: "list[TargetHealth]"


class Rated(TypedDict):
    """What it costs."""

    account: str
    amount_usd: str
    """12 decimals: what the contract asks, else the list."""
    as_of: str | None
    at: str
    lines: "list[RatedLineOf]"
    list_amount_usd: str
    """12 decimals: what the list prices come to."""
    modality: str
    model: str
    """As the catalogue names it."""
    project: str
    provider: str
    revision: int
    version: str
    """Of the catalogue."""


class RatedLineOf(TypedDict):
    """One meter of it."""

    amount_usd: str
    """12 decimals."""
    billed_quantity: int
    layer: Literal["builtin", "managed", "account", "project"] | None
    list_amount_usd: str
    """12 decimals."""
    meter: str
    price_id: str | None
    quantity: int


class Reason(TypedDict):
    """Why a candidate does not serve, or only when nobody else can."""

    detail: str
    reason: str
    """`unknown_model`, `disabled` (never serves); `breaker`, `limit`, `budget` (asked after the others)."""


class Redelivered(TypedDict):
    """What is delivered again."""

    channels: list[str]
    """Empty when nothing was to be delivered again, or it is under way."""


class ReplicaFile(TypedDict):
    """One file as one replica reads it."""

    digest: str
    """Of what was published from there last; the same for files that say the same."""
    is_in_force: bool
    """False where another replica's file, published later, holds."""
    layer: Literal["env", "db", "yaml"]
    name: str
    problems: list[dict[str, Any]]
    read_at: str | None
    state: str
    """`waiting` for Postgres, `published`, `wrong`, `refused` by the whole, `missing`."""


class ReplicaStatus(TypedDict):
    """One replica of the controller."""

    files: "list[ReplicaFile]"
    host: str
    id: str
    revisions: dict[str, int]
    seen_at: str
    version: int


class Report(TypedDict):
    """The totals of a run that is done."""

    catalog_version: str
    cells: int
    difference_usd: str
    drift_usd: str
    is_derived: bool
    is_within: bool
    notes: list[str]
    ours_usd: str
    parts: "list[PartRow]"
    settled_until: str
    threshold: str
    unexplained_usd: str
    vendor_usd: str


class RequestDetail(TypedDict):
    """One request, whole."""

    agent: str
    amount_usd: str | None
    """Null: not rated yet."""
    attempts: int
    duration_ms: int
    ended_at: str
    entries: "list[EntryRow]"
    error_type: str
    is_corrected: bool
    """Something was booked after it was rated first."""
    is_estimated: bool
    """The vendor never told the usage."""
    is_unrated: bool
    """A part of it has no price: the amount is a lower bound."""
    modality: str
    model: str
    outcome: str
    project: str
    provider: str
    request_id: str
    session_id: str
    span: "SpanDetail"
    started_at: str
    status_code: int | None
    ttfb_ms: int | None
    """Time to first byte; null where there was none."""


class Requests(TypedDict):
    """Requests whose counts disagree, the newest first."""

    next: str | None
    """The cursor of the next page; null at the end."""
    rows: "list[ValidationRequestRow]"


class RequestsPage(TypedDict):
    """Requests, the newest first."""

    next: str | None
    """Send it as `cursor` for the next page; null: this is the last."""
    requests: "list[RequestsRequestRow]"
    since: str
    until: str


class RequestsRequestRow(TypedDict):
    """One request: an LLM generation, a synthesis, a transcription, a leg of a call."""

    agent: str
    amount_usd: str | None
    """Null: not rated yet."""
    attempts: int
    duration_ms: int
    ended_at: str
    error_type: str
    is_corrected: bool
    """Something was booked after it was rated first."""
    is_estimated: bool
    """The vendor never told the usage."""
    is_unrated: bool
    """A part of it has no price: the amount is a lower bound."""
    modality: str
    model: str
    outcome: str
    project: str
    provider: str
    request_id: str
    session_id: str
    started_at: str
    status_code: int | None
    ttfb_ms: int | None
    """Time to first byte; null where there was none."""


class RerateDetail(TypedDict):
    """One run and what it changed so far."""

    accepted: "list[MovedMonth]"
    """What it changes of months whose invoice was accepted."""
    changes: "list[LedgerReratingChange]"
    """The largest differences first; at most 5,000."""
    rerating: "Rerating"


class Rerating(TypedDict):
    """One run."""

    actor: str
    """The id of the token, or `runner`."""
    after_usd: str
    allow_unrated: bool
    as_of: str
    before_usd: str
    """What the changed lines cost until now."""
    changed: int
    correction_id: str
    """What its entries name as their reason."""
    created_at: str
    difference_usd: str
    entries: int
    """Entries booked; of a dry run, that would be."""
    expected: int
    """Requests that it is about, to the hour."""
    failed: int
    """Requests whose rating raised, or whose correction Postgres refused."""
    finished_at: str | None
    is_automatic: bool
    """Begun by the runner because a price arrived."""
    is_dry_run: bool
    kept: int
    """Requests that would have lost their price, and kept what they have."""
    model: str
    number: int
    """Also the revision of the entries it books."""
    only_unrated: bool
    project: str
    provider: str
    reason: str
    seen: int
    """Requests looked at so far."""
    since: str | None
    state: str
    """`running` (or waiting for its turn), `done` or `cancelled`."""
    still_unrated: int
    """Requests of which a part still has no price."""
    until: str
    without_span: int
    """Requests whose span is no longer in the inbox: left as they are."""
    worked_at: str | None
    """When its last batch was booked."""


class Reratings(TypedDict):
    """Runs, the newest first."""

    reratings: "list[Rerating]"


class Resolution(TypedDict):
    """Who would serve a request now, by what the fleet knows."""

    as_of: str
    is_live: bool
    """False while Redis is away: then limits and budgets reject nobody here."""
    notes: list[str]
    parts: "list[ResolvedPart]"
    project: str
    revision: int
    stack: str
    """Where a stack was asked for."""


class ResolvedCandidate(TypedDict):
    """One model and how it stands."""

    is_degraded: bool
    """It answers far slower than it did: asked after those that do not."""
    model: str
    passes: bool
    place: int | None
    """1: asked first. Null: not asked at all."""
    position: int
    """As declared, from 0."""
    price_usd: str | None
    """Of a typical request; null where it has no price."""
    provider: str
    rejections: "list[Reason]"
    ttfb_p50_ms: int | None
    """Of the fleet, of late; null while too few are known."""
    unpriced: str
    """Why it has none."""
    weight: int


class ResolvedPart(TypedDict):
    """One place in an agent."""

    attempt_timeout_ms: int
    candidates: "list[ResolvedCandidate]"
    chain: str
    """Empty for a model by itself."""
    hedge: bool
    is_last_resort: bool
    """Nobody passes: the first is asked all the same."""
    is_throttled: bool
    """A budget says to make do with the cheapest."""
    modality: str
    project: str
    """Whose chain it is; empty: everybody's."""
    serves: str | None
    """Who would be asked first; null where nobody can serve."""
    strategy: str
    """By which they were ordered: `cheapest` while a budget throttles."""
    typical: dict[str, int]
    """The request that prices are compared by."""


class Reverse(TypedDict):
    """Why it is taken back."""

    reason: str


Role = Literal["admin", "operator", "viewer", "worker"]


class RotateSecret(TypedDict):
    """How to re-seal."""

    dry_run: NotRequired[bool]
    """Only say which keys it would be."""
    force: NotRequired[bool]
    """Also while a controller is there that has not the primary secret."""


class Rotated(TypedDict):
    """What came of re-sealing."""

    is_dry_run: bool
    keys: list[str]
    """Names of the keys that are under the primary now and were not."""
    primary_id: str
    resealed: int
    """How many; in a dry run, how many it would be."""
    unopened: list[str]
    """Names of those that stay under a secret that is not here."""


class RoutingApplied(TypedDict):
    """What came of declaring a set."""

    chains: int
    is_changed: bool
    """False when this very set was in force already: no new revision was made."""
    revision: int
    """The revision in force; replicas follow within a second."""
    stacks: int
    warnings: list[str]
    """Providers that nobody here knows."""


class RoutingDeclared(TypedDict):
    """What is declared, as given."""

    created_at: str | None
    created_by: str
    """The id of the token that declared it."""
    effective: "list[Effective]"
    """What holds, each resource with the layer that it is from."""
    revision: int
    routing: dict[str, Any]
    """What is managed, as a routing file says it: what PUT replaces; without sections of other projects."""


class Run(TypedDict):
    """One reconciliation: under way, done or failed."""

    accepted: "Accepted | None"
    actor: str
    error: str
    error_code: str
    finished_at: str | None
    is_nightly: bool
    month: str
    number: int
    provider: str
    report: "Report | None"
    source: str
    started_at: str
    state: str
    step: str


class Runs(TypedDict):
    """Reconciliations, the newest first."""

    next: str | None
    """The cursor of the next page; null at the end."""
    reconciliations: "list[Run]"


class Session(TypedDict):
    """One call as the books have it."""

    agent: str
    corrected_requests: int
    ended_at: str | None
    estimated_requests: int
    is_live: bool | None
    """Null while Redis is away: nobody knows."""
    items: "list[CallsItem]"
    """In the order in which they began."""
    left_out: int
    """Requests beyond those listed; the sums hold them."""
    open_legs: "list[OpenLeg]"
    parts: "list[PartSum]"
    pending: int
    """Requests of this call that arrived and are not rated yet."""
    projects: list[str]
    requests: int
    room: str
    session_id: str
    so_far_usd: str
    """The total and what the open legs cost so far."""
    started_at: str | None
    total_usd: str
    """The sum of all entries, corrections included."""
    unrated_requests: int


class SessionRow(TypedDict):
    """One call."""

    agent: str
    amount_usd: str
    ended_at: str
    errors: int
    estimated_requests: int
    live: bool
    project: str
    requests: int
    room: str
    session_id: str
    started_at: str
    unrated_requests: int


class SessionToEnd(TypedDict):
    """One session that is told to end."""

    agent: str
    amount_usd: str
    """Rated so far; requests that are open or on their way are not in it."""
    directive: str
    """Its id; empty in a dry run."""
    project: str
    room: str
    session_id: str
    started_at: str


class Sessions(TypedDict):
    """Calls, the one that started last first."""

    next: str | None
    """The cursor of the next page; null at the end."""
    rows: "list[SessionRow]"


class SignIn(TypedDict):
    """A sign-in that is in force."""

    actor: str
    created_at: str
    expires_at: str
    id: str
    is_current: bool
    """Whether it is the one that asks."""
    last_seen_at: str
    """To the minute."""
    name: str
    projects: list[str] | None
    role: "Role"
    with_token: str | None
    """The id of the token it was begun with; null: single sign-on."""


class SignInOptions(TypedDict):
    """How to sign in, and who is signed in already."""

    is_secure: bool
    """False: the cookie travels without TLS, and so did this."""
    oidc: "Provider | None"
    """Single sign-on at `/api/v1/sign-in/oidc`; null where none is set up."""
    signed_in: "Visitor | None"
    """Who the cookie that came along signs in; null: nobody."""
    token: bool
    """Whether a token may be given: always."""


class SignIns(TypedDict):
    """A page of sign-ins, the newest first."""

    next: str | None
    """The cursor of the next page; null at the end."""
    sign_ins: "list[SignIn]"


SignedOut = dict[str, Any]


class SimulatedPool(TypedDict):
    """What one pool would have made of the traffic."""

    admitted_at_once: int
    burst: int
    delay_p50_ms: int
    """Of the delayed ones."""
    delay_p95_ms: int
    delayed: int
    first_refused_at: str | None
    holds: bool
    """True when it would have refused nothing."""
    id: str
    matched: int
    """Requests it is about."""
    meter: str
    peak_open: int
    """Most requests open at the same time."""
    peak_per_min: int
    """Most units asked for in one minute."""
    period_ms: int
    refused: int
    slots: int
    smallest: int | None
    """Units per period, or slots, that would have refused nothing, with the same burst; to three digits. Null when too many came in one instant for this burst."""
    units: int
    worst_minute: str | None
    """With most refusals; without any, with most demand."""
    worst_minute_refused: int


class Simulation(TypedDict):
    """Recorded requests replayed against limits."""

    admit_wait_ms: int
    covered_until: str | None
    """Earlier than `until` when there were too many requests."""
    is_truncated: bool
    pools: "list[SimulatedPool]"
    requests: int
    since: str
    until: str


class SourceOf(TypedDict):
    """Where a price was read."""

    read_on: str
    url: str
    via: str
    """Through whom, when not from the page itself."""


class SpanDetail(TypedDict):
    """What the worker delivered."""

    arrived_at: str
    attributes: dict[str, Any]
    incarnation: str
    """The process life that carried it."""
    is_clock_suspect: bool
    job_id: str
    key_id: str
    """The fingerprint of the vendor key, never the key."""
    language: str
    mode: str
    reported: dict[str, int]
    """By the plugin's count, and the vendor's (`vendor:` before the meter)."""
    response_id: str
    response_model: str
    room: str
    service_tier: str
    span_id: str
    speech_id: str
    trace_id: str
    usage: dict[str, int]
    """Meter: quantity in its base unit, by our count."""
    voice: str


class Spend(TypedDict):
    """Spend over time."""

    bucket: Literal["hour", "minute"]
    by: Literal["provider", "model", "project"]
    points: "list[SpendPoint]"


class SpendPoint(TypedDict):
    """One key's spend in one bucket of time."""

    amount_usd: str
    at: str
    key: str
    requests: int


class Standing(TypedDict):
    """One allowance in one month. Of a pack, `used` and `left` are of all its life until the month's end."""

    booked_usd: str
    """What the books hold for the month: credits negative, fees and prices positive."""
    bought_on: str | None
    credit_usd: str
    """What the covered usage of the month cost."""
    expires_on: str | None
    fee_usd: str
    given: str
    kind: str
    """`quantity`, `usd`, `prepaid` or `subscription`."""
    left: str
    meters: list[str]
    models: list[str]
    name: str
    over: str
    """Used beyond what is given."""
    project: str
    """Empty: of all projects; the credit is nobody's in particular."""
    projected: str | None
    """What will have been used when this month ends; null for other months."""
    provider: str
    unit: str
    """What `given` and the others count: `ms`, `token`, `character`, … or `usd`."""
    used: str


class Standings(TypedDict):
    """How the allowances of a month are."""

    allowances: "list[Standing]"
    as_of: str
    month: str
    revision: int


class Started(TypedDict):
    """A run has begun; `number` finds it."""

    number: int


class StatementCorrection(TypedDict):
    """Why entries were booked that are no usage."""

    actor: str
    """The id of a token, or the job that did it."""
    created_at: str
    id: str
    kind: str
    reason: str


class StatementReport(TypedDict):
    """What one project owes for one month."""

    corrections: "list[StatementCorrection]"
    cost_usd: str
    estimated_requests: int
    is_closed: bool
    """Whether nothing can be added to this month any more."""
    list_usd: str
    made_at: str
    margin_usd: str | None
    month: str
    """Such as 2026-10, UTC."""
    previous_cost_usd: str
    """Of the month before."""
    price_usd: str | None
    """What is charged, minimums included; null unless it was asked for."""
    project: str
    requests: int
    rows: list[dict[str, str]]
    """As in the CSV: lines, minimums, and the total last."""
    unrated_requests: int


class Step(TypedDict):
    """The amount that holds above a quantity."""

    above: int
    """In the base unit of the tiers' basis."""
    amount: str


class TargetHealth(TypedDict):
    """How one model fares at one account and region, by all workers."""

    account: str
    """The fingerprint of the vendor key."""
    cause: str
    """`errors`, `timeouts`, `rate_limited`, `unauthorized`; empty when closed."""
    heard_at: str
    """When a worker last said something of it."""
    is_degraded: bool
    """It answers far slower than it did before."""
    modality: str
    model: str
    """Empty: the account as a whole, whose key was refused."""
    openings: int
    """How often it opened in a row."""
    provider: str
    region: str
    """Host of an address that is not the vendor's usual one."""
    retry_ms: int
    """Open: when the next probe is due."""
    samples: int
    """Requests behind these; 0 for a token of some projects."""
    since: str | None
    """Since when it is not closed."""
    state: Literal["closed", "open", "half_open"]
    ttfb_p50_ms: int
    """0 while there are too few requests to tell."""
    ttfb_p95_ms: int


class Tested(TypedDict):
    """The test that was raised."""

    id: str


class TiersOf(TypedDict):
    """Amounts by quantity."""

    basis: str
    """The meter that is compared."""
    kind: Literal["cliff", "graduated"]
    steps: "list[Step]"


class Token(TypedDict):
    """A token, without its secret, which is stored nowhere."""

    created_at: str
    created_by: str
    """Who made it; empty for the first ones."""
    expires_at: str | None
    id: str
    last_used_at: str | None
    """To the minute; null: never."""
    name: str
    projects: list[str] | None
    revoked_at: str | None
    revoked_by: str | None
    role: "Role"
    state: Literal["active", "expired", "revoked"]


class Tokens(TypedDict):
    """A page of tokens, the newest first."""

    next: str | None
    """The cursor of the next page; null at the end."""
    tokens: "list[Token]"


class Told(TypedDict):
    """What came of an order."""

    is_dry_run: bool
    left_out: int
    """Sessions that matched beyond what one order may end: order again."""
    sessions: "list[SessionToEnd]"
    """Dearest first."""


class Total(TypedDict):
    """The sums over all keys, those beyond the listed rows included."""

    amount_usd: str
    estimated_requests: int
    """Requests whose usage the vendor never told."""
    requests: int
    sessions: int
    """Calls with a request in these hours."""
    unrated_requests: int
    """Requests of which a part has no price: the amount is a lower bound."""


class TrialBalance(TypedDict):
    """All accounts, and that they balance."""

    accounts: "list[Account]"
    credit_usd: str
    debit_usd: str
    difference_usd: str
    """Zero, or the books are broken."""
    since: str | None
    until: str | None


class Validated(TypedDict):
    """Whether a document could be applied now."""

    is_valid: bool
    problems: "list[DocumentProblem]"


class Validation(TypedDict):
    """Counts compared, those that disagree most first."""

    meaning: dict[str, str]
    """What each finding means."""
    rows: "list[ValidationModelRow]"
    since: str
    until: str


class ValidationModelRow(TypedDict):
    """One meter of one model, counted by us and by somebody else."""

    agreeing: int
    """Of those, within tolerance."""
    findings: dict[str, int]
    """Requests beyond tolerance, by the reason found."""
    meter: str
    modality: str
    model: str
    ours: str
    """The sum of our counts, in the meter's base unit."""
    provider: str
    requests: int
    """Requests compared."""
    source: Literal["plugin", "vendor"]
    """Who else counted: LiveKit's `plugin`, or the `vendor` itself in its answer."""
    theirs: str


class ValidationRequestRow(TypedDict):
    """One request whose counts disagree."""

    charged_at: str
    finding: Literal[
        "agrees",
        "pushed_not_sent",
        "socket_time",
        "interrupted",
        "retried",
        "estimated",
        "plugin_over_count",
        "plugin_under_count",
        "vendor_over_count",
        "vendor_under_count",
    ]
    meter: str
    modality: str
    model: str
    ours: int
    project: str
    provider: str
    request_id: str
    session_id: str
    source: Literal["plugin", "vendor"]
    theirs: int


class VaultReplica(TypedDict):
    """One controller."""

    id: str
    is_this: bool
    """Whether it is the one that answers."""
    secrets: list[str]
    """Short names of the vault secrets that it has, the primary first."""
    seen_at: str


class VaultStatus(TypedDict):
    """How the vault is, as the controller that answers sees it."""

    is_insecure_allowed: bool
    """Whether keys are lent over plain HTTP from other machines."""
    is_open: bool
    """Whether it can seal, and open everything that is sealed."""
    keys: dict[str, int]
    """Keys by state."""
    lease_s: int
    """How long a worker keeps a key that no answer renews."""
    primary_id: str
    """The short name of the secret that new keys are sealed under."""
    problem: str
    """What is wrong and what to do; empty when all is well."""
    replicas: "list[VaultReplica]"
    sealed_under: dict[str, int]
    """Keys by the short name of their secret."""
    secrets: list[str]
    """Short names of all secrets that it has, the primary first."""
    unopened: list[str]
    """Names of keys whose secret is not here."""
    unreadable: list[str]
    """Names of declared keys whose variable or file cannot be read."""


class Verification(TypedDict):
    """Whether the log is what was written."""

    broken: "Broken | None"
    checked: int
    """Records whose seal holds, from the first on."""
    head: str
    """Its seal. Kept elsewhere with its number, it proves later that nothing before was rewritten."""
    newest: int
    """The newest record's number."""
    ok: bool


class Visitor(TypedDict):
    """Who is calling, and what they may do."""

    actor: str
    """How the audit log names them: a token's id, or `oidc:` and the person."""
    csrf_token: str | None
    """To be sent as `X-CSRF-Token` with each POST, PUT, PATCH and DELETE; null where none is needed."""
    expires_at: str | None
    """When it ends by itself; null: never."""
    kind: Literal["token", "session"]
    """A token came with the request, or a sign-in's cookie."""
    name: str
    """For whom the token is, or who the person is."""
    projects: list[str] | None
    """Which projects are reached; null: all."""
    role: "Role"
    sign_in_id: str | None
    """The sign-in's id; null for a token."""


class Wanted(TypedDict):
    """What to reconcile; `total` states an invoice by hand."""

    month: str
    provider: str
    source: NotRequired[Literal["api", "total"]]
    tax_usd: NotRequired[str | None]
    threshold: NotRequired[str | None]
    total_usd: NotRequired[str | None]


class WorkerList(TypedDict):
    """The fleet's processes."""

    may_drain: bool
    """Whether the token may drain them."""
    next: str | None
    workers: "list[WorkerRow]"
    """Workers before job processes, then by host, agent and id."""


class WorkerRow(TypedDict):
    """One process of the fleet, as it said of itself within the last seconds."""

    active_jobs: int | None
    """Calls of a worker's job processes. Null of a job process."""
    agent: str
    """The agent name it takes jobs for."""
    agents_version: str
    """Of livekit-agents."""
    behind: list[str]
    """What of these it knows in an older version: `limits`, `budgets`, `routing`."""
    drain_ordered_at: str | None
    drain_reason: str
    drained_by: str
    host: str
    id: str
    """Of this process life: another one after a restart."""
    is_drain_ordered: bool
    """Somebody wants it drained; it hears of that within a second."""
    is_drained: bool
    """It takes no new job, by order or because it is shutting down."""
    is_up_to_date: bool
    """It knows the newest limits, budgets and chains."""
    kind: Literal["worker", "job"]
    """`worker`: LiveKit's main process, which takes jobs. `job`: one that carries calls, or waits."""
    load_permille: int | None
    """What a worker last measured; 1000 is full. Null of a job process."""
    outbox_rows: int
    """Requests that wait on its host to be delivered."""
    pid: int
    seen_at: str
    sessions: int
    """Calls that this very process carries, of projects that the token reaches."""
    shim_version: str
    started_at: str
    """RFC 3339, UTC; empty where it did not say."""
    worker_id: str
    """LiveKit's name of the worker that it is, or belongs to; empty where unknown."""
