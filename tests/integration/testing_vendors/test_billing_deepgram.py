"""Deepgram's simulated billing: line items, tags as sets, ends that may be inclusive, dollars that may be missing."""

from pathlib import Path

import pytest
from tests.fixtures.bills import a_record, bills, write_records

from voicegateway.testing.vendors.billing import BillingTraps, credential_of
from voicegateway.testing.vendors.billing.deepgram import PROJECT_ID

PROJECT = f"/v1/projects/{PROJECT_ID}"
BREAKDOWN = f"{PROJECT}/billing/breakdown?start=2026-11-02&end=2026-11-03"


async def test_breakdown_groups_by_what_is_repeated(tmp_path: Path) -> None:
    write_records(
        tmp_path,
        a_record("deepgram", tags="tenant-a x"),
        a_record("deepgram", at="2026-11-02T11:00:00Z", tags="tenant-a x", request_id="2"),
        a_record("deepgram", at="2026-11-02T12:00:00Z", modality="tts", model="aura-2-thalia-en", context={},
                 usage={"characters_sent": 1_000}),
    )  # fmt: skip
    async with bills(tmp_path) as asked:
        grouping = "&grouping=line_item&grouping=tags&grouping=accessor"
        reply = await asked.get("deepgram", BREAKDOWN + grouping)

    shared = {"start": "2026-11-02", "end": "2026-11-02", "deployment": None,
              "accessor": credential_of("deepgram", "dg-a")}  # fmt: skip
    assert reply.json() == {
        "start": "2026-11-02",
        "end": "2026-11-03",
        "resolution": {"units": "day", "amount": 1},
        "results": [
            {"dollars": 0.0096, "grouping": {**shared, "line_item": "streaming::nova-3", "tags": ["tenant-a", "x"]}},
            {"dollars": 0.03, "grouping": {**shared, "line_item": "speak::aura-2", "tags": []}},
        ],
    }


async def test_add_ons_and_code_switching_are_lines_of_their_own(tmp_path: Path) -> None:
    usage = {"audio_sent_ms": 60_000, "diarize_ms": 60_000}
    write_records(
        tmp_path,
        a_record("deepgram", usage=usage),
        a_record("deepgram", context={"mode": "streaming", "language": "multi"}),
        a_record("deepgram", context={"mode": "batch", "language": "en"}),
    )
    async with bills(tmp_path) as asked:
        results = (await asked.get("deepgram", f"{BREAKDOWN}&grouping=line_item")).json()["results"]
        fields = (await asked.get("deepgram", f"{PROJECT}/billing/fields")).json()
        one = (await asked.get("deepgram", f"{BREAKDOWN}&line_item=batch::nova-3")).json()["results"]

    assert {each["grouping"]["line_item"]: each["dollars"] for each in results} == {
        "streaming::nova-3": 0.0048,
        "streaming::nova-3::diarize": 0.002,
        "streaming::nova-3-multi": 0.0058,
        "batch::nova-3": 0.0043,
    }
    assert fields["line_items"]["streaming::nova-3"] == "Nova - 3 (Stream)"
    assert set(fields["line_items"]) == {each["grouping"]["line_item"] for each in results}
    assert (fields["accessors"], fields["deployments"]) == ([credential_of("deepgram", "dg-a")], ["hosted"])
    assert [each["dollars"] for each in one] == [0.0043]


@pytest.mark.parametrize(("is_inclusive", "days"), [(False, ["2026-11-02"]), (True, ["2026-11-02", "2026-11-03"])])
async def test_the_end_is_part_of_it_or_not(tmp_path: Path, is_inclusive: bool, days: list[str]) -> None:
    write_records(tmp_path, a_record("deepgram"), a_record("deepgram", at="2026-11-03T00:00:00Z"))
    async with bills(tmp_path, traps=BillingTraps(is_end_inclusive=is_inclusive)) as asked:
        results = (await asked.get("deepgram", BREAKDOWN)).json()["results"]

    assert [each["grouping"]["start"] for each in results] == days


async def test_enterprise_contracts_say_no_dollars(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("deepgram"))
    async with bills(tmp_path, traps=BillingTraps(missing_dollars=True)) as asked:
        (result,) = (await asked.get("deepgram", f"{BREAKDOWN}&grouping=line_item")).json()["results"]

    assert set(result) == {"grouping"}


async def test_usage_counts_hours_characters_and_requests(tmp_path: Path) -> None:
    write_records(
        tmp_path,
        a_record("deepgram", usage={"audio_sent_ms": 1_800_000}, tags="b a"),
        a_record("deepgram", modality="tts", model="aura-2-thalia-en", usage={"characters_sent": 9}, context={}),
    )
    path = f"{PROJECT}/usage/breakdown?start=2026-11-02&end=2026-11-03"
    grouping = "&grouping=models&grouping=endpoint&grouping=method&grouping=tags"
    async with bills(tmp_path) as asked:
        heard, spoken = (await asked.get("deepgram", path + grouping)).json()["results"]

    assert heard == {
        "hours": 0.5, "total_hours": 0.5, "agent_hours": 0.0, "tokens_in": 0, "tokens_out": 0, "tts_characters": 0,
        "requests": 1,
        "grouping": {"start": "2026-11-02", "end": "2026-11-02", "accessor": None, "endpoint": "listen",
                     "feature_set": None, "models": ["nova-3"], "method": "streaming", "tags": ["b", "a"],
                     "deployment": None},
    }  # fmt: skip
    assert (spoken["tts_characters"], spoken["grouping"]["endpoint"]) == (9, "speak")


async def test_projects_and_balances(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("deepgram"))
    async with bills(tmp_path) as asked:
        projects = (await asked.get("deepgram", "/v1/projects")).json()
        balances = (await asked.get("deepgram", f"{PROJECT}/billing/balances")).json()
        other = await asked.get("deepgram", f"/v1/projects/nope{BREAKDOWN.removeprefix(PROJECT)}")

    assert projects == {"projects": [{"project_id": PROJECT_ID, "name": "Simulated project"}]}
    (balance,) = balances["balances"]
    assert (balance["amount"], balance["units"]) == (199.9952, "usd")
    assert set(balance) == {"balance_id", "amount", "units", "purchase_order_id"}
    assert (other.status, other.json()["err_code"]) == (404, "PROJECT_NOT_FOUND")


@pytest.mark.parametrize(
    "query", ["start=1.11.2026", "start=2026-11-05&end=2026-11-01", "start=2026-11-01&grouping=day"]
)
async def test_what_the_vendor_would_not_answer_is_refused(tmp_path: Path, query: str) -> None:
    async with bills(tmp_path) as asked:
        reply = await asked.get("deepgram", f"{PROJECT}/billing/breakdown?{query}")

    assert (reply.status, set(reply.json())) == (400, {"err_code", "err_msg", "request_id"})
