"""Asking a vendor: samples as the vendors document them, and answers that must not be believed."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from voicegateway_controller.reconcile.errors import VendorRefused, VendorUnavailable
from voicegateway_controller.reconcile.sources import vendor_api
from voicegateway_controller.reconcile.sources.anthropic import AnthropicBilling
from voicegateway_controller.reconcile.sources.cartesia import CartesiaBilling
from voicegateway_controller.reconcile.sources.deepgram import DeepgramBilling
from voicegateway_controller.reconcile.sources.elevenlabs import ElevenLabsBilling
from voicegateway_controller.reconcile.sources.openai import OpenAIBilling
from voicegateway_controller.reconcile.sources.vendor_api import VendorApi

MONTH = date(2026, 11, 1)
NOW = datetime(2026, 12, 9, 8, tzinfo=UTC)
KEY = "sk-admin-very-secret-1234"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/")).rstrip("/")


def answering(documents: dict[str, Any], asked: list[web.Request] | None = None) -> Handler:
    """Answer paths by what they end in: a document, its raw text, or a response."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if asked is not None:
            asked.append(request)
        for end, document in documents.items():
            if request.path.endswith(end):
                text = document if isinstance(document, str) else json.dumps(document)
                return web.Response(text=text, content_type="application/json")
        return web.json_response({"object": "page", "data": [], "has_more": False, "next_page": None})

    return handle


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_api, "WAIT_S_FIRST", 0.001)


def api_of(url: str, **more: Any) -> VendorApi:
    headers = {"Authorization": f"Bearer {KEY}"}
    return VendorApi("openai", url=url, headers=headers, secret=KEY, refusal="make an admin key", now=NOW, **more)


COSTS = """{"object":"page","has_more":false,"next_page":null,"data":[
 {"object":"bucket","start_time":1795132800,"end_time":1795219200,"results":[
  {"object":"organization.costs.result","amount":{"value":0.060000000000000005,"currency":"usd"},
   "line_item":"gpt-4.1-mini, input_tokens","project_id":"proj_abc","api_key_id":"key_1","user_id":null,
   "api_source":null,"quantity":150000,"quantity_unit":"tokens","a_new_field":{"x":1}},
  {"amount":{"value":0.012,"currency":"usd"},"line_item":"whisper-1","project_id":null,"api_key_id":null,
   "quantity":2.0,"quantity_unit":"duration_minutes"},
  {"amount":{"value":0.1,"currency":"usd"},"line_item":"web search tool calls"},
  {"amount":{"value":1e-7,"currency":"usd"},"line_item":null}]},
 {"object":"bucket","start_time":1795219200,"end_time":1795305600,"results":[]}]}"""
COMPLETIONS = """{"object":"page","has_more":false,"next_page":null,"data":[
 {"start_time":1795132800,"end_time":1795219200,"results":[
  {"object":"organization.usage.completions.result","input_tokens":1000,"input_cached_tokens":400,
   "input_audio_tokens":100,"input_cached_audio_tokens":50,"output_tokens":90,"output_audio_tokens":60,
   "num_model_requests":3,"model":"gpt-realtime","batch":null,"service_tier":"default","project_id":"proj_abc"}]}]}"""


async def test_openais_documented_answers_become_lines() -> None:
    documents = {"/costs": COSTS, "/completions": COMPLETIONS}
    async with served(answering(documents)) as url:
        statement = await OpenAIBilling(KEY, url=url).fetch(MONTH, now=NOW)

    bill = [line for line in statement.lines if line.sku]
    assert [(x.sku, x.model, x.meter, x.quantity, x.amount_pico_usd, x.account, x.credential) for x in bill] == [
        ("gpt-4.1-mini, input_tokens", "gpt-4.1-mini", "input_tokens", 150_000, 60_000_000_000, "proj_abc", "key_1"),
        ("whisper-1", "whisper-1", "audio_sent_ms", 120_000, 12_000_000_000, "", ""),
        ("web search tool calls", "", "", None, 100_000_000_000, "", ""),
        ("(no line item)", "", "", None, 100_000, "", ""),
    ]
    assert {line.meter: line.quantity for line in statement.lines if not line.sku} == {
        "requests": 3,
        "input_tokens": 1000,
        "cache_read_tokens": 400,
        "input_audio_tokens": 150,
        "cache_read_audio_tokens": 50,
        "output_tokens": 90,
        "output_audio_tokens": 60,
    }
    assert {line.day for line in statement.lines} == {date(2026, 11, 20)}
    assert statement.settled_until == date(2026, 12, 6)


async def test_anthropics_documented_answers_become_lines() -> None:
    bucket = {"starting_at": "2026-11-20T00:00:00Z", "ending_at": "2026-11-21T00:00:00Z"}
    usage = {
        "uncached_input_tokens": 1500,
        "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
        "cache_read_input_tokens": 200,
        "output_tokens": 500,
        "server_tool_use": {"web_search_requests": 0},
        "api_key_id": "apikey_01",
        "workspace_id": None,
        "model": "claude-haiku-4-5",
        "service_tier": "priority",
        "context_window": "0-200k",
        "inference_geo": "global",
    }
    cost = {
        "amount": "123.45",
        "currency": "USD",
        "cost_type": "tokens",
        "description": "Claude Haiku 4.5 Usage - Input Tokens",
        "model": "claude-haiku-4-5",
        "token_type": "uncached_input_tokens",
        "workspace_id": None,
    }
    documents = {
        "/messages": {"data": [{**bucket, "results": [usage]}], "has_more": False, "next_page": None},
        "/cost_report": {"data": [{**bucket, "results": [cost]}], "has_more": False, "next_page": None},
    }
    asked: list[web.Request] = []
    async with served(answering(documents, asked)) as url:
        statement = await AnthropicBilling(KEY, url=url).fetch(MONTH, now=NOW)

    [line] = [line for line in statement.lines if line.sku]
    assert (line.amount_pico_usd, line.meter, line.quantity, line.credential) == (
        1_234_500_000_000,
        "input_tokens",
        None,
        "",
    )
    assert {line.meter: line.quantity for line in statement.lines if not line.sku} == {
        "input_tokens": 3200,
        "cache_read_tokens": 200,
        "cache_write_5m_tokens": 500,
        "cache_write_1h_tokens": 1000,
        "output_tokens": 500,
    }
    assert any("priority tier" in note for note in statement.notes)
    assert {each.headers["anthropic-version"] for each in asked} == {"2023-06-01"}


async def test_deepgrams_documented_answers_become_lines_and_more_days_are_dropped() -> None:
    def result(day: str, **more: Any) -> dict[str, Any]:
        grouping = {"start": day, "end": day, "accessor": "uuid", "deployment": "hosted", "tags": ["a"]}
        return {**{k: v for k, v in more.items() if k != "grouping"}, "grouping": {**grouping, **more["grouping"]}}

    streaming = {"line_item": "streaming::nova-3-multi"}
    billing = [
        result("2026-10-31", dollars=9.0, grouping=streaming),
        result("2026-11-30", dollars=0.288, grouping=streaming),
        result("2026-12-01", dollars=9.0, grouping=streaming),
        result("2026-11-30", grouping={"line_item": "streaming::nova-3::diarize"}),
    ]
    usage = [
        result("2026-11-30", hours=0.5, requests=2, grouping={"models": ["nova-3"], "method": "streaming"}),
        result("2026-11-30", tts_characters=70, grouping={"models": ["aura-2"], "method": "sync"}),
    ]
    documents = {
        "/billing/breakdown": {"resolution": {"units": "day", "amount": 1}, "results": billing},
        "/usage/breakdown": {"resolution": {"units": "day", "amount": 1}, "results": usage},
    }
    asked: list[web.Request] = []
    async with served(answering(documents, asked)) as url:
        statement = await DeepgramBilling(KEY, projects=["p/1"], url=url).fetch(MONTH, now=NOW)

    lines = [(x.sku, x.model, x.meter, x.context, x.quantity, x.amount_pico_usd) for x in statement.lines]
    multi = {"mode": "streaming", "language": "multi"}
    assert lines == [
        ("streaming::nova-3-multi", "nova-3", "audio_sent_ms", multi, None, 288_000_000_000),
        ("streaming::nova-3::diarize", "nova-3", "diarize_ms", {"mode": "streaming"}, None, None),
        ("", "nova-3", "requests", {"mode": "streaming"}, 2, None),
        ("", "nova-3", "audio_sent_ms", {"mode": "streaming"}, 1_800_000, None),
        ("", "aura-2", "characters_sent", {}, 70, None),
    ]
    assert statement.has_amounts
    assert [note for note in statement.notes if "1 lines have no dollars" in note]
    assert {(each.query["start"], each.query["end"]) for each in asked} == {("2026-10-31", "2026-12-02")}
    assert asked[0].raw_path.startswith("/v1/projects/p%2F1/")


async def test_elevenlabs_columns_are_found_by_name_with_labels_between() -> None:
    table = {
        "columns": [
            "total_cost",
            "hashed_xi_api_key",
            "hashed_xi_api_key_label",
            "timestamp",
            "model",
            "total_charge_count",
        ],
        "column_units": ["usd", None, None, None, None, None],
        "rows": [
            [0.0125, "aa", "Prod", 1795132800000, "eleven_flash_v2_5", 250],
            [0.1, None, None, 1795132800000, "scribe_v2", 9],
        ],
    }
    async with served(answering({"/analytics/usage": table})) as url:
        statement = await ElevenLabsBilling(KEY, url=url).fetch(MONTH, now=NOW)

    assert [(x.day, x.model, x.meter, x.quantity, x.amount_pico_usd, x.credential) for x in statement.lines] == [
        (date(2026, 11, 20), "eleven_flash_v2_5", "characters_sent", 250, 12_500_000_000, "aa"),
        (date(2026, 11, 20), "scribe_v2", "audio_sent_ms", None, 100_000_000_000, ""),
    ]


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ({"columns": ["when", "total_cost"], "rows": [[1, 2]]}, "no column is called timestamp"),
        ({"columns": ["timestamp", "total_cost"], "rows": [[1]]}, "a row of 1 cells below 2 columns"),
        ({"columns": ["timestamp", "total_cost"], "column_units": [None, "eur"], "rows": [[1, 2]]}, "costs in 'eur'"),
        ({"columns": ["timestamp", "total_cost"], "rows": {"a": 1}}, "'rows' is no list"),
    ],
)
async def test_a_table_of_another_shape_is_refused_by_its_column(table: dict[str, Any], what: str) -> None:
    async with served(answering({"/analytics/usage": table})) as url:
        with pytest.raises(VendorUnavailable, match=what):
            await ElevenLabsBilling(KEY, url=url).fetch(MONTH, now=NOW)


async def test_cartesias_documented_answer_becomes_credits() -> None:
    bucket = {"start_ts": "2026-11-20T00:00:00Z", "end_ts": "2026-11-21T00:00:00Z", "credits": 1000}
    document = {"group_by": "model", "data": [{"id": "sonic-3", "label": "Sonic 3", "buckets": [bucket]}]}
    async with served(answering({"/usage/credits": document})) as url:
        statement = await CartesiaBilling(KEY, url=url).fetch(MONTH, now=NOW)

    assert [(x.sku, x.model, x.credential, x.credits, x.amount_pico_usd) for x in statement.lines] == [
        ("sonic-3", "sonic-3", "", "1000", None),
        ("", "", "sonic-3", "1000", None),
    ]
    assert not statement.has_amounts


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"data": {"a": 1}}, "'data' is no list of objects"),
        ({"data": [{"start_time": "soon", "results": []}]}, "'start_time' is no instant"),
        ({"data": [{"start_time": 1795132800, "results": [{"amount": {"value": True}}]}]}, "'value' is no number"),
        (
            {"data": [{"start_time": 1795132800, "results": [{"amount": {"value": 1, "currency": "eur"}}]}]},
            "a cost in 'eur'",
        ),
        ('{"data":[{"start_time":1795132800,"results":[{"amount":{"value":1e999999999}}]}]}', "more than 40 places"),
        ({"data": [], "has_more": True, "next_page": None}, "there is more, and not where"),
        ({"data": [], "has_more": True, "next_page": "again"}, "there is more, and not where"),
        ([], "no JSON object"),
        ('{"data": NaN}', "answered what is no JSON, 5 times"),
        ("<html>", "answered what is no JSON, 5 times"),
        ("[" * 100_000, "answered what is no JSON, 5 times"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_never_half_believed(document: Any, what: str) -> None:
    async with served(answering({"/costs": document})) as url:
        with pytest.raises(VendorUnavailable, match=what):
            await OpenAIBilling(KEY, url=url).fetch(MONTH, now=NOW)


async def test_a_key_does_not_follow_a_redirect() -> None:
    elsewhere: list[web.Request] = []
    async with served(answering({}, elsewhere)) as other:

        async def redirect(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"{other}/costs")

        async with served(redirect) as url:
            with pytest.raises(VendorRefused, match="redirects are not followed"):
                await OpenAIBilling(KEY, url=url).fetch(MONTH, now=NOW)
    assert elsewhere == []


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_never_repeats_the_key(status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=f"Incorrect key: {KEY}; did you mean sk-admi*******1234?\nx")

    async with served(refuse) as url:
        with pytest.raises(VendorRefused) as refused:
            await OpenAIBilling(KEY, url=url).fetch(MONTH, now=NOW)

    told = str(refused.value) + caplog.text + repr(refused.value.__cause__)
    assert KEY not in told
    assert "1234" not in told


async def test_too_much_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_api, "ANSWER_BYTES_MAX", 1_000)
    async with served(answering({"/costs": {"data": [], "more": "x" * 2_000}})) as url:
        with pytest.raises(VendorUnavailable, match="more than 0 MiB"):
            await OpenAIBilling(KEY, url=url).fetch(MONTH, now=NOW)


async def test_pages_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_api, "PAGES_MAX", 7)

    async def endless(request: web.Request) -> web.StreamResponse:
        page = int(request.query.get("page", "0")) + 1
        return web.json_response({"data": [], "has_more": True, "next_page": str(page)})

    async with served(endless) as url:
        with pytest.raises(VendorUnavailable, match="more than 7 pages"):
            await OpenAIBilling(KEY, url=url).fetch(MONTH, now=NOW)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_vendors_wish_to_wait_is_obeyed(form: str) -> None:
    waited: list[float] = []
    refusals = [429, 503]

    async def busy(request: web.Request) -> web.StreamResponse:
        if refusals:
            after = "7" if form == "seconds" else format_datetime(NOW + timedelta(seconds=7), usegmt=True)
            return web.Response(status=refusals.pop(), headers={"Retry-After": after})
        return web.json_response({"ok": True})

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async with served(busy) as url, api_of(url, sleep=sleep) as api:
        assert await api.get("/x") == {"ok": True}
    assert waited == [7.0, 7.0]


async def test_a_vendor_that_nobody_serves_is_unavailable() -> None:
    async with served(answering({})) as url:
        pass

    with pytest.raises(VendorUnavailable, match="cannot be reached"):
        await OpenAIBilling(KEY, url=url).fetch(MONTH, now=NOW)


async def test_a_certificate_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answering({}))
    server = TestServer(app)
    await server.start_server(ssl=self_signed(tmp_path))
    try:
        with pytest.raises(VendorUnavailable, match="a certificate that is not trusted"):
            await OpenAIBilling(KEY, url=f"https://127.0.0.1:{server.port}").fetch(MONTH, now=NOW)
    finally:
        await server.close()


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    today = datetime.now(UTC)
    builder = builder.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
    signed = builder.serial_number(1).sign(key, hashes.SHA256())
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(plain + signed.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return context


async def test_a_fetch_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_api, "FETCH_S", -1.0)
    async with served(answering({})) as url:
        with pytest.raises(VendorUnavailable, match="took more than"):
            await OpenAIBilling(KEY, url=url).fetch(MONTH, now=NOW)
