"""Every Prometheus metric of the controller and the runner, with what it means. Labels have few values."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_LATENCY_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

INGEST_REQUESTS: Final = Counter(
    "voicegateway_ingest_requests_total", "Requests to /v1/traces, by how they were answered.", ["status"]
)
INGEST_SPANS: Final = Counter(
    "voicegateway_ingest_spans_total",
    "Spans received, by fate: committed, duplicate (seen before), quarantined, foreign (no voicegateway.request.id).",
    ["fate"],
)
INGEST_BYTES: Final = Counter("voicegateway_ingest_bytes_total", "Bytes of span batches after decompression.")
INGEST_SECONDS: Final = Histogram(
    "voicegateway_ingest_seconds", "From a batch's last byte to its commit in Postgres.", buckets=_LATENCY_S
)
INGEST_WAITING: Final = Gauge("voicegateway_ingest_waiting", "Batches waiting for their turn to be written.")
HINTS: Final = Counter(
    "voicegateway_hints_total", "Wake-ups sent to the runner, by result; a failed one costs a second.", ["result"]
)
UNEXPECTED_ERRORS: Final = Counter(
    "voicegateway_unexpected_errors_total", "Errors nobody foresaw; each is in the log with its trace."
)
ACCESS_REFUSED: Final = Counter(
    "voicegateway_access_refused_total",
    "Callers refused: unknown (a wrong token or cookie), held (made to wait after many of them), role, cross_site.",
    ["reason"],
)
HTTP_REFUSALS: Final = Counter(
    "voicegateway_http_refusals_total",
    "Requests and connections that the API's guards ended, by why: slow_headers, slow_body, slow_reader, "
    "headers_too_large, connections, connections_of_address, host, rate_of_token, rate_of_address.",
    ["reason"],
)
SYNCS: Final = Counter("voicegateway_syncs_total", "Presence messages from workers, by result.", ["result"])

LEDGER_SPANS_RATED: Final = Counter("voicegateway_ledger_spans_rated_total", "Spans rated by this runner.")
LEDGER_ENTRIES: Final = Counter("voicegateway_ledger_entries_total", "Ledger entries written by this runner.")
LEDGER_UNRATED: Final = Counter(
    "voicegateway_ledger_unrated_requests_total", "Requests of which a part has no price, as rated by this runner."
)
LEDGER_POISONED: Final = Counter(
    "voicegateway_ledger_poisoned_spans_total", "Spans whose rating raised; they are quarantined and unrated."
)
RERATED_REQUESTS: Final = Counter(
    "voicegateway_rerating_requests_total", "Requests that this runner's re-ratings looked at, dry runs included."
)
LEDGER_BATCHES: Final = Counter(
    "voicegateway_ledger_batches_total", "Rating transactions of this runner, by result.", ["result"]
)
LEDGER_BATCH_SECONDS: Final = Histogram(
    "voicegateway_ledger_batch_seconds", "Duration of one rating transaction.", buckets=_LATENCY_S
)
LEDGER_PENDING: Final = Gauge("voicegateway_ledger_pending_spans", "Committed spans that are not rated yet.")
LEDGER_LAG_SECONDS: Final = Gauge(
    "voicegateway_ledger_lag_seconds", "Age of the oldest span that is not rated yet; 0 when there is none."
)
LEDGER_MISMATCHES: Final = Gauge(
    "voicegateway_ledger_rollup_mismatches", "Rollup rows that differ from the sum of their entries, at the last check."
)
BOOKS_FINDINGS = Gauge(
    "voicegateway_books_findings", "What proving the newest days of the ledger found; anything but 0 is a page."
)
LEDGER_VERIFIED_AT: Final = Gauge(
    "voicegateway_ledger_verified_timestamp_seconds", "When rollups were last compared with entries (Unix time)."
)
RUNNER_QUEUE_UP: Final = Gauge(
    "voicegateway_runner_queue_up", "1 while the runner hears hints from Redis; the sweep works without them."
)
PARTITIONS_CREATED: Final = Counter("voicegateway_partitions_created_total", "Partitions created ahead of time.")

ALERTS_RAISED: Final = Counter("voicegateway_alerts_raised_total", "Alerts raised by this process, by kind.", ["kind"])
ALERT_DELIVERIES: Final = Counter(
    "voicegateway_alert_deliveries_total",
    "Attempts of this runner to deliver alerts, by channel and result: delivered, retried, dead.",
    ["channel", "result"],
)
ALERTS_DEAD: Final = Gauge(
    "voicegateway_alerts_dead", "Deliveries that were given up and not delivered again since; a person must look."
)
SESSIONS_TOLD_TO_END: Final = Counter(
    "voicegateway_sessions_told_to_end_total", "Sessions that this process told their workers to end."
)
SESSION_ENDINGS: Final = Counter(
    "voicegateway_session_endings_total",
    "How sessions that were told to end did, as this runner saw: obeyed, removed, failed, left.",
    ["outcome"],
)

LIMIT_REVISION: Final = Gauge(
    "voicegateway_limit_revision", "Revision of the declared limits that this process goes by; 0 when none are."
)
LIMIT_SYNCS: Final = Counter(
    "voicegateway_limit_syncs_total", "Messages from workers that carried claims on limits, by result.", ["result"]
)
LIMIT_LEASES: Final = Counter("voicegateway_limit_leases_total", "Leases answered, by state.", ["state"])
LIMIT_LEASE_SECONDS: Final = Histogram(
    "voicegateway_limit_lease_seconds",
    "All claims of one message: from asking Redis to its answer.",
    buckets=_LATENCY_S,
)
LIMIT_SIGNALS: Final = Counter(
    "voicegateway_limit_signals_total",
    "What vendors said of their limits: limit (told one), refused (answered 429).",
    ["kind"],
)
LIMIT_PAUSES: Final = Counter(
    "voicegateway_limit_pauses_total", "Pools told to pause because their vendor answered 429; prolonging counts again."
)
LIMIT_POOL_LEVEL: Final = Gauge(
    "voicegateway_limit_pool_level",
    "What can be granted from a pool now; below zero while a debt is repaid. The same at every replica.",
    ["pool"],
)
LIMIT_POOL_LEASED: Final = Gauge(
    "voicegateway_limit_pool_leased",
    "What workers hold of a pool and have not reported spent; slots: leased.",
    ["pool"],
)
LIMIT_POOL_HOLDERS: Final = Gauge("voicegateway_limit_pool_holders", "Leases that a pool has out.", ["pool"])
LIMIT_POOL_WAITERS: Final = Gauge(
    "voicegateway_limit_pool_waiters", "Requests that wait for a pool, as holders said last.", ["pool"]
)
LIMIT_POOL_REFUSED: Final = Gauge(
    "voicegateway_limit_pool_refused", "Requests refused for want of a pool, by the holders that are present.", ["pool"]
)
LIMIT_POOL_PAUSED_SECONDS: Final = Gauge(
    "voicegateway_limit_pool_paused_seconds", "How long a pool still pauses because its vendor said so.", ["pool"]
)

HEALTH_REPORTS: Final = Counter(
    "voicegateway_health_reports_total",
    "Reports on vendors' health from workers: taken, repeated (counted before), unavailable or resting (Redis is away, "
    "the worker says it again).",
    ["result"],
)
PROVIDER_STATE: Final = Gauge(
    "voicegateway_provider_state",
    "The worst breaker of a model's accounts and regions: 0 closed, 1 half open, 2 open, 3 switched off by hand. "
    "Without a model: the account as a whole. The same at every replica.",
    ["provider", "model", "modality"],
)
PROVIDER_DEGRADED: Final = Gauge(
    "voicegateway_provider_degraded",
    "1 while a model answers far slower than it did before.",
    ["provider", "model", "modality"],
)
PROVIDER_TTFB_SECONDS: Final = Gauge(
    "voicegateway_provider_ttfb_seconds",
    "Time to first byte of a model in the last minutes, of all workers: quantiles 0.5 and 0.95.",
    ["provider", "model", "modality", "quantile"],
)

ROUTING_REVISION: Final = Gauge(
    "voicegateway_routing_revision", "Revision of the declared routing that this process goes by; 0 when none is."
)

PRICES_REVISION: Final = Gauge(
    "voicegateway_prices_revision", "Newest record of managed prices that this process goes by; 0 when there is none."
)
PRICES_UNREADABLE: Final = Gauge(
    "voicegateway_prices_unreadable",
    "1 while managed prices that this version cannot read are in force: this process goes by older ones, or by none.",
)

BUDGET_REVISION: Final = Gauge(
    "voicegateway_budget_revision", "Revision of the declared budgets that this process goes by; 0 when none are."
)
VAULT_REFERENCES_REVISION: Final = Gauge(
    "voicegateway_vault_references_revision",
    "Revision of the declared keys that this process goes by; 0 when none are.",
)
VAULT_KEYS: Final = Gauge(
    "voicegateway_vault_keys", "Sealed keys as this process knows them, by state: active, disabled, revoked.", ["state"]
)
VAULT_UNOPENED: Final = Gauge(
    "voicegateway_vault_unopened_keys", "Sealed keys whose vault secret this process does not have."
)
VAULT_LEASES: Final = Counter(
    "voicegateway_vault_leases_total",
    "Keys lent to workers, by result: leased, held (renewed, not sent again), locked (its vault secret is not here); "
    "and messages answered without any: insecure (plain HTTP), not_a_worker, unknown (Postgres never answered).",
    ["result"],
)
ALLOWANCE_REVISION: Final = Gauge(
    "voicegateway_allowance_revision", "Revision of the declared allowances that this process goes by; 0 when none are."
)
MARKUP_REVISION: Final = Gauge(
    "voicegateway_markup_revision", "Revision of the declared markups that this process goes by; 0 when none are."
)
CONFIGURATION_VERSION: Final = Gauge(
    "voicegateway_configuration_version", "Version of the configuration, of all kinds and layers, that was heard last."
)
CONFIGURATION_PROBLEM: Final = Gauge(
    "voicegateway_configuration_problem",
    "1 while what this process reads of a layer is wrong or gone: what it said last is in force.",
    ["layer"],
)
CONFIGURATION_PUBLISHED: Final = Counter(
    "voicegateway_configuration_published_total", "Layers that this process published, by result.", ["layer", "result"]
)
PROJECT_REVISION: Final = Gauge(
    "voicegateway_project_revision", "Revision of the declared projects that this process goes by; 0 when none are."
)
EVENTS_TOLD: Final = Counter("voicegateway_events_told_total", "Live events of settled requests that this runner told.")
EVENTS_DROPPED: Final = Counter(
    "voicegateway_events_dropped_total", "Live events that were not told because Redis was away; the books have them."
)
EVENT_LISTENERS: Final = Gauge("voicegateway_event_listeners", "Who listens to live events at this process.")
BUDGET_SYNCS: Final = Counter(
    "voicegateway_budget_syncs_total", "Messages from workers that carried a report on money, by result.", ["result"]
)
BUDGET_LEASES: Final = Counter("voicegateway_budget_leases_total", "Leases of money answered, by state.", ["state"])
BUDGET_LEASE_SECONDS: Final = Histogram(
    "voicegateway_budget_lease_seconds",
    "All claims on budgets of one message: from asking Redis to the last answer, openings and raises included.",
    buckets=_LATENCY_S,
)
BUDGET_OPENINGS: Final = Counter(
    "voicegateway_budget_openings_total",
    "Windows opened in Redis: first, or again after it lost its memory.",
    ["result"],
)
BUDGET_CEILING_RAISES: Final = Counter(
    "voicegateway_budget_ceiling_raises_total",
    "Times that more money of a window was released: backed (in Postgres first), or unbacked while Postgres was away.",
    ["result"],
)
BUDGET_MERGES: Final = Counter(
    "voicegateway_budget_merges_total",
    "Times that the ledger's sums were merged into the budgets' pools, by result; away: another replica's turn.",
    ["result"],
)
BUDGET_RELEASES: Final = Counter(
    "voicegateway_budget_releases_total",
    "Leases of dead or silent workers that the ledger settled, by why: recovered (all spans arrived), silent.",
    ["reason"],
)
BUDGET_SPENT: Final = Gauge(
    "voicegateway_budget_spent_nano_usd", "Spent in a budget's open window. The same at every replica.", ["budget"]
)
BUDGET_OUTSTANDING: Final = Gauge(
    "voicegateway_budget_outstanding_nano_usd", "Leased to workers and not told as spent.", ["budget"]
)
BUDGET_UNKNOWN: Final = Gauge(
    "voicegateway_budget_unknown_nano_usd",
    "What may have been leased before Redis lost its memory and was not heard of since; gone after ten minutes.",
    ["budget"],
)
BUDGET_LIMIT: Final = Gauge("voicegateway_budget_limit_nano_usd", "The amount of a budget.", ["budget"])
BUDGET_HOLDERS: Final = Gauge("voicegateway_budget_holders", "Workers that hold a part of a budget.", ["budget"])
BUDGET_UNBACKED: Final = Gauge(
    "voicegateway_budget_unbacked_windows",
    "Open windows of which more was released than Postgres knows: should Redis be lost too, they may be overrun.",
)

LIVEKIT_WEBHOOKS: Final = Counter(
    "voicegateway_livekit_webhooks_total",
    "Webhooks from LiveKit, by what became of them: taken, duplicate (seen before), late (about a leg that is booked "
    "already), ignored (about nothing that costs), stale, or the error they were refused with.",
    ["result"],
)
CALL_LEGS: Final = Counter(
    "voicegateway_call_legs_total",
    "Call legs that this runner wrote into the inbox, by kind and whether they were ever connected.",
    ["kind", "result"],
)
CALL_LEGS_LOST: Final = Counter(
    "voicegateway_call_legs_lost_total",
    "Call legs whose end no webhook told; they were closed at their last sign of life.",
)
CALL_LEGS_OPEN: Final = Gauge("voicegateway_call_legs_open", "Call legs that are not in the books yet.")

RECONCILE_RUNS: Final = Counter(
    "voicegateway_reconciliations_total",
    "Reconciliations of this process that ended, by provider and result: done, failed.",
    ["provider", "result"],
)
RECONCILE_DRIFT_RATIO: Final = Gauge(
    "voicegateway_reconciliation_drift_ratio",
    "Drift of the last reconciliation of a provider by this process, as a share of the vendor's amount.",
    ["provider"],
)
RECONCILED_AT: Final = Gauge(
    "voicegateway_reconciled_at_seconds", "When this process last reconciled a provider, as a Unix time.", ["provider"]
)

MCP_TOOL_CALLS: Final = Counter(
    "voicegateway_mcp_tool_calls_total",
    "Tools that assistants called here, by result: done, refused (told why), failed (ours; it was logged).",
    ["tool", "result"],
)
