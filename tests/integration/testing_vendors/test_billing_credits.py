"""ElevenLabs' two regimes and Cartesia's credits."""

from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.bills import a_record, bills, unix, write_records

from voicegateway.testing.vendors.billing import BillingTraps, credential_of

USAGE = "/v1/workspace/analytics/usage"
QUERY = "/v1/workspace/analytics/query/usage-by-product-over-time"
MONTH = {"start_time": unix("2026-11-01") * 1000, "end_time": unix("2026-12-01") * 1000, "interval_seconds": 86_400}
CREDITS = "/usage/credits?start_ts=2026-11-02T05:00:00Z&end_ts=2026-11-03T01:00:00Z"


def _by_name(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


async def test_a_workspace_billed_by_cost_tells_dollars_by_model(tmp_path: Path) -> None:
    write_records(
        tmp_path,
        a_record("elevenlabs"),
        a_record("elevenlabs", model="eleven_multilingual_v2", at="2026-11-03T23:00:00Z"),
    )
    async with bills(tmp_path) as asked:
        reply = await asked.get("elevenlabs", USAGE, body={**MONTH, "group_by": ["model"]})

    assert reply.json() == {
        "columns": ["timestamp", "model", "total_cost", "total_charge_count"],
        "column_types": ["DateTime64(3)", "String", "Float64", "Float64"],
        "column_units": [None, None, "usd", None],
        "rows": [
            [unix("2026-11-02") * 1000, "eleven_flash_v2_5", 0.0125, 250],
            [unix("2026-11-03") * 1000, "eleven_multilingual_v2", 0.025, 250],
        ],
    }


async def test_ids_gain_columns_of_labels_and_columns_may_come_in_any_order(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("elevenlabs"))
    body = {**MONTH, "group_by": ["hashed_xi_api_key", "model"]}
    async with bills(tmp_path, traps=BillingTraps(shuffles_columns=True)) as asked:
        tables = [(await asked.get("elevenlabs", USAGE, body=body)).json() for _ in range(6)]

    assert len({tuple(table["columns"]) for table in tables}) > 1
    (row,) = _by_name(tables[0])
    key = credential_of("elevenlabs", "xi-a")
    assert (row["hashed_xi_api_key"], row["api_key_name"], row["total_cost"]) == (key, f"Simulated {key[:6]}", 0.0125)
    assert all(_by_name(table) == [row] for table in tables)


async def test_a_workspace_billed_in_credits_tells_credits(tmp_path: Path) -> None:
    write_records(
        tmp_path,
        a_record("elevenlabs", usage={"characters_sent": 251}),
        a_record("elevenlabs", model="eleven_multilingual_v2"),
    )
    body = {**MONTH, "group_by": ["model", "voice_multiplier"], "interval_seconds": 3_600}
    async with bills(tmp_path, elevenlabs_regime="credits") as asked:
        table = (await asked.get("elevenlabs", QUERY, body=body)).json()
        refused = await asked.get("elevenlabs", USAGE, body=MONTH)

    assert [(row["model"], row["credits"], row["timestamp"]) for row in _by_name(table)] == [
        ("eleven_flash_v2_5", 125.5, unix("2026-11-02T10:00:00Z") * 1000),
        ("eleven_multilingual_v2", 250, unix("2026-11-02T10:00:00Z") * 1000),
    ]
    assert refused.status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"group_by": ["user_id", "region", "surface"]},
        {"group_by": ["user_id", "region"]},
        {"group_by": ["color"]},
        {"interval_seconds": 3_600},
        {"end_time": 0},
        {"start_time": "yesterday"},
        {"filters": [{"column": "model", "operation": "like", "values": ["x"]}]},
    ],
)
async def test_analytics_refuse_what_the_vendor_would(tmp_path: Path, change: dict[str, Any]) -> None:
    async with bills(tmp_path) as asked:
        reply = await asked.get("elevenlabs", USAGE, body={**MONTH, **change})

    assert (reply.status, set(reply.json()["detail"])) == (400, {"status", "message"})


async def test_two_restricted_dimensions_go_with_a_filter(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("elevenlabs"), a_record("elevenlabs", key="xi-b", request_id="other"))
    key = credential_of("elevenlabs", "xi-b")
    filters = [{"column": "hashed_xi_api_key", "operation": "eq", "values": [key]}]
    body = {**MONTH, "group_by": ["hashed_xi_api_key", "product_type"], "filters": filters}
    async with bills(tmp_path) as asked:
        rows = _by_name((await asked.get("elevenlabs", USAGE, body=body)).json())

    assert [(row["hashed_xi_api_key"], row["product_type"]) for row in rows] == [(key, "text_to_speech")]


async def test_subscription_counts_the_running_month(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("elevenlabs"), a_record("elevenlabs", at="2026-10-31T23:00:00Z"))
    async with bills(tmp_path) as asked:
        subscription = (await asked.get("elevenlabs", "/v1/user/subscription")).json()

    assert (subscription["character_count"], subscription["tier"]) == (125, "scale")
    assert {"character_limit", "current_overage", "next_invoice", "open_invoices", "billing_period"} <= set(
        subscription
    )


async def test_credits_of_whole_days_by_one_dimension(tmp_path: Path) -> None:
    write_records(
        tmp_path,
        a_record("cartesia", at="2026-11-02T00:00:00Z"),
        a_record("cartesia", modality="stt", model="ink-whisper", usage={"audio_sent_ms": 1_500}),
        a_record("cartesia", context={"voice_class": "pvc"}, at="2026-11-03T23:59:59.999999Z"),
        a_record("cartesia", at="2026-11-04T00:00:00Z"),
    )
    async with bills(tmp_path) as asked:
        plain = (await asked.get("cartesia", CREDITS)).json()
        by_model = (await asked.get("cartesia", f"{CREDITS}&interval=day&group_by=model")).json()
        by_key = (await asked.get("cartesia", f"{CREDITS}&group_by=api_key")).json()

    second = {"start_ts": "2026-11-02T00:00:00Z", "end_ts": "2026-11-03T00:00:00Z"}
    third = {"start_ts": "2026-11-03T00:00:00Z", "end_ts": "2026-11-04T00:00:00Z"}
    assert plain == {"data": [{**second, "credits": 1001.5}, {**third, "credits": 1500}]}
    assert by_model == {
        "group_by": "model",
        "data": [
            {"id": "sonic-3", "label": "Sonic 3",
             "buckets": [{**second, "credits": 1000}, {**third, "credits": 1500}]},
            {"id": "ink-whisper", "label": "Ink Whisper",
             "buckets": [{**second, "credits": 1.5}, {**third, "credits": 0}]},
        ],
    }  # fmt: skip
    assert [each["id"] for each in by_key["data"]] == [credential_of("cartesia", "car-a")]


async def test_credits_of_one_key(tmp_path: Path) -> None:
    write_records(tmp_path, a_record("cartesia"), a_record("cartesia", key="car-b", usage={"characters_sent": 7}))
    async with bills(tmp_path) as asked:
        answer = (await asked.get("cartesia", f"{CREDITS}&api_key={credential_of('cartesia', 'car-b')}")).json()

    assert [bucket["credits"] for bucket in answer["data"]] == [7, 0]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (CREDITS, {"Cartesia-Version": ""}),
        (f"{CREDITS}&group_by=model&group_by=voice", {}),
        (f"{CREDITS}&interval=hour", {}),
        ("/usage/credits?start_ts=2024-01-01T00:00:00Z&end_ts=2026-01-01T00:00:00Z", {}),
        ("/usage/credits?start_ts=2026-01-01T00:00:00Z", {}),
    ],
)
async def test_credits_refuse_what_the_vendor_would(tmp_path: Path, path: str, headers: dict[str, str]) -> None:
    async with bills(tmp_path) as asked:
        reply = await asked.get("cartesia", path, **headers)

    assert (reply.status, reply.json()["title"]) == (400, "Invalid request")
