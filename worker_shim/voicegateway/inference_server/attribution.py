"""Attribution: whose call a connection belongs to, read from the headers that LiveKit's clients send, and the token."""

from collections.abc import Mapping
from typing import Final

from voicegateway.identity import PRIORITY_KEY, PROJECT_KEY, Identity, from_json, now_text, process_identity
from voicegateway.inference_server.access import Credentials
from voicegateway_shared.telemetry import attributes
from voicegateway_shared.wire import Priority

JOB_HEADER: Final = "X-LiveKit-Job-ID"
ROOM_HEADER: Final = "X-LiveKit-Room-ID"
PRIORITY_HEADER: Final = "X-LiveKit-Inference-Priority"
PROVIDER_HEADER: Final = "X-LiveKit-Inference-Provider"
PROJECT_HEADER: Final = "X-VoiceGateway-Project"
"""For clients of one's own; LiveKit's send no headers but their own, and say it in the path of their URL."""
AGENT_HEADER: Final = "X-VoiceGateway-Agent"
TEXT_MAX: Final = 128
"""LiveKit's ids have some twenty characters."""


def identity_of(headers: Mapping[str, str], path: Mapping[str, str], credentials: Credentials) -> Identity:
    """Return whose call it is. A caller outside a job, as a test or a console, has the process's made-up session."""
    job_id = _text(headers, JOB_HEADER)
    made_up = process_identity()
    return Identity(
        session_id=job_id or made_up.session_id,
        project=_project(headers, path, credentials),
        agent=_text(headers, AGENT_HEADER)
        or _text(path, "agent")
        or _short(credentials.attributes.get(attributes.AGENT_NAME)),
        job_id=job_id,
        room=_text(headers, ROOM_HEADER),
        started_at=now_text() if job_id else made_up.started_at,
        priority=_priority(headers, credentials),
    )


def _project(headers: Mapping[str, str], path: Mapping[str, str], credentials: Credentials) -> str | None:
    """A project's own key pays for nobody else. With a common one the nearest to the call wins: header, token, path."""
    return (
        credentials.key.project
        or _text(headers, PROJECT_HEADER)
        or _short(credentials.attributes.get(PROJECT_KEY))
        or _short(from_json(credentials.metadata, PROJECT_KEY))
        or _text(path, "project")
        or None
    )


def _priority(headers: Mapping[str, str], credentials: Credentials) -> Priority:
    """LiveKit's `low` is for work that no caller waits for."""
    is_batch = _text(headers, PRIORITY_HEADER) == "low" or credentials.attributes.get(PRIORITY_KEY) == "batch"
    return "batch" if is_batch else "live"


def _text(headers: Mapping[str, str], name: str) -> str:
    return _short(headers.get(name))


def _short(text: object) -> str:
    """What is no plain short text is taken for nothing: it would end up in every list of sessions."""
    return text if isinstance(text, str) and len(text) <= TEXT_MAX and text.isprintable() else ""
