"""The shipped script does what the specification says, whatever it is told; and a script that does not is found."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.fixtures.health_machine import HealthMachine

# The same examples in every run: a failure here is a change's, never chance's.
EXAMPLES = settings(
    derandomize=True, deadline=None, database=None, max_examples=150, stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow], print_blob=False, report_multiple_bugs=False,
)  # fmt: skip


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def test_the_script_is_as_specified(server: redis.Redis) -> None:
    # Annotated for a class; it only calls it.
    run_state_machine_as_test(cast(Any, partial(HealthMachine, server)), settings=EXAMPLES)


@dataclass(frozen=True, slots=True)
class Broken:
    """A script without one of its rules, and a story that tells: (ms later, what a holder reports) each."""

    old: str
    new: str
    story: list[tuple[int, dict[str, Any]]]


OK, BAD, LIMITED, OFFER = {"ok": 1}, {"failed": 1}, {"limited": 1}, dict[str, Any]()
OPEN = [(0, BAD), (1, BAD)]
CLOSE = [(1_000, OK), (1, OK)]
FAST, SLOW = {"ok": 60, "ttfb": [(10, 60)]}, {"ok": 30, "ttfb": [(25, 30)]}
RULES = {
    "a repeated report counts once": Broken(
        "if number > tonumber(redis.call('GET', told) or 0) then", "if true then", [(0, BAD), (0, {"again": True})]
    ),
    "a success ends a row": Broken(
        "if ok > 0 or now - b.row_at", "if now - b.row_at", [(0, BAD), (1, {"ok": 1, "failed": 1}), (1, BAD)]
    ),
    "a row grows old": Broken("if ok > 0 or now - b.row_at > WINDOW_MS", "if ok > 0", [(0, BAD), (61_000, BAD)]),
    "half of many requests are enough": Broken(
        "(requests >= REQUESTS_MIN and window[2] * 2 >= requests)", "false",
        [(0, {"ok": 5}), (0, {"ok": 1, "failed": 3}), (0, {"ok": 1, "failed": 4})],
    ),
    "few requests say little": Broken("requests >= REQUESTS_MIN and", "", [(0, {"ok": 1, "failed": 1})]),
    "a busy target needs a longer row": Broken(
        "math.floor(requests / ROW_PART)", "0", [(0, {"ok": 60}), (0, {"failed": 3})]
    ),
    "a probe that fails opens again": Broken(
        "if is_tried(b, now) then return open(b, now, cause, 0) end", "", [*OPEN, (1_000, BAD)]
    ),
    "what comes while it is open changes nothing": Broken(
        "if b.state == 'open' then return false end", "", [*OPEN, (1, BAD), (1, BAD)]
    ),
    "one probes at a time": Broken(
        "(b.prober ~= '-' and b.prober_until > now)", "false", [*OPEN, (1_000, OFFER), (1, {"who": "w2"})]
    ),
    "a prober that died is replaced": Broken(
        "(b.prober ~= '-' and b.prober_until > now)", "b.prober ~= '-'",
        [*OPEN, (1_000, OFFER), (10_000, {"who": "w2"})],
    ),
    "nobody probes before the time": Broken(
        "if not is_tried(b, now) or (b.prober", "if b.state == 'closed' or (b.prober", [*OPEN, (999, OFFER)]
    ),
    "two good probes close": Broken("if b.good < GOOD then", "if false then", [*OPEN, (1_000, OK)]),
    "each opening is twice as long": Broken(
        "first * 2 ^ math.min(openings - 1, 16)", "first", [*OPEN, (1_000, BAD)]
    ),
    "a vendor's word counts": Broken(
        "if retry_after_ms > 0 then return math.min(retry_after_ms, RETRY_AFTER_MS_MAX) end", "",
        [(0, {"limited": 1, "retry_after_ms": 7_000})],
    ),
    "a vendor cannot send us away for ever": Broken(
        "return math.min(retry_after_ms, RETRY", "return math.max(retry_after_ms, RETRY",
        [(0, {"limited": 1, "retry_after_ms": 400_000})],
    ),
    "a refused key is not asked again soon": Broken(
        "if cause == 'unauthorized' then first, most = KEY_OPEN_FIRST_MS, KEY_OPEN_MS_MAX end", "",
        [(0, {"unauthorized": 1})],
    ),
    "who closed just now is not trusted yet": Broken(
        "if now - b.closed_at > CALM_MS then", "if true then", [*OPEN, *CLOSE, *OPEN]
    ),
    "who was calm is trusted again": Broken(
        "if now - b.closed_at > CALM_MS then", "if false then", [*OPEN, *CLOSE, (60_001, BAD), (1, BAD)]
    ),
    "old failures do not open what was closed": Broken(
        "if is_closed then for i = 0, BUCKETS - 1 do redis.call('HDEL', counts_key, 'w' .. i) end end", "",
        [(0, {"ok": 1, "failed": 9}), (1, BAD), *CLOSE, (1, {"ok": 8, "failed": 1})],
    ),
    "a clock that was set back keeps nobody away": Broken(
        "  hold_to_bounds(b, now)\n", "", [*OPEN, (1_000, BAD), (-400_000, BAD)]
    ),
    "it is slow when it is three times as slow": Broken(
        "late_p95 >= ENTER_TIMES * base_p95", "late_p95 >= 40 * base_p95", [(0, FAST), (180_000, SLOW)]
    ),
    "slow once is not slow for ever": Broken(
        "if is_over or (is_known and not is_slow) then", "if is_over then",
        [(0, FAST), (180_000, SLOW), (120_000, FAST)],
    ),
    "who is asked no more is tried again": Broken(
        "now - b.confirmed_at > CONFIRM_MS or", "",
        [(0, FAST), (180_000, SLOW), (121_000, {"ok": 1, "ttfb": [(10, 1)]})],
    ),
}  # fmt: skip


def tell(machine: HealthMachine, story: list[tuple[int, dict[str, Any]]]) -> None:
    for ms, what in story:
        if "again" in what:
            machine.an_old_report_comes_again(0)
            continue
        machine.report(what.get("who", "w1"), [0], {k: v for k, v in what.items() if k != "who"}, ms)


@pytest.mark.parametrize("broken", RULES.values(), ids=RULES)
def test_a_script_that_lacks_a_rule_is_found(broken: Broken, server: redis.Redis) -> None:
    tell(HealthMachine(server), broken.story)

    machine = HealthMachine(server, (broken.old, broken.new))

    with pytest.raises(AssertionError):
        tell(machine, broken.story)
