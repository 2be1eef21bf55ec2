"""Allowances as people write them: what they mean, and what is refused with which words."""

from datetime import date
from typing import Any

import pytest

from voicegateway_controller.allowances.declaration import Allowance, drawn_in_order, parse_allowances
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.pricing.quantity import Quantity

PROVIDERS = frozenset({"livekit", "openai", "elevenlabs"})
SHIP = {
    "name": "ship", "provider": "livekit", "models": ["agent-*"], "meters": ["participant_ms"],
    "quantity": "5_000 minutes", "fee": "50", "from": "2026-11",
}  # fmt: skip
PACK = {"name": "pack", "provider": "openai", "prepaid": "100", "price": "80", "bought_on": "2026-11-05"}
FREE = {"name": "free", "provider": "openai", "usd": "10", "from": "2026-11", "until": "2026-12"}


def test_each_kind_is_read_whole() -> None:
    assert parse_allowances([SHIP, {**PACK, "expires_on": "2027-11-05"}, FREE], providers=PROVIDERS) == (
        Allowance(
            name="ship", kind="quantity", provider="livekit", models=("agent-*",), meters=("participant_ms",),
            quantity=Quantity(5_000, "minute"), fee_pico_usd=50 * 10**12, first=date(2026, 11, 1),
        ),
        Allowance(
            name="pack", kind="prepaid", provider="openai", pico_usd=100 * 10**12, price_pico_usd=80 * 10**12,
            first=date(2026, 11, 1), bought_on=date(2026, 11, 5), expires_on=date(2027, 11, 5),
        ),
        Allowance(
            name="free", kind="usd", provider="openai", pico_usd=10 * 10**12, first=date(2026, 11, 1),
            last=date(2026, 12, 1),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("x", "must be a mapping"),
        ({**SHIP, "model": "x"}, "unknown key 'model'; did you mean 'models'"),
        ({**SHIP, "provider": "nobody"}, "no provider that is known"),
        ({**SHIP, "name": "A B"}, "must be 1 to 64"),
        ({**SHIP, "usd": "1"}, "quantity and usd are different"),
        ({"name": "x", "provider": "openai"}, "say what is given"),
        ({**SHIP, "meters": []}, "participant_ms"),
        ({**SHIP, "meters": ["input_tokens"]}, "say what 5000 minute are counted by"),
        ({**SHIP, "meters": ["participants_ms"]}, "did you mean 'participant_ms'"),
        ({**SHIP, "quantity": "5000"}, "is not a quantity"),
        ({**SHIP, "from": "2026-13"}, "is no month"),
        ({**SHIP, "until": "2026-10"}, "is before from"),
        ({**SHIP, "fee": 50}, "write USD in quotes"),
        ({**SHIP, "fee": "-1"}, "write USD in quotes"),
        ({key: value for key, value in SHIP.items() if key != "from"}, "from: None is no month"),
        ({**PACK, "fee": "1"}, "fee: does not belong to prepaid"),
        ({**PACK, "bought_on": "yesterday"}, "is no day"),
        ({**PACK, "expires_on": "2026-11-05"}, "must be after bought_on"),
        ({**FREE, "bought_on": "2026-11-05"}, "does not belong to usd"),
    ],
)
def test_what_is_wrong_is_named(declared: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_allowances([declared], providers=PROVIDERS)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({**SHIP, "fee": "1"}, "is taken"),
        ({**SHIP, "name": "more"}, "about the same usage in the same months"),
        ({**SHIP, "name": "more", "models": ["*-session"], "project": "acme"}, "about the same usage"),
        (
            {"name": "part", "provider": "livekit", "usd": "5", "models": ["agent-session"], "from": "2026-11"},
            "a part of",
        ),
        ({"name": "part", "provider": "livekit", "usd": "5", "project": "acme", "from": "2026-11"}, "a part of"),
    ],
)
def test_two_for_the_same_usage_are_refused(other: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_allowances([SHIP, other], providers=PROVIDERS)


def test_what_differs_in_usage_or_months_stands_side_by_side() -> None:
    others = [
        {**SHIP, "name": "sip", "models": ["sip-*"]},
        {**SHIP, "name": "other-meter", "meters": ["session_ms"]},
        {**SHIP, "name": "later", "from": "2027-02"},
        {"name": "dollars", "provider": "livekit", "usd": "5", "from": "2026-11"},
        FREE,
        PACK,
        {**PACK, "name": "older", "bought_on": "2026-01-01"},
    ]

    made = parse_allowances([{**SHIP, "until": "2027-01"}, *others], providers=PROVIDERS)

    assert [each.name for each in drawn_in_order(made)] == [
        "ship", "sip", "other-meter", "later", "dollars", "free", "older", "pack",
    ]  # fmt: skip
