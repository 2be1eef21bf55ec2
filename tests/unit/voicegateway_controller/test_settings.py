"""Settings: where they come from, and that a bad one is one line that names it."""

from pathlib import Path

import pytest

from voicegateway_controller.settings import load_database_settings, load_settings
from voicegateway_shared.errors import ConfigurationError

DATABASE = "postgres://user:hunter2@db:5432/voice"


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGATEWAY_DATABASE_URL", DATABASE)
    monkeypatch.setenv("REDIS_URL", "redis://cache:6379/0")

    settings = load_settings()

    assert settings.database_url.get_secret_value() == "postgresql+asyncpg://user:hunter2@db:5432/voice"
    assert settings.redis_url.get_secret_value() == "redis://cache:6379/0"
    assert (settings.host, settings.port) == ("127.0.0.1", 8580)
    assert settings.home == Path.home() / ".voicegateway"
    assert "hunter2" not in repr(settings)


def test_our_own_name_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://other")
    monkeypatch.setenv("VOICEGATEWAY_DATABASE_URL", "postgresql://ours")

    assert load_database_settings().database_url.get_secret_value() == "postgresql+asyncpg://ours"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {},
            "VOICEGATEWAY_DATABASE_URL is not set: set it to postgresql://user:password@host:5432/name, "
            "or run `voicegw up` for an embedded Postgres",
        ),
        (
            {"VOICEGATEWAY_DATABASE_URL": DATABASE},
            "VOICEGATEWAY_REDIS_URL is not set: set it to redis://host:6379/0, "
            "or run `voicegw up` for an embedded Valkey",
        ),
        (
            {"DATABASE_URL": "mysql://user:hunter2@db/voice"},
            "VOICEGATEWAY_DATABASE_URL is wrong: must look like postgresql://user:password@host:5432/name",
        ),
        (
            {"VOICEGATEWAY_DATABASE_URL": DATABASE, "VOICEGATEWAY_REDIS_URL": "http://cache"},
            "VOICEGATEWAY_REDIS_URL is wrong: must look like redis://host:6379/0",
        ),
        (
            {"DATABASE_URL": DATABASE, "REDIS_URL": "redis+cluster://cache:6379/3"},
            "VOICEGATEWAY_REDIS_URL is wrong: a cluster has no numbered databases: "
            "it must look like redis+cluster://host:6379",
        ),
        (
            {"DATABASE_URL": DATABASE, "REDIS_URL": "redis://c", "VOICEGATEWAY_QUEUE_REDIS_URL": "redis+cluster://c"},
            "VOICEGATEWAY_QUEUE_REDIS_URL is wrong: must look like redis://host:6379/0, no cluster",
        ),
        (
            {"DATABASE_URL": DATABASE, "REDIS_URL": "redis://c", "VOICEGATEWAY_PORT": "99999"},
            "VOICEGATEWAY_PORT is wrong: input should be less than or equal to 65535",
        ),
        (
            {"DATABASE_URL": DATABASE, "REDIS_URL": "redis://c", "VOICEGATEWAY_LOG_LEVEL": "loud"},
            "VOICEGATEWAY_LOG_LEVEL is wrong: input should be 'debug', 'info', 'warning' or 'error'",
        ),
    ],
)
def test_a_bad_setting_is_one_line(environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("redis_url", "queue_redis_url", "expected"),
    [
        ("redis://cache/1", None, "redis://cache/1"),
        ("redis+cluster://cache", None, None),
        ("rediss+cluster://cache:6379", "redis://queue", "redis://queue"),
    ],
)
def test_wake_ups_never_go_to_a_cluster(redis_url: str, queue_redis_url: str | None, expected: str | None) -> None:
    settings = load_settings(database_url=DATABASE, redis_url=redis_url, queue_redis_url=queue_redis_url)

    assert settings.queue_url == expected
