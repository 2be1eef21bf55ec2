"""The line: first come first served on each lease, whoever gives up in the middle."""

from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from voicegateway.limits.lease import RateLease
from voicegateway.limits.line import Line, Plan, Waiter
from voicegateway_shared.limits import Target, parse_limits

TARGET = Target(provider="openai", model="m", modality="llm")
SPECS = parse_limits(
    [{"name": name, "provider": "openai", "modality": "llm", f"requests_per_{period}": 100}
     for name, period in (("a", "s"), ("b", "min"), ("c", "hour"))],
    providers=["openai"],
)  # fmt: skip


def _leases() -> list[RateLease]:
    return [RateLease(spec, project="", priority="live", now_ns=0) for spec in SPECS]


def _plan(*leases: RateLease) -> Plan:
    return Plan(TARGET, "live", tuple((lease, "requests") for lease in leases), ())


def _waiter(plan: Plan) -> Waiter:
    return Waiter(plan, {"requests": 1}, 0, lambda outcome: None, since_ns=0)


@given(
    moves=st.lists(
        st.tuples(st.sampled_from(["join", "leave", "serve"]), st.integers(0, 6), st.integers(0, 50)), max_size=40
    )
)
def test_it_serves_as_a_plain_list_would(moves: list[tuple[str, int, int]]) -> None:
    leases = _leases()
    plans = [_plan(*(lease for bit, lease in enumerate(leases) if chosen >> bit & 1)) for chosen in range(1, 8)]
    line: Line[Waiter, Any] = Line()
    waiting: list[Waiter] = []
    for move, which, number in moves:
        if move == "join":
            waiter = _waiter(plans[which])
            line.join(waiter)
            waiting.append(waiter)
        elif move == "leave" and waiting:
            waiter = waiting.pop(number % len(waiting))
            assert line.leave(waiter)
            assert not line.leave(waiter)
        elif move == "serve":
            units = dict(zip(leases, (number % 3, number // 3 % 3, number // 9 % 3), strict=True))
            expected = _served_by_list(waiting, dict(units))
            served = [waiter for waiter, _ in line.serve(partial(_take, units=units))]
            assert served == expected
            waiting = [waiter for waiter in waiting if waiter not in served]
        assert line.length == len(waiting)
        assert [lease.waiters for lease in leases] == [
            sum(lease in waiter.plan.leases for waiter in waiting) for lease in leases
        ]
    assert line.empty() == waiting
    assert [lease.waiters for lease in leases] == [0, 0, 0]


def _served_by_list(waiting: list[Waiter], units: dict[RateLease, int]) -> list[Waiter]:
    served, blocked = [], set[Any]()
    for waiter in waiting:
        if blocked.isdisjoint(waiter.plan.leases) and _take(waiter, units):
            served.append(waiter)
        else:
            blocked.update(waiter.plan.leases)
    return served


def _take(waiter: Waiter, units: dict[RateLease, int]) -> Any:
    leases = [lease for lease, _ in waiter.plan.rates]
    if any(units[lease] < 1 for lease in leases):
        return None
    for lease in leases:
        units[lease] -= 1
    return "a ticket"
