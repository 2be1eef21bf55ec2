"""The verdict's rules, by table: it must not call a loss agreement, nor a kill a loss."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from voicegateway_controller.demo.verdict import LedgerRequest, judge

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_request(number: int, **changes: Any) -> LedgerRequest:
    facts: dict[str, Any] = {
        "provider": "deepgram",
        "request_id": f"ours-{number}",
        "outcome": "ok",
        "estimated": False,
        "started_at": NOON + timedelta(seconds=number),
        "vendor_request_ids": (f"theirs-{number}",),
        "amount_usd": Decimal("0.5"),
        "is_unrated": False,
        "entries": 1,
    }
    return LedgerRequest(**{**facts, **changes})


def a_bill(accepted: dict[str, datetime], amount_usd: str) -> dict[str, Any]:
    vendor = {
        "amount_usd": amount_usd,
        "billed_requests": len(accepted),
        "accepted": {request_id: at.isoformat() for request_id, at in accepted.items()},
    }
    return {"amount_usd": amount_usd, "vendors": {"deepgram": vendor}}


def test_equal_amounts_and_ids_agree() -> None:
    verdict = judge(a_bill({"theirs-1": NOON, "theirs-2": NOON}, "1"), [a_request(1), a_request(2)], calls=1)

    assert verdict.is_agreed
    assert verdict.per_vendor["deepgram"] == {"truth_usd": Decimal(1), "ledger_usd": Decimal(1), "requests": 2}


def test_one_picodollar_of_difference_is_no_agreement() -> None:
    verdict = judge(a_bill({"theirs-1": NOON}, "0.500000000001"), [a_request(1)], calls=1)

    assert not verdict.is_agreed
    assert verdict.is_complete


def test_a_vendor_request_nobody_accounts_for_is_missing() -> None:
    verdict = judge(a_bill({"theirs-1": NOON, "theirs-9": NOON}, "0.5"), [a_request(1)], calls=1)

    assert list(verdict.missing) == ["deepgram theirs-9"]
    assert not verdict.is_complete


def test_a_request_killed_before_it_learnt_its_id_accounts_for_one_vendor_request() -> None:
    killed = a_request(0, vendor_request_ids=(), outcome="interrupted")
    accepted = {"theirs-8": NOON + timedelta(seconds=1), "theirs-9": NOON + timedelta(seconds=2)}

    verdict = judge(a_bill(accepted, "0.5"), [killed], calls=1)

    assert list(verdict.missing) == ["deepgram theirs-9"]
    assert verdict.outcomes == {"interrupted": 1}


def test_a_request_that_started_later_accounts_for_nothing_before_it() -> None:
    killed = a_request(5, vendor_request_ids=(), outcome="interrupted")

    verdict = judge(a_bill({"theirs-9": NOON}, "0.5"), [killed], calls=1)

    assert list(verdict.missing) == ["deepgram theirs-9"]


def test_two_requests_for_one_vendor_request_are_doubled() -> None:
    twice = a_request(2, vendor_request_ids=("theirs-1",))

    verdict = judge(a_bill({"theirs-1": NOON}, "1"), [a_request(1), twice], calls=1)

    assert list(verdict.doubled) == ["deepgram theirs-1"]
    assert not verdict.is_agreed


def test_an_unrated_request_is_no_agreement() -> None:
    free = a_request(1, amount_usd=Decimal(0), is_unrated=True)

    verdict = judge(a_bill({"theirs-1": NOON}, "0"), [free], calls=1)

    assert verdict.unrated == 1
    assert not verdict.is_agreed
