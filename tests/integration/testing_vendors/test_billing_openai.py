"""OpenAI's simulated costs and usage: the shapes of its SDK, walked page by page."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.fixtures.bills import a_record, bills, unix, write_records

from voicegateway.testing.vendors.billing import ADMIN_KEYS, credential_of

COSTS = "/v1/organization/costs"
USAGE = "/v1/organization/usage"
NOVEMBER = f"start_time={unix('2026-11-01')}&end_time={unix('2026-11-04')}"


async def test_costs_by_line_item_are_what_the_reference_table_says(tmp_path: Path) -> None:
    write_records(tmp_path, a_record())
    async with bills(tmp_path) as asked:
        reply = await asked.get(
            "openai", f"{COSTS}?{NOVEMBER}&group_by=line_item&group_by=project_id&group_by[]=api_key_id"
        )

    shared = {
        "project_id": "proj_abc", "api_key_id": credential_of("openai", "sk-a"), "user_id": None, "api_source": None,
        "object": "organization.costs.result", "quantity_unit": "tokens",
    }  # fmt: skip
    page = reply.json()
    assert [len(bucket["results"]) for bucket in page["data"]] == [0, 3, 0]
    assert page["data"][1] == {
        "object": "bucket",
        "start_time": unix("2026-11-02"),
        "end_time": unix("2026-11-03"),
        "results": [
            {**shared, "line_item": f"gpt-4.1-mini, {what}", "quantity": quantity, "amount": amount}
            for what, quantity, amount in (
                ("input_tokens", 4_000, {"value": 0.0016, "currency": "usd"}),
                ("cached_input_tokens", 6_000, {"value": 0.0006, "currency": "usd"}),
                ("output_tokens", 500, {"value": 0.0008, "currency": "usd"}),
            )
        ],
    }
    assert (page["object"], page["has_more"], page["next_page"]) == ("page", False, None)
    assert '"amount": {"value": 0.0016, "currency": "usd"}' in reply.text


async def test_dimensions_and_quantities_are_null_unless_asked_for(tmp_path: Path) -> None:
    write_records(tmp_path, a_record())
    async with bills(tmp_path) as asked:
        page = (await asked.get("openai", f"{COSTS}?{NOVEMBER}")).json()

    (result,) = page["data"][1]["results"]
    assert result == {
        "object": "organization.costs.result",
        "amount": {"value": 0.003, "currency": "usd"},
        **dict.fromkeys(
            ("line_item", "project_id", "api_key_id", "user_id", "api_source", "quantity", "quantity_unit")
        ),
    }


@pytest.mark.parametrize(
    ("context", "spelled"),
    [
        ({"service_tier": "priority"}, "gpt-4.1-mini, input_tokens, priority"),
        ({"service_tier": "default", "processing": "batch"}, "gpt-4.1-mini, input_tokens, batch"),
    ],
)
async def test_tiers_have_line_items_of_their_own(tmp_path: Path, context: dict[str, str], spelled: str) -> None:
    write_records(tmp_path, a_record(context=context))
    async with bills(tmp_path) as asked:
        page = (await asked.get("openai", f"{COSTS}?{NOVEMBER}&group_by=line_item")).json()
        only = (await asked.get("openai", f"{COSTS}?{NOVEMBER}&line_items={spelled.replace(' ', '%20')}")).json()

    assert page["data"][1]["results"][0]["line_item"] == spelled
    assert only["data"][1]["results"][0]["amount"] == page["data"][1]["results"][0]["amount"]


async def test_completions_split_tokens_as_the_vendor_does(tmp_path: Path) -> None:
    spoken = {
        "input_tokens": 132, "input_audio_tokens": 13, "cache_read_tokens": 64, "cache_read_audio_tokens": 4,
        "output_tokens": 121, "output_audio_tokens": 91,
    }  # fmt: skip
    write_records(
        tmp_path,
        a_record(),
        a_record(at="2026-11-03T00:00:00Z", modality="realtime", model="gpt-realtime", usage=spoken, context={}),
    )
    async with bills(tmp_path) as asked:
        query = f"{NOVEMBER}&group_by=model&group_by=batch&group_by=service_tier"
        page = (await asked.get("openai", f"{USAGE}/completions?{query}")).json()

    (chat,), (talk,) = page["data"][1]["results"], page["data"][2]["results"]
    assert (chat["input_tokens"], chat["input_cached_tokens"], chat["input_uncached_tokens"]) == (10_000, 6_000, 4_000)
    assert (chat["model"], chat["batch"], chat["service_tier"], chat["num_model_requests"]) == (
        "gpt-4.1-mini", False, "default", 1,
    )  # fmt: skip
    assert talk == {
        "object": "organization.usage.completions.result",
        "input_tokens": 132, "output_tokens": 121, "num_model_requests": 1,
        "input_cached_tokens": 64, "input_uncached_tokens": 68, "input_cache_write_tokens": 0,
        "input_text_tokens": 59, "input_cached_text_tokens": 60,
        "input_audio_tokens": 9, "input_cached_audio_tokens": 4,
        "input_image_tokens": 0, "input_cached_image_tokens": 0,
        "output_text_tokens": 30, "output_audio_tokens": 91, "output_image_tokens": 0,
        "project_id": None, "user_id": None, "api_key_id": None, "model": "gpt-realtime", "batch": False,
        "service_tier": "default", "api_source": None,
    }  # fmt: skip


async def test_speech_and_transcriptions_count_characters_and_whole_seconds(tmp_path: Path) -> None:
    write_records(
        tmp_path,
        a_record(modality="tts", model="tts-1", usage={"characters_sent": 40}, context={}),
        a_record(modality="stt", model="whisper-1", usage={"audio_sent_ms": 1_001}, context={}),
    )
    async with bills(tmp_path) as asked:
        speech = (await asked.get("openai", f"{USAGE}/audio_speeches?{NOVEMBER}")).json()
        heard = (await asked.get("openai", f"{USAGE}/audio_transcriptions?{NOVEMBER}")).json()
        costs = (await asked.get("openai", f"{COSTS}?{NOVEMBER}&group_by=line_item")).json()

    nothing = {"project_id": None, "user_id": None, "api_key_id": None, "model": None, "api_source": None}
    assert speech["data"][1]["results"] == [
        {"object": "organization.usage.audio_speeches.result", "characters": 40, "num_model_requests": 1, **nothing}
    ]
    assert heard["data"][1]["results"] == [
        {"object": "organization.usage.audio_transcriptions.result", "seconds": 2, "num_model_requests": 1, **nothing}
    ]
    units = {each["line_item"]: (each["quantity"], each["quantity_unit"]) for each in costs["data"][1]["results"]}
    assert units == {
        "tts-1, characters": (40, "characters"),
        "whisper-1, duration_seconds": (1.001, "duration_seconds"),
    }


@pytest.mark.parametrize("size", [1, 2, 3, 7, 31])
async def test_any_page_size_leads_to_the_same_total(tmp_path: Path, size: int) -> None:
    write_records(tmp_path, *(a_record(at=f"2026-10-{day:02d}T23:59:59.999999Z") for day in range(1, 32, 2)))
    query = f"{COSTS}?start_time={unix('2026-10-01')}&end_time={unix('2026-11-01')}&limit={size}"
    total, days, page = Decimal(), 0, ""
    async with bills(tmp_path) as asked:
        for _ in range(40):
            answer = (await asked.get("openai", query + page)).json()
            days += len(answer["data"])
            total += sum(
                Decimal(repr(each["amount"]["value"])) for bucket in answer["data"] for each in bucket["results"]
            )
            page = f"&page={answer['next_page']}"
            if not answer["has_more"]:
                break

    assert (total, days, answer["next_page"]) == (16 * Decimal("0.003"), 31, None)


async def test_a_query_from_noon_has_a_short_first_bucket(tmp_path: Path) -> None:
    write_records(tmp_path, a_record(at="2026-11-02T11:59:59Z"), a_record(at="2026-11-02T12:00:00Z"))
    query = f"{COSTS}?start_time={unix('2026-11-02T12:00:00Z')}&end_time={unix('2026-11-03')}"
    async with bills(tmp_path) as asked:
        (bucket,) = (await asked.get("openai", query)).json()["data"]

    assert bucket["start_time"] == unix("2026-11-02T12:00:00Z")
    assert bucket["results"][0]["amount"]["value"] == 0.003


@pytest.mark.parametrize(
    ("path", "word"),
    [
        (f"{COSTS}?{NOVEMBER}&limit=181", "limit"),
        (f"{COSTS}?{NOVEMBER}&limit=0", "limit"),
        (f"{COSTS}?{NOVEMBER}&bucket_width=1h", "bucket_width"),
        (f"{COSTS}?{NOVEMBER}&group_by=model", "group_by"),
        (f"{COSTS}?{NOVEMBER}&group_by=user_id&group_by=project_id", "combined"),
        (f"{COSTS}?{NOVEMBER}&page=page_nonsense", "page"),
        (f"{COSTS}?start_time={unix('2026-11-04')}&end_time={unix('2026-11-01')}", "after"),
        (f"{COSTS}?limit=7", "start_time"),
        (f"{USAGE}/completions?{NOVEMBER}&limit=32", "limit"),
        (f"{USAGE}/completions?{NOVEMBER}&bucket_width=1h&limit=169", "limit"),
        (f"{USAGE}/completions?{NOVEMBER}&bucket_width=2h", "bucket_width"),
    ],
)
async def test_what_the_vendor_would_not_answer_is_refused(tmp_path: Path, path: str, word: str) -> None:
    async with bills(tmp_path) as asked:
        reply = await asked.get("openai", path)

    assert reply.status == 400
    assert word in reply.json()["error"]["message"]


async def test_buckets_of_hours_and_minutes_hold_their_own(tmp_path: Path) -> None:
    write_records(tmp_path, a_record(at="2026-11-02T10:59:59.999999Z"), a_record(at="2026-11-02T11:00:00Z"))
    query = f"{USAGE}/completions?start_time={unix('2026-11-02T10:00:00Z')}&end_time={unix('2026-11-02T12:00:00Z')}"
    async with bills(tmp_path) as asked:
        hours = (await asked.get("openai", f"{query}&bucket_width=1h")).json()["data"]
        minutes = (await asked.get("openai", f"{query}&bucket_width=1m&limit=1440")).json()["data"]

    assert [len(bucket["results"]) for bucket in hours] == [1, 1]
    assert [number for number, bucket in enumerate(minutes) if bucket["results"]] == [59, 60]
    assert len(minutes) == 120


async def test_openais_own_client_reads_it(tmp_path: Path) -> None:
    write_records(tmp_path, a_record())
    async with bills(tmp_path) as asked:
        url = f"{asked.sims.urls()['openai']}/v1"
        async with openai.AsyncOpenAI(admin_api_key=ADMIN_KEYS["openai"], base_url=url) as client:
            usage = client.admin.organization.usage
            window: dict[str, Any] = {"start_time": unix("2026-11-01"), "end_time": unix("2026-11-04")}
            costs = await usage.costs(**window, group_by=["line_item", "project_id"], project_ids=["proj_abc"])
            counts = await usage.completions(**window, group_by=["model", "api_key_id"], limit=2)
            other = await usage.costs(**window, project_ids=["proj_other"])

    result: Any = costs.data[1].results[0]
    assert (result.object, result.amount.value, result.project_id) == ("organization.costs.result", 0.0016, "proj_abc")
    counted: Any = counts.data[1].results[0]
    assert (counted.input_tokens, counted.model, counts.has_more) == (10_000, "gpt-4.1-mini", True)
    assert [bucket.results for bucket in other.data] == [[], [], []]
