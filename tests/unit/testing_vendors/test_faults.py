"""Fault plans: which request is struck, and which plans make no sense."""

from typing import Any

import pytest

from voicegateway.testing.vendors.faults import DEMO_PLAN, FaultBook, FaultRule, parse_faults


def struck(book: FaultBook, endpoint: Any, requests: int) -> list[int]:
    return [number for number in range(1, requests + 1) if book.next(endpoint) is not None]


@pytest.mark.parametrize(
    ("when", "numbers"),
    [({"nth": 3}, [3]), ({"every": 4}, [4, 8]), ({"probability": 1.0}, [*range(1, 11)]), ({"nth": 99}, [])],
)
def test_rule_strikes_the_requests_it_names(when: dict[str, Any], numbers: list[int]) -> None:
    book = FaultBook((FaultRule(vendor="openai", endpoint="chat", kind="stall", **when),), seed=0)

    assert struck(book, "chat", 10) == numbers
    assert struck(book, "speech", 10) == []


def test_dice_depend_on_the_seed_alone() -> None:
    plan = (FaultRule(vendor="deepgram", kind="server_error", probability=0.3),)
    first, same, other = (struck(FaultBook(plan, seed=seed), "listen", 200) for seed in (1, 1, 2))

    assert first == same != other
    assert 30 < len(first) < 90


def test_new_plan_counts_from_one_again() -> None:
    plan = (FaultRule(vendor="deepgram", kind="stall", nth=2),)
    book = FaultBook(plan, seed=0)
    struck(book, "listen", 5)
    book.set(plan)

    assert struck(book, "listen", 5) == [2]


def test_refusals_of_cartesia_hit_sockets_and_never_contexts() -> None:
    book = FaultBook((FaultRule(vendor="cartesia", kind="rate_limited", every=1),), seed=0)

    assert [struck(book, e, 1) for e in ("tts_socket", "tts_bytes", "tts_context")] == [[1], [1], []]


@pytest.mark.parametrize(
    "rule",
    [
        {"vendor": "openai", "kind": "stall"},
        {"vendor": "openai", "kind": "stall", "nth": 1, "every": 2},
        {"vendor": "openai", "kind": "stall", "every": 0},
        {"vendor": "deepgram", "endpoint": "listen", "kind": "vendor_error", "nth": 1},
        {"vendor": "deepgram", "endpoint": "chat", "kind": "stall", "nth": 1},
    ],
)
def test_rule_that_can_never_happen_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rule["vendor"]):
        FaultRule(**rule)


@pytest.mark.parametrize(("text", "plan"), [("none", ()), ("", ()), ("demo", DEMO_PLAN), ('"demo"', DEMO_PLAN)])
def test_named_plans_are_understood(text: str, plan: tuple[FaultRule, ...]) -> None:
    assert parse_faults(text) == plan


def test_plan_in_json_is_understood() -> None:
    text = '[{"vendor": "cartesia", "kind": "vendor_error", "every": 9}]'

    assert parse_faults(text) == (FaultRule(vendor="cartesia", kind="vendor_error", every=9),)


@pytest.mark.parametrize(
    "text", ["demmo", "{}", '[{"vendor": "openai", "kind": "stall", "evry": 3}]', '[{"vendor": "x"}]']
)
def test_plan_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="faults must be"):
        parse_faults(text)
