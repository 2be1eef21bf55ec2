"""Sessions of agents elsewhere are told apart by who pays and by their job, which is only what a caller says."""

from types import SimpleNamespace
from typing import Any

from voicegateway.identity import Identity
from voicegateway.inference_server.remote import RemoteSessions
from voicegateway.sessions import Sessions


def of(project: str | None, job: str = "AJ_1") -> Identity:
    return Identity(session_id=job, project=project, agent="", job_id=job, room="", started_at="")


async def test_job_of_one_project_named_by_another_is_not_its_session() -> None:
    runtime: Any = SimpleNamespace(sessions=Sessions(lambda where, error: None))
    sessions = RemoteSessions(lambda: runtime)
    ours, theirs = sessions.met(of("acme")), sessions.met(of("rival"))

    assert ours is not None
    assert theirs is not None
    assert theirs is not ours
    assert sessions.met(of("acme")) is ours
    assert (ours.identity.project, ours.live is theirs.live) == ("acme", False)
    sessions.close()
