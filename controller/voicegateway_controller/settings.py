"""Every setting of the controller and the runner, with what it means; read once, at start."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from voicegateway_controller.access.settings import AccessSettings
from voicegateway_controller.calls.telephony import read_telephony
from voicegateway_controller.configuration.settings import ConfigurationSettings
from voicegateway_controller.http.settings import HttpSettings
from voicegateway_controller.mcp_server.settings import McpSettings
from voicegateway_controller.reconcile.billing_settings import BillingSettings
from voicegateway_controller.reconcile.threshold import THRESHOLD_DEFAULT, Threshold
from voicegateway_controller.vault.settings import VaultSettings
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.pricing.nodes import read_nodes

ENV_PREFIX: Final = "VOICEGATEWAY_"
CLUSTER_SUFFIX: Final = "+cluster"
_POSTGRES_SCHEMES: Final = ("postgresql+asyncpg", "postgresql", "postgres")
_REDIS_SCHEMES: Final = ("redis", "rediss", "unix")
_CLUSTER_SCHEMES: Final = tuple(f"{scheme}{CLUSTER_SUFFIX}" for scheme in ("redis", "rediss"))


class DatabaseSettings(BaseSettings):
    """The part that `voicegw migrate` and the token commands need: where Postgres is."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore", frozen=True, populate_by_name=True)

    database_url: Annotated[
        SecretStr,
        Field(
            validation_alias=AliasChoices("VOICEGATEWAY_DATABASE_URL", "DATABASE_URL"),
            description="Postgres 15 or newer, `postgresql://user:password@host:5432/name`. "
            "`DATABASE_URL` is read when this one is absent.",
        ),
    ]
    home: Annotated[
        Path,
        Field(description="Where the embedded services and local state live when there is no Postgres of your own."),
    ] = Path("~/.voicegateway")

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        scheme, separator, rest = url.get_secret_value().partition("://")
        if not separator or scheme not in _POSTGRES_SCHEMES:
            raise ValueError("must look like postgresql://user:password@host:5432/name")
        return SecretStr(f"postgresql+asyncpg://{rest}")

    @field_validator("home")
    @classmethod
    def _expanded(cls, home: Path) -> Path:
        return home.expanduser()


class Settings(
    DatabaseSettings, BillingSettings, AccessSettings, ConfigurationSettings, HttpSettings, McpSettings, VaultSettings
):
    """Everything the API process and the runner need."""

    # Of several bases the last one's defaults would hold: no prefix, and unknown variables refused.
    model_config = DatabaseSettings.model_config

    redis_url: Annotated[
        SecretStr,
        Field(
            validation_alias=AliasChoices("VOICEGATEWAY_REDIS_URL", "REDIS_URL"),
            description="Redis 7 or Valkey, `redis://host:6379/0`: limits, presence and wake-ups, never the only copy "
            "of anything. A cluster is `redis+cluster://host:6379`, any server of it. "
            "`REDIS_URL` is read when this one is absent.",
        ),
    ]
    queue_redis_url: Annotated[
        SecretStr | None,
        Field(
            description="A single Redis for wake-ups of the runner, which a cluster cannot carry. Without it they go "
            "to `VOICEGATEWAY_REDIS_URL`, or if that is a cluster nowhere: the runner's sweep finds the work.",
        ),
    ] = None
    host: Annotated[str, Field(description="Address the API listens on.", min_length=1)] = "127.0.0.1"
    port: Annotated[
        int, Field(description="Port the API listens on; 0 takes a free one and logs it.", ge=0, le=65535)
    ] = 8580
    runner_host: Annotated[
        str, Field(description="Address of the runner's own `/livez`, `/readyz` and `/metrics`.", min_length=1)
    ] = "127.0.0.1"
    runner_port: Annotated[
        int,
        Field(
            description="Port of the runner's own `/livez`, `/readyz`, `/metrics`; 0 switches them off.", ge=0, le=65535
        ),
    ] = 8581
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="The quietest level that is still logged.")
    ] = "info"
    log_format: Annotated[Literal["json", "text"], Field(description="`json` for machines, `text` for a terminal.")] = (
        "json"
    )
    database_pool_size: Annotated[
        int, Field(description="Postgres connections one process may hold.", ge=4, le=200)
    ] = 12
    billing_account_id: Annotated[
        str,
        Field(
            description="BillingAccountId of FOCUS exports: what the bills of this installation go by.",
            min_length=1,
            max_length=200,
        ),
    ] = "voicegateway"
    billing_account_name: Annotated[
        str,
        Field(
            description="The name on statements and in FOCUS exports, also of what runs on nodes of your own.",
            min_length=1,
            max_length=200,
        ),
    ] = "VoiceGateway"
    startup_wait_s: Annotated[
        float,
        Field(description="Seconds to wait for Postgres when starting, before giving up with an error.", ge=0, le=600),
    ] = 15.0
    ingest_concurrency: Annotated[
        int,
        Field(description="Batches of spans written to Postgres at the same time by one API process.", ge=1, le=64),
    ] = 4
    ingest_queue_max: Annotated[
        int,
        Field(
            description="Batches that may wait for their turn; the next one is answered 429 with Retry-After.",
            ge=0,
            le=10_000,
        ),
    ] = 32
    ingest_timeout_s: Annotated[
        float,
        Field(description="Longest time a batch may wait for Postgres before it is answered 503.", gt=0, le=300),
    ] = 10.0
    ingest_body_bytes_max: Annotated[
        int, Field(description="Largest request body as sent, before decompression.", ge=1024, le=64 * 2**20)
    ] = 4 * 2**20
    ingest_raw_bytes_max: Annotated[
        int, Field(description="Largest request body after decompression.", ge=1024, le=256 * 2**20)
    ] = 32 * 2**20
    rollup_batch_spans: Annotated[int, Field(description="Spans rated in one transaction.", ge=1, le=20_000)] = 2_000
    rollup_concurrency: Annotated[
        int, Field(description="Transactions one runner rates at the same time.", ge=1, le=16)
    ] = 2
    sweep_interval_s: Annotated[
        float,
        Field(description="How often the runner looks for unrated spans that no hint told it about.", gt=0, le=60),
    ] = 1.0

    local_nodes: Annotated[
        str,
        Field(
            description="What nodes with local models cost: `whisper=0.70/8, kokoro=0.70/8` is dollars per hour / how "
            "many requests one node serves at once when full; `whisper/large-v3=2.10/4` is for that model alone. "
            "Without it local models are unrated, not free.",
        ),
    ] = ""

    alert_webhook_url: Annotated[
        SecretStr | None,
        Field(description="Where alerts are POSTed, signed as Standard Webhooks are; needs the secret below."),
    ] = None
    alert_webhook_secret: Annotated[
        SecretStr | None,
        Field(
            description="Signs webhooks: `whsec_` and the base64 of 24 to 64 random bytes, "
            'as from `echo "whsec_$(openssl rand -base64 32)"`.',
        ),
    ] = None
    alert_slack_url: Annotated[
        SecretStr | None,
        Field(description="An incoming webhook of Slack, or of anything that takes the same JSON."),
    ] = None
    alert_smtp_url: Annotated[
        SecretStr | None,
        Field(
            description="Mail server for alerts: `smtp://user:password@host:587` (STARTTLS, required), "
            "`smtps://user:password@host:465` (TLS from the start), or `smtp+plain://host:25` (no encryption, no "
            "password). User and password percent-encoded.",
        ),
    ] = None
    alert_email_from: Annotated[str, Field(description="Sender of alerts by mail.")] = ""
    alert_email_to: Annotated[str, Field(description="Who gets alerts by mail: addresses separated by commas.")] = ""
    alert_ledger_lag_s: Annotated[
        float, Field(description="A span that waits longer than this to be rated is told as an alert.", ge=1, le=86_400)
    ] = 300.0
    alert_breaker_open_s: Annotated[
        float, Field(description="A vendor's breaker that stays open for so long is told as an alert.", ge=1, le=86_400)
    ] = 60.0
    livekit_url: Annotated[
        str,
        Field(
            description="LiveKit server, `wss://host` or `https://host`: with key and secret, the runner removes "
            "agents whose workers do not end a session when they are told to.",
        ),
    ] = ""
    livekit_api_key: Annotated[str, Field(description="API key of that server.")] = ""
    livekit_api_secret: Annotated[SecretStr | None, Field(description="API secret of that server.")] = None
    livekit_webhook_keys: Annotated[
        SecretStr | None,
        Field(
            description="Further API keys that may sign LiveKit's webhooks, `key:secret, key:secret`: while a key is "
            "being replaced, or of other LiveKit projects.",
        ),
    ] = None
    telephony: Annotated[
        str,
        Field(
            description="What call legs are billed as: YAML, or the name of a file with it; see the guide to call "
            "costs. Without it LiveKit Cloud's minutes are counted and no carrier's.",
        ),
    ] = ""
    reconcile_hour: Annotated[
        int, Field(description="The hour (UTC) from which each night's reconciliations run, 0 to 23.", ge=0, le=23)
    ] = 4
    reconcile_threshold: Annotated[
        str,
        Field(description="How much drift between a vendor's bill and the ledger is let pass: `0.5%` or `$1.00`."),
    ] = THRESHOLD_DEFAULT
    calls_settle_s: Annotated[
        float,
        Field(
            description="How long a call leg that ended waits for webhooks in disorder before it goes into the books.",
            ge=0,
            le=600,
        ),
    ] = 10.0

    @field_validator("reconcile_threshold")
    @classmethod
    def _is_threshold(cls, text: str) -> str:
        try:
            Threshold.parse(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return text

    @field_validator("telephony")
    @classmethod
    def _is_telephony(cls, text: str) -> str:
        try:
            read_telephony(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return text

    @field_validator("local_nodes")
    @classmethod
    def _are_nodes(cls, text: str) -> str:
        read_nodes(text, stated_on=datetime.now(UTC).date())
        return text

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in (*_REDIS_SCHEMES, *_CLUSTER_SCHEMES):
            raise ValueError("must look like redis://host:6379/0")
        if parts.scheme in _CLUSTER_SCHEMES and parts.path not in ("", "/", "/0"):
            raise ValueError("a cluster has no numbered databases: it must look like redis+cluster://host:6379")
        return url

    @field_validator("queue_redis_url")
    @classmethod
    def _is_single(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and urlsplit(url.get_secret_value()).scheme not in _REDIS_SCHEMES:
            raise ValueError("must look like redis://host:6379/0, no cluster")
        return url

    @property
    def queue_url(self) -> str | None:
        """Where wake-ups go; None when nowhere."""
        if self.queue_redis_url is not None:
            return self.queue_redis_url.get_secret_value()
        url = self.redis_url.get_secret_value()
        return None if is_cluster(url) else url


def is_cluster(redis_url: str) -> bool:
    """Say whether a URL names a Redis Cluster, by one of its servers."""
    return urlsplit(redis_url).scheme in _CLUSTER_SCHEMES


def load_settings(**overrides: Any) -> Settings:
    """Return the settings from the environment, or raise a ConfigurationError that names the one to mend."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise _explained(error) from error


def load_database_settings(**overrides: Any) -> DatabaseSettings:
    """Return only where Postgres is, or raise a ConfigurationError that names what to set."""
    try:
        return DatabaseSettings(**overrides)
    except ValidationError as error:
        raise _explained(error) from error


def _explained(error: ValidationError) -> ConfigurationError:
    """Turn pydantic's report into one line that never repeats the value, which may hold a password."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = str(first["loc"][0])
    name = field if field.isupper() else f"{ENV_PREFIX}{field.upper()}"
    if first["type"] == "missing":
        return ConfigurationError(f"{name} is not set: {_MISSING.get(name, 'set it in the environment')}")
    message = str(first["msg"]).removeprefix("Value error, ")
    return ConfigurationError(f"{name} is wrong: {message[:1].lower()}{message[1:]}")


_MISSING: Final = {
    "VOICEGATEWAY_DATABASE_URL": "set it to postgresql://user:password@host:5432/name, "
    "or run `voicegw up` for an embedded Postgres",
    "VOICEGATEWAY_REDIS_URL": "set it to redis://host:6379/0, or run `voicegw up` for an embedded Valkey",
}
