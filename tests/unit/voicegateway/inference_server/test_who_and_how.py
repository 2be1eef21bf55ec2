"""Whose call a connection is, what errors are told as, and what the server's settings may say."""

from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectionError, APIStatusError, APITimeoutError

from voicegateway import ConfigurationError
from voicegateway.inference_server.access import Credentials
from voicegateway.inference_server.attribution import identity_of
from voicegateway.inference_server.problems import Problem, of_error
from voicegateway.inference_server.settings import Key, Settings
from voicegateway.inference_server.socket import extra_of
from voicegateway_shared.errors import UnknownModel

JOB = {"X-LiveKit-Job-ID": "AJ_1", "X-LiveKit-Room-ID": "RM_1"}
PAIR = {"LIVEKIT_API_KEY": "APIone", "LIVEKIT_API_SECRET": "secret"}


def credentials(*, project: str | None = None, metadata: str = "", **attributes: str) -> Credentials:
    key = Key(api_key="APIone", api_secret="secret", project=project)
    return Credentials(key=key, attributes={f"voicegateway.{k}": v for k, v in attributes.items()}, metadata=metadata)


def test_job_is_the_session() -> None:
    identity = identity_of(JOB, {"agent": "front-desk"}, credentials())

    assert (identity.session_id, identity.job_id, identity.room) == ("AJ_1", "AJ_1", "RM_1")
    assert (identity.agent, identity.project, identity.priority) == ("front-desk", None, "live")


def test_callers_without_a_job_share_one_session() -> None:
    first, second = (identity_of({}, {}, credentials()) for _ in range(2))

    assert first.session_id == second.session_id
    assert (first.session_id.startswith("process-"), first.job_id) == (True, "")


@pytest.mark.parametrize(
    ("headers", "path", "told", "project"),
    [
        ({}, {}, credentials(), None),
        ({}, {"project": "path"}, credentials(), "path"),
        ({}, {"project": "path"}, credentials(metadata='{"voicegateway.project": "metadata"}'), "metadata"),
        ({}, {}, credentials(metadata="[1]"), None),
        ({}, {"project": "path"}, credentials(project=None, metadata="no json"), "path"),
        (
            {"X-VoiceGateway-Project": "header"},
            {"project": "path"},
            credentials(metadata='{"voicegateway.project": "m"}'),
            "header",
        ),
        ({"X-VoiceGateway-Project": "header"}, {"project": "path"}, credentials(project="keys"), "keys"),
        ({"X-VoiceGateway-Project": "x" * 1_000}, {"project": "path"}, credentials(), "path"),
        ({"X-VoiceGateway-Project": "a\x1bb"}, {}, credentials(), None),
    ],
)
def test_project_is_that_of_its_key_or_of_the_nearest_who_names_one(
    headers: dict[str, str], path: dict[str, str], told: Credentials, project: str | None
) -> None:
    assert identity_of(headers, path, told).project == project


def test_work_that_no_caller_waits_for_is_batch() -> None:
    assert identity_of({**JOB, "X-LiveKit-Inference-Priority": "low"}, {}, credentials()).priority == "batch"
    assert identity_of({**JOB, "X-LiveKit-Inference-Priority": "priority"}, {}, credentials()).priority == "live"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnknownModel("no such model"), 404, "model_not_found"),
        (ConfigurationError("no key"), 400, "model_not_available"),
        (APITimeoutError(), 504, "vendor_timeout"),
        (APIConnectionError(), 502, "vendor_unreachable"),
        (APIStatusError("x", status_code=401), 502, "vendor_refused_key"),
        (APIStatusError("x", status_code=429), 429, "vendor_limited"),
        (APIStatusError("x", status_code=422), 422, "vendor_refused"),
        (APIStatusError("x", status_code=503), 503, "vendor_refused"),
        (APIStatusError("x", status_code=1006), 502, "vendor_failed"),
        (APIStatusError("x", status_code=-1), 502, "vendor_failed"),
        (APIStatusError("x", status_code=402, body={"budget": "b", "retry_after_ms": 5}), 402, "budget_used_up"),
        (APIStatusError("x", status_code=499), 402, "budget_used_up"),
        (APIStatusError("x", status_code=429, body={"pool": "a:slots"}), 429, "limit_used_up"),
        (RuntimeError("a bug"), 502, "vendor_failed"),
    ],
)
def test_error_is_told_by_its_status(error: Exception, status: int, code: str) -> None:
    told = of_error(error)

    assert (told.status, told.code) == (status, code)
    assert "a bug" not in told.message


def test_error_after_the_last_attempt_is_the_attempts_own() -> None:
    raised = APIConnectionError("failed after 2 attempts")
    raised.__cause__ = APIStatusError("x", status_code=429)

    assert of_error(raised).status == 429


def test_used_up_rate_is_told_with_its_size() -> None:
    error = APIStatusError("x", status_code=429, body={"pool": "a:tokens_per_min", "retry_after_ms": 2_400})

    headers = of_error(error, {"a:tokens_per_min": 900}.__getitem__).headers

    assert headers == {
        "Retry-After": "2",
        "X-LiveKit-Inference-TPM-Limit": "900",
        "X-LiveKit-Inference-TPM-Used": "900",
    }


def test_settings_come_from_the_environment_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text(
        "worker: {project: acme}\n"
        "inference:\n"
        "  port: 1000\n"
        "  host: 0.0.0.0\n"
        "  keys: [{api_key: APItwo, api_secret: other, project: globex}]\n"
        "  plugins: {deepgram: {base_url: 'http://a'}, deepgram/stt: {mip_opt_out: true}}\n"
    )
    settings = Settings.load({**PAIR, "VOICEGATEWAY_CONFIG": str(file), "VOICEGATEWAY_INFERENCE_PORT": "2000"})

    assert (settings.host, settings.port) == ("0.0.0.0", 2000)
    assert [(key.api_key, key.project) for key in settings.keys] == [("APIone", None), ("APItwo", "globex")]
    assert settings.arguments_of("deepgram/nova-3", "stt") == {"base_url": "http://a", "mip_opt_out": True}
    assert settings.arguments_of("deepgram/aura-2", "tts") == {"base_url": "http://a"}
    assert settings.arguments_of("fast", "llm") == {}
    assert "secret" not in repr(settings.keys)


@pytest.mark.parametrize(
    ("environ", "section", "words"),
    [
        ({}, None, "set LIVEKIT_API_KEY and LIVEKIT_API_SECRET"),
        ({"LIVEKIT_API_KEY": "APIone"}, None, "set both"),
        ({**PAIR, "VOICEGATEWAY_INFERENCE_PORT": "x"}, None, "VOICEGATEWAY_INFERENCE_PORT"),
        (PAIR, "inference: [1]", "must be a mapping"),
        (PAIR, "inference: {prot: 1}", "unknown key inference.prot"),
        (PAIR, "inference: {keys: {a: b}}", "must be a list"),
        (PAIR, "inference: {keys: [{api_key: a}]}", r"keys\[0\]"),
        (PAIR, "inference: {keys: [{api_key: a, api_secret: ''}]}", r"keys\[0\]"),
        (PAIR, "inference: {plugins: {deepgram: 7}}", "must map"),
        (PAIR, "inference: {drain_s: true}", "DRAIN_S"),
        (PAIR, "inference: }", "cannot read"),
    ],
)
def test_wrong_setting_is_named(tmp_path: Path, environ: dict[str, str], section: str | None, words: str) -> None:
    given: dict[str, Any] = dict(environ)
    if section is not None:
        (tmp_path / "voicegw.yaml").write_text(section)
        given["VOICEGATEWAY_CONFIG"] = str(tmp_path / "voicegw.yaml")

    with pytest.raises(ConfigurationError, match=words):
        Settings.load(given)


@pytest.mark.parametrize(
    "name",
    ["base_url", "api_key", "endpoint_url", "speech_region", "http_session", "client", "credentials_file", "model_dir"],
)
def test_client_cannot_say_where_a_vendor_is_nor_with_which_key_it_is_asked(name: str) -> None:
    with pytest.raises(Problem) as refused:
        extra_of({"extra": {"language": "de", name: "http://elsewhere"}})

    assert (refused.value.status, name in refused.value.message) == (400, True)


def test_client_can_say_all_else() -> None:
    extra = {"endpointing": 25, "keyterms": ["VoiceGateway"], "speed": 1.1, "server_vad": {}, "format_turns": True}

    assert extra_of({"extra": extra}) == extra
