"""A leg's spans: who bills it, for how long, and what of it is an estimate."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from voicegateway_controller.calls.legs import EndedLeg, holds_a_number, span_rows
from voicegateway_controller.calls.telephony import Telephony
from voicegateway_controller.usage.columns import INDEX, Row
from voicegateway_shared.money import format_usd
from voicegateway_shared.pricing import Catalog, RatingRequest, rate

END = datetime(2026, 11, 22, 10, 3, tzinfo=UTC)
AGENT = EndedLeg(
    leg_id=UUID(int=1), kind="agent", resource_id="PA_1", direction="", livekit_model="agent-session",
    carrier_provider="", carrier_model="", call_id="", carrier_call_id="", is_connected=True, is_unanswered=False,
    is_estimated=False, is_end_guessed=False, is_lost=False, started_at=END - timedelta(seconds=180), end_at=END,
    room_name="r", session_id="AJ_1", project="acme", agent="",
)  # fmt: skip
PHONE = replace(
    AGENT, kind="sip", livekit_model="us-local-inbound", carrier_provider="twilio", carrier_model="us-local-inbound",
    direction="inbound", call_id="SCL_1", carrier_call_id="CA_1",
)  # fmt: skip


def _rows(leg: EndedLeg, telephony: Telephony | None = None) -> list[Row]:
    return span_rows(leg, telephony or Telephony(), now=END + timedelta(minutes=1))


def _cost(leg: EndedLeg, telephony: Telephony | None = None) -> list[str]:
    told = []
    for row in _rows(leg, telephony):
        request = RatingRequest(
            provider=row[INDEX["provider"]], model=row[INDEX["model"]], modality=row[INDEX["modality"]], at=END,
            usage=json.loads(row[INDEX["usage"]]),
            context={
                key.removeprefix("voicegateway.request."): value
                for key, value in json.loads(row[INDEX["attributes"]]).items()
            },
        )  # fmt: skip
        told.append(format_usd(rate(request, Catalog.builtin()).amount_pico_usd))
    return told


def _lasting(leg: EndedLeg, seconds: float) -> EndedLeg:
    return replace(leg, started_at=END - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "amount"), [(10, "0.01"), (60, "0.01"), (60.001, "0.02"), (70, "0.02"), (61, "0.02"), (180, "0.03")]
)
def test_an_agents_minutes_are_rounded_up_leg_by_leg(seconds: float, amount: str) -> None:
    """C01, C02 and C03 of the worked examples: three of 10, 70 and 61 s are five minutes."""
    assert _cost(_lasting(AGENT, seconds)) == [amount]


def test_a_phone_leg_is_billed_by_livekit_and_by_its_carrier() -> None:
    """C04, C05 and C06: 125 s are three minutes to each of them."""
    leg = _lasting(PHONE, 125)

    assert _cost(leg) == ["0.03", "0.0255"]
    assert _cost(replace(leg, livekit_model="sip-third-party", carrier_provider="")) == ["0.012"]
    assert _cost(replace(leg, livekit_model="sip-third-party", carrier_provider=""), Telephony(plan="scale")) == [
        "0.009"
    ]


def test_a_server_of_ones_own_bills_nothing_and_carriers_go_on() -> None:
    assert _cost(_lasting(PHONE, 125), Telephony(is_cloud=False)) == ["0.0255"]
    assert _rows(AGENT, Telephony(is_cloud=False)) == []


def test_nobody_bills_who_was_never_connected_and_carriers_not_what_nobody_answered() -> None:
    assert _rows(replace(PHONE, is_connected=False)) == []
    assert len(_rows(replace(PHONE, is_unanswered=True, direction="outbound"))) == 1
    assert len(_rows(replace(PHONE, is_unanswered=True, direction="inbound"))) == 2


def test_a_moment_is_billed_as_a_minute() -> None:
    """LiveKit tells an end in whole seconds: it may seem to lie before the beginning."""
    assert _cost(replace(AGENT, started_at=END + timedelta(milliseconds=700))) == ["0.01"]


@pytest.mark.parametrize(
    "leg",
    [
        replace(AGENT, is_end_guessed=True),
        replace(AGENT, is_estimated=True),
        replace(AGENT, started_at=None),
        replace(PHONE, direction="outbound", carrier_provider=""),
    ],
)
def test_what_was_not_told_is_estimated(leg: EndedLeg) -> None:
    assert [row[INDEX["estimated"]] for row in _rows(leg)] == ["t"]


def test_ids_follow_from_the_leg_and_belong_to_the_call() -> None:
    livekit, carrier = _rows(PHONE)
    again = _rows(PHONE)

    assert [livekit, carrier] == again
    assert livekit[INDEX["request_id"]] != carrier[INDEX["request_id"]]
    assert livekit[INDEX["trace_id"]] == _rows(AGENT)[0][INDEX["trace_id"]]
    assert (livekit[INDEX["response_id"]], carrier[INDEX["response_id"]]) == ("PA_1", "CA_1")


def test_no_leg_is_longer_than_webhooks_are_believed() -> None:
    [row] = _rows(_lasting(AGENT, 30 * 86_400))

    assert json.loads(row[INDEX["usage"]]) == {"participant_ms": 7 * 86_400_000}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("call-_+15105550100_x", True), ("+1 (510) 555-0100", True), ("r", False), ("call-42", False),
        ("2026-11-2", True), ("room-123456", False),
    ],
)  # fmt: skip
def test_a_rooms_name_with_somebodys_number_goes_nowhere(name: str, expected: bool) -> None:
    assert holds_a_number(name) is expected
    assert _rows(replace(AGENT, room_name=name))[0][INDEX["room"]] == ("" if expected else name)
