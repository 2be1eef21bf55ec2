"""Owner: which agent session a request belongs to, found from where it is made."""

import functools
from typing import Any

from voicegateway.identity import Identity, current_job
from voicegateway.runtime import Runtime
from voicegateway.sessions import LiveSession


def live_session(runtime: Runtime, identity: Identity) -> LiveSession | None:
    """The handle of the session around the caller: of the one that runs this code, else of its job's; else None."""
    if identity.carrier is not None:
        return runtime.sessions.met(identity.carrier, identity)
    job = current_job()
    session = _running_session()
    if session is None:
        session = getattr(job, "_primary_agent_session", None)
    return None if session is None else runtime.sessions.met(session, identity, job)


def _running_session() -> Any:
    activity_variable, pipeline_variable = _variables()
    activity = None if activity_variable is None else activity_variable.get(None)
    if activity is None and pipeline_variable is not None:
        # Speech to text runs beside all activities, for the agent of the moment.
        node = getattr(pipeline_variable.get(None), "_stt_node", None)
        activity = getattr(getattr(node, "__self__", None), "_activity", None)
    return getattr(activity, "session", None)


@functools.cache
def _variables() -> tuple[Any, Any]:
    from livekit.agents.voice import agent_activity, audio_recognition

    return (
        getattr(agent_activity, "_AgentActivityContextVar", None),
        getattr(audio_recognition, "_STTPipelineContextVar", None),
    )
