"""Any JSON as a configuration over HTTP, any bytes as a file on the command line: a reason, never a crash."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fixtures.configurations import BEYOND_THE_SCHEMA, RIGHT, WHOLE, WRONG
from tests.fixtures.hostile_texts import HOSTILE
from tests.fixtures.voicegw import run_here
from tests.unit.voicegateway_shared.price_file import GOOD_ROW, file_with

from voicegateway_controller.access import Role
from voicegateway_controller.configuration.layering import SECTIONS
from voicegateway_controller.reconcile.files import ColumnMapping
from voicegateway_shared.document import DocumentWrong, read_document

ROUTES = ("validate", "diff", "apply")
TRIES = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
WORDS = st.sampled_from(
    [*SECTIONS, "name", "id", "provider", "concurrent", "amount", "window", "chains", "llm", "fast", "zone", ""]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | WORDS | st.sampled_from(["openai", "openai/gpt-4.1", "25.00", "day", "\x00", "\u2028"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def drawn(strategy: st.SearchStrategy[Any]) -> list[Any]:
    """The same values in every run."""
    found: list[Any] = []

    @TRIES
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def right_and_wrong() -> list[dict[str, Any]]:
    documents = []
    for text in (*RIGHT, *WRONG, *BEYOND_THE_SCHEMA):
        try:
            documents.append(read_document(text, name="f").data)
        except DocumentWrong:
            continue
    return [{key: value for key, value in each.items() if key in (*SECTIONS, "zone")} for each in documents]


async def test_any_document_over_http_has_an_answer(api: httpx.AsyncClient, make_token: Any) -> None:
    admin = await make_token(Role.ADMIN)
    documents = right_and_wrong() + drawn(st.dictionaries(st.sampled_from(SECTIONS) | WORDS, VALUES, max_size=3))

    for index, document in enumerate(documents):
        route = ROUTES[index % len(ROUTES)]
        body = {"document": document} | ({"dry_run": True} if route == "apply" else {})
        answer = await api.post(f"/api/v1/config/{route}", content=json.dumps(body), headers=admin)

        assert answer.status_code in (200, 400, 422), (route, document, answer.text)
        if answer.status_code != 200:
            assert answer.json()["detail"], (route, document)


@pytest.mark.parametrize("route", ROUTES)
async def test_any_body_at_all_has_an_answer(api: httpx.AsyncClient, make_token: Any, route: str) -> None:
    admin = await make_token(Role.ADMIN)
    bodies = [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 5_000,
        b'{"document":' * 2_000,
        b"null",
        b"7",
        b'{"document": []}',
        b'"\\ud800"',
    ]

    answers = [await api.post(f"/api/v1/config/{route}", content=body, headers=admin) for body in bodies]

    assert {answer.status_code for answer in answers} <= {400, 422}, [answer.text for answer in answers]


async def test_any_price_file_has_an_answer(api: httpx.AsyncClient, make_token: Any) -> None:
    operator = await make_token(Role.OPERATOR)
    right = file_with(GOOD_ROW)
    pieces = st.sampled_from(
        [*right.split(), "2026-99-99", "!!timestamp ", "9" * 400, "[", "{", "null", "[[1]]", "&a *a"]
    )
    mutated = st.tuples(st.sampled_from(right.split()), pieces).map(lambda swap: right.replace(*swap))
    # The last two once ended the process, and held everything up for seconds.
    files = [*HOSTILE.values(), *drawn(mutated), "[" * 900_000, "%TAG !a! b\n" * 80_000]

    for text in files:
        body = {"file": text, "reason": "a test", "is_dry_run": True}
        answer = await api.post("/api/v1/prices/import", json=body, headers=operator)

        assert answer.status_code in (200, 400, 409), (text[:200], answer.text)


async def test_any_rows_of_prices_have_an_answer(api: httpx.AsyncClient, make_token: Any) -> None:
    operator = await make_token(Role.OPERATOR)
    row = {"model": "m", "modality": "stt", "meter": "audio_sent_ms", "amount": "0.1", "per": "1 minute"}
    keys = st.sampled_from(
        [*row, "aliases", "when", "tiers", "credit_price", "minus", "effective_from", "source", "note"]
    )
    ends = st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", {"url": "u", "read_on": "9999-12-31"}]
    )
    # Less deep than what no decoder takes, and deeper than what may be walked by recursion.
    deep = json.loads("[" * 600 + "]" * 600)
    for change in [{"note": deep}, *drawn(st.dictionaries(keys, VALUES | ends, max_size=3))]:
        body = {"rows": [row | change], "provider": "deepgram", "reason": "a test", "is_dry_run": True}
        answer = await api.post("/api/v1/prices/import", content=json.dumps(body), headers=operator)

        assert answer.status_code in (200, 400, 409), (change, answer.text)


async def test_any_column_mapping_has_an_answer(api: httpx.AsyncClient, make_token: Any) -> None:
    operator = await make_token(Role.OPERATOR)
    keys = st.sampled_from([*(field.name for field in msgspec.structs.fields(ColumnMapping))])
    right = {"name": "acme", "provider": "acme", "amount": "Cost"}
    for change in drawn(st.dictionaries(keys, VALUES, max_size=3)):
        document = yaml.safe_dump(right | change, allow_unicode=True)
        answer = await api.put("/api/v1/reconcile-mappings/acme", json={"document": document}, headers=operator)

        assert answer.status_code in (200, 400), (change, answer.text)


async def test_a_sync_message_nested_without_end_is_refused(api: httpx.AsyncClient, make_token: Any) -> None:
    worker = await make_token(Role.WORKER)

    answer = await api.post("/v1/sync", content=b'{"x":' + b"[" * 50_000, headers=worker)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_any_file_on_the_command_line_has_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "voicegw.yaml"
    mutated = st.tuples(st.integers(0, len(WHOLE)), st.binary(max_size=6)).map(
        lambda change: WHOLE.encode()[: change[0]] + change[1] + WHOLE.encode()[change[0] :]
    )

    for raw in drawn(st.binary(max_size=40) | mutated)[:40]:
        path.write_bytes(raw)
        done = run_here(tmp_path, "config", "validate", str(path), "--json")

        assert done.code in (0, 1), (raw, done)
        assert json.loads(done.out)["is_valid"] == (done.code == 0)
        assert "Traceback" not in done.out + done.err
