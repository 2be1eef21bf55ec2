"""On request: who may take a job that is offered, asked before its room is joined."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import JobRequest
from livekit.agents.job import JobAcceptArguments
from livekit.protocol import agent, models
from tests.fixtures.budget_controller import BudgetController
from tests.integration.voicegateway.metering import Meter, broken, metering

from voicegateway import Gateway, Options, _on_request
from voicegateway.budgets import lease
from voicegateway.runtime import reset_runtime
from voicegateway_shared.telemetry import attributes as names

ACME = {"name": "acme", "project": "acme", "amount": "1.00", "window": "day"}
DOLLAR = 1_000_000_000


@dataclass(slots=True)
class Offer:
    """A job that is offered, and what was answered."""

    accepted: list[JobAcceptArguments] = field(default_factory=list)
    rejected: list[bool] = field(default_factory=list)

    def request(self, *, project: str = "acme", attributes: Mapping[str, str] | None = None) -> JobRequest:
        """Return it as LiveKit would."""

        async def accept(arguments: JobAcceptArguments) -> None:
            self.accepted.append(arguments)

        async def reject(terminate: bool) -> None:
            self.rejected.append(terminate)

        job = agent.Job(id="AJ_1", room=models.Room(name="room-1"), agent_name="front-desk")
        job.attributes.update(attributes or {names.PROJECT: project})
        return JobRequest(job=job, on_reject=reject, on_accept=accept)

    @property
    def answer(self) -> tuple[int, list[bool]]:
        """How often it was accepted, and how it was rejected."""
        return len(self.accepted), self.rejected


Answer = tuple[int, list[bool]]
ACCEPTED: Answer = (1, [])
REJECTED: Answer = (0, [True])


async def asked(meter: Meter, controller: BudgetController | None, **fields: Any) -> Answer:
    """Offer a job to a worker whose controller is this one."""
    if controller is not None:
        meter.sink.decide_sync = controller
    offer = Offer()
    await meter.gateway.on_request(offer.request(**fields))
    return offer.answer


@pytest.mark.parametrize(
    ("spent", "project", "answer"),
    [
        (0, "acme", ACCEPTED),
        (DOLLAR // 2, "acme", ACCEPTED),
        (DOLLAR, "acme", REJECTED),
        (DOLLAR - 1, "acme", REJECTED),
        (DOLLAR, "globex", ACCEPTED),
    ],
)
async def test_job_is_rejected_when_its_budget_cannot_pay_for_a_single_request(
    tmp_path: Path, spent: int, project: str, answer: Answer
) -> None:
    controller = BudgetController(ACME)
    controller.spent_by_others["acme"] = spent
    async with metering(tmp_path) as meter:
        assert await asked(meter, controller, project=project) == answer
        assert meter.runtime.hook_errors == 0

    assert all(claim.used == 0 for claim in controller.claims)


async def test_worker_hears_of_money_that_was_spent_since_the_last_job(tmp_path: Path) -> None:
    controller = BudgetController(ACME)
    async with metering(tmp_path) as meter:
        assert await asked(meter, controller) == ACCEPTED
        # What the worker holds it could spend: only a budget that others have spent all of stops the next one.
        controller.spent_by_others["acme"] = DOLLAR
        await asked(meter, controller)
        assert controller.claims[-1].pool == "acme@day:2026-11-21"
        assert len(controller.messages) >= 2


@pytest.mark.parametrize("declared", [{"provider": "openai"}, {"modality": "tts"}])
async def test_budget_of_one_provider_or_modality_rejects_no_job(tmp_path: Path, declared: dict[str, str]) -> None:
    controller = BudgetController({"name": "part", **declared, "amount": "1.00", "window": "day"})
    controller.spent_by_others["part"] = DOLLAR
    async with metering(tmp_path) as meter:
        assert await asked(meter, controller) == ACCEPTED


async def test_warned_project_s_job_is_accepted_and_throttled_one_s_is_slowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed: list[float] = []

    async def sleep(seconds: float) -> None:
        slowed.append(seconds)

    controller = BudgetController({**ACME, "action": "throttle"}, {**ACME, "name": "told", "action": "warn"})
    # Offers may come faster than a window is asked of again.
    monkeypatch.setattr(lease, "ASK_AGAIN_NS", 0)
    async with metering(tmp_path) as meter:
        monkeypatch.setattr(_on_request, "slow_down", sleep)
        assert await asked(meter, controller) == ACCEPTED
        assert slowed == []
        controller.spent_by_others.update(told=DOLLAR)
        assert await asked(meter, controller) == ACCEPTED
        assert slowed == []
        controller.spent_by_others.update(acme=DOLLAR)
        assert await asked(meter, controller) == ACCEPTED

    assert slowed == [_on_request.SLOWED_BY_S]


async def test_controller_that_is_silent_or_away_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_on_request, "ASK_WITHIN_S", 0.3)
    controller = BudgetController(ACME)
    controller.spent_by_others["acme"] = DOLLAR
    controller.is_down = True
    async with metering(tmp_path) as meter:
        assert await asked(meter, controller) == ACCEPTED
        meter.sink.decide_sync = None
        assert await asked(meter, None) == ACCEPTED


async def test_worker_without_a_controller_accepts(tmp_path: Path) -> None:
    reset_runtime()
    offer = Offer()
    async with Gateway(Options(outbox_dir=tmp_path)) as gateway:
        await gateway.on_request(offer.request())

    assert offer.answer == ACCEPTED


async def test_error_of_ours_accepts(tmp_path: Path) -> None:
    async with metering(tmp_path) as meter:
        with broken(meter.runtime, "start"):
            assert await asked(meter, BudgetController(ACME)) == ACCEPTED
        assert meter.runtime.hook_errors == 1


async def test_handler_of_the_user_s_decides_what_budgets_let_through(tmp_path: Path) -> None:
    met: list[str] = []

    async def mine(request: JobRequest) -> None:
        met.append(request.id)
        await request.reject(terminate=False)

    controller = BudgetController(ACME)
    async with metering(tmp_path) as meter:
        meter.sink.decide_sync = controller
        handler = meter.gateway.on_request(mine)
        offer, late = Offer(), Offer()
        await handler(offer.request(project="globex"))
        controller.spent_by_others["acme"] = DOLLAR
        await handler(late.request())

    assert met == ["AJ_1"]
    assert offer.answer == (0, [False])
    assert late.answer == REJECTED
