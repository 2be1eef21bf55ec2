"""`voicegw prices` against a real controller: what is agreed, imported, verified, withdrawn, compared, and rated by."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.voicegw import Done
from typer.testing import CliRunner

from voicegateway_controller.access import Role, create_token
from voicegateway_controller.cli import main, output
from voicegateway_shared.errors import VoiceGatewayError

Prices = Callable[..., Awaitable[Done]]
NOVA = ("--provider", "deepgram", "--model", "nova-3", "--usage", "audio_sent_min=1", "--json")
LOGGED = re.compile(r"[0-9-]{10} [0-9:]{8} \[")
FILE = """
provider: deepgram
recorded_at: 2026-11-22T00:00:00Z
sources: {letter: {url: "https://deepgram.com/contract/17", read_on: 2026-11-22}}
context:
  mode: {default: streaming, values: {streaming: [realtime], batch: []}}
models:
  - model: nova-9
    modality: stt
    per: 1 minute
    source: letter
    confidence: published
    prices:
      - {meter: audio_sent_ms, amount: "0.0100", when: {mode: streaming}}
      - {meter: audio_sent_ms, amount: "0.0090", when: {mode: batch}}
  - model: aura-2
    modality: tts
    per: 1_000 characters
    source: letter
    confidence: published
    prices:
      - {meter: characters_sent, amount: "0.030"}
"""


@pytest_asyncio.fixture
async def prices(url: str, engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prices:
    """Run one of the commands in this process, as an operator."""
    token = await create_token(engine, role=Role.OPERATOR, name="ann")
    monkeypatch.setattr(output.console, "_width", 200)
    environment = {"VOICEGATEWAY_URL": url, "VOICEGATEWAY_TOKEN": token, "VOICEGATEWAY_HOME": str(tmp_path)}

    def invoke(arguments: tuple[str, ...]) -> Done:
        result = CliRunner().invoke(main.app, ["prices", *arguments], env=environment)
        if isinstance(result.exception, VoiceGatewayError):
            return Done(code=2, out=said(result.stdout), err=str(result.exception))
        return Done(code=result.exit_code, out=said(result.stdout), err=result.stderr)

    async def run(*arguments: str) -> Done:
        return await asyncio.to_thread(invoke, arguments)

    return run


def said(out: str) -> str:
    """What the command printed: the controller in this process logs to the same place."""
    return "".join(line for line in out.splitlines(keepends=True) if LOGGED.match(line) is None)


async def read(prices: Prices, *arguments: str) -> Any:
    done = await prices(*arguments)
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


async def test_a_contract_price_wins_for_its_project_and_the_list_stands_beside_it(prices: Prices) -> None:
    words = ("deepgram/nova-3", "--meter", "audio_sent_ms", "--amount", "0.0041", "--context", "streaming")
    dry = await prices("set", *words, "--project", "acme", "--reason", "contract 17", "--dry-run")
    applied = await read(prices, "set", *words, "--project", "acme", "--reason", "contract 17", "--json")
    again = await prices("set", *words, "--project", "acme", "--reason", "contract 17")

    theirs = await read(prices, "rate", *NOVA, "--project", "acme")
    others = await read(prices, "rate", *NOVA, "--project", "other")
    listed = await read(prices, "list", "deepgram/nova-3", "--layer", "project", "--project", "acme", "--json")

    assert dry.code == 0
    assert "nothing was changed; this would be" in dry.out
    assert applied["is_changed"]
    assert "nothing has changed" in again.out or "holds, everywhere" in again.out
    assert (theirs["amount_usd"], theirs["list_amount_usd"]) == ("0.004100000000", "0.007700000000")
    assert (others["amount_usd"], others["list_amount_usd"]) == ("0.004800000000", "0.007700000000")
    assert [line["layer"] for line in theirs["lines"]] == ["project"]
    assert [line["price"] for line in theirs["lines"]] == ["0.0041"]
    assert not theirs["is_offline"]
    assert {(row["amount"], row["scope"], row["reason"]) for row in listed["prices"]} == {
        ("0.0041", "acme", "contract 17")
    }


async def test_what_is_withdrawn_holds_no_more_and_its_history_stays(prices: Prices) -> None:
    words = ("deepgram/nova-3", "--meter", "audio_sent_ms", "--amount", "0.0041", "--context", "streaming")
    applied = await read(prices, "set", *words, "--account", "*", "--reason", "contract 17", "--json")
    price_id = next(change["price_id"] for change in applied["changes"] if change["price_id"])

    shown = await prices("show", price_id)
    dry = await prices("withdraw", price_id, "--dry-run")
    withdrawn = await prices("withdraw", price_id, "--reason", "never signed")
    rated = await read(prices, "rate", *NOVA)
    history = await prices("show", "deepgram/nova-3")
    wrong = await prices("withdraw", "deepgram/nova-3/mono/streaming/audio_sent_ms@52be0585")
    both = await prices("withdraw", price_id, "--record", "1")

    assert [done.code for done in (shown, dry, withdrawn, history, wrong, both)] == [0, 0, 0, 0, 2, 2]
    assert price_id in shown.out
    assert "contract 17" in shown.out
    assert "account *" in shown.out
    assert "nothing was changed; this would be" in dry.out
    assert "withdrawn" in withdrawn.out
    assert rated["amount_usd"] == "0.004800000000"
    assert "never signed" in history.out
    assert "the package ships it" in wrong.err
    assert "either a price id or --record N" in both.err


async def test_discounts_plans_and_credit_prices_are_set(prices: Prices) -> None:
    sonic = ("--provider", "cartesia", "--model", "sonic-3", "--usage", "characters_sent=1000", "--json")
    before = await read(prices, "rate", *sonic)
    await read(prices, "set", "cartesia", "--plan", "scale", "--json")
    on_scale = await read(prices, "rate", *sonic)
    bought = ("--amount", "200", "--per", "8_000_000 credits")
    await read(prices, "set", "cartesia", "--plan", "scale", *bought, "--json")
    negotiated = await read(prices, "rate", *sonic)
    await read(prices, "set", "deepgram", "--discount", "0.85", "--project", "acme", "--reason", "volume", "--json")
    discounted = await read(prices, "rate", *NOVA, "--project", "acme")

    assert before["amount_usd"] == "0.050000000000"
    assert on_scale["amount_usd"] == "0.037375000000"
    assert negotiated["amount_usd"] == "0.025000000000"
    assert (discounted["amount_usd"], discounted["list_amount_usd"]) == ("0.004080000000", "0.007700000000")


async def test_what_has_no_price_is_given_one(prices: Prices) -> None:
    question = ("--provider", "livekit", "--model", "webrtc-participant", "--usage", "participant_s=70")
    unknown = await prices("rate", *question)
    await read(
        prices,
        *("set", "livekit/webrtc-participant", "--modality", "transport", "--meter", "participant_ms"),
        *("--amount", "0.0005", "--per", "1 minute", "--increment", "1 minute", "--json"),
    )

    rated = await read(prices, "rate", *question, "--json")

    assert unknown.code == 2
    assert rated["amount_usd"] == "0.001000000000"
    assert [line["layer"] for line in rated["lines"]] == ["managed"]


async def test_a_wrong_price_is_told_what_is_wrong(prices: Prices) -> None:
    told = {
        ("deepgram/nova-3",): "--meter is missing",
        ("deepgram/nova-3", "--meter", "audio_sent_ms"): "say what is to be set",
        ("deepgram", "--meter", "audio_sent_ms", "--amount", "1"): "say what is to be set",
        ("deepgram", "--discount", "0.9", "--amount", "1"): "--discount cannot stand beside --amount",
        ("cartesia/sonic-3", "--plan", "scale"): "--plan cannot stand beside a model",
        ("deepgram/nova-3", "--meter", "audio_sent_ms", "--amount", "cheap"): "amount",
        ("deepgram/nova-3", "--meter", "audio_snt_ms", "--amount", "1"): "audio_snt_ms",
    }

    for words, sentence in told.items():
        done = await prices("set", *words)

        assert done.code == 2
        assert sentence in done.err


async def test_a_price_file_is_imported_once(prices: Prices, tmp_path: Path) -> None:
    file = tmp_path / "deepgram.yaml"
    file.write_text(FILE)
    question = ("--provider", "deepgram", "--model", "nova-9", "--usage", "audio_sent_min=1")

    unknown = await prices("rate", *question)
    dry = await prices("import", str(file), "--dry-run")
    still_unknown = await prices("rate", *question)
    imported = await prices("import", str(file), "--reason", "letter of November")
    again = await prices("import", str(file))
    rated = await read(prices, "rate", *question, "--context", "batch", "--json")

    assert [done.code for done in (unknown, dry, still_unknown, imported, again)] == [2, 0, 2, 0, 0]
    assert "nova-3" in unknown.err
    assert "2 prices would be new, 0 changed, 1 as they were" in dry.out
    assert "2 prices are new, 0 changed, 1 as they were" in imported.out
    assert "0 prices are new, 0 changed, 3 as they were" in again.out
    assert rated["amount_usd"] == "0.009000000000"


async def test_a_wrong_file_is_refused_with_its_lines_before_anything_is_asked(prices: Prices, tmp_path: Path) -> None:
    file = tmp_path / "deepgram.yaml"
    file.write_text(FILE.replace('"0.0100"', "0.01"))

    wrong = await prices("import", str(file))
    missing = await prices("import", str(tmp_path / "none.yaml"))

    assert (wrong.code, missing.code) == (2, 2)
    assert "deepgram.yaml:14: models[nova-9].prices[audio_sent_ms].amount: 0.01 must be a quoted string" in wrong.err
    assert "give a price file or 'genai-prices'" in missing.err


async def test_the_library_is_imported_and_what_we_price_alike_is_left_alone(prices: Prices) -> None:
    """Also what ended long ago: a price of the past is of the past when it is imported today."""
    imported = await read(prices, "import", "genai-prices", "--provider", "anthropic", "--json")
    again = await read(prices, "import", "genai-prices", "--provider", "anthropic", "--json")
    rated = await read(
        prices, "rate", "--provider", "anthropic", "--model", "claude-2", "--usage", "input_tokens=1000000", "--json"
    )

    (first,), (second,) = imported["imported"], again["imported"]
    assert (first["provider"], first["added"], first["changed"], first["unchanged"]) == ("anthropic", 76, 0, 216)
    assert (second["added"], second["changed"], second["unchanged"]) == (0, 0, 292)
    assert rated["amount_usd"] == "8.000000000000"
    assert imported["refused"] == []


async def test_a_verified_price_is_fresh_again(prices: Prices) -> None:
    stale = await read(prices, "list", "rime", "--stale", "--json")
    verified = await prices("verify", "rime/mist", "--url-read", "https://rime.ai/pricing", "--reason", "read it")
    again = await prices("verify", "rime/mist")
    fresh = await read(prices, "list", "rime/mist", "--json")
    left = await read(prices, "list", "rime", "--stale", "--json")
    unknown = await prices("verify", "rime/mystery")

    assert {row["model"] for row in stale["prices"]} == {"mist", "coda"}
    assert (verified.code, again.code, unknown.code) == (0, 0, 2)
    assert verified.out.startswith("1 prices are verified")
    assert again.out.startswith("0 prices are verified")
    assert [(row["verified_on"], row["is_stale"]) for row in fresh["prices"]] == [
        (datetime.now(UTC).date().isoformat(), False)
    ]
    assert fresh["prices"][0]["verified_by"]
    assert {row["model"] for row in left["prices"]} == {"coda"}
    assert "no prices of rime/mystery" in unknown.err


async def test_lists_are_tables_csv_and_json(prices: Prices) -> None:
    table = await prices("list", "deepgram/nova-3")
    flat = await prices("list", "deepgram/nova-3", "--csv")
    report = await read(prices, "list", "deepgram/nova-3", "--json")

    rows = list(csv.DictReader(io.StringIO(flat.out)))
    assert "$0.0048/min" in table.out
    assert "stale" in table.out
    assert {(row["meter"], row["context"], row["amount"]) for row in rows} == {
        (row["meter"], ", ".join(f"{key}={value}" for key, value in row["when"].items()), row["amount"])
        for row in report["prices"]
    }
    assert len(rows) == report["total"] == 6


async def test_what_changed_between_two_instants_is_told(prices: Prices, tmp_path: Path) -> None:
    file = tmp_path / "deepgram.yaml"
    file.write_text(FILE)
    same = await prices("diff", "builtin", "now", "--provider", "deepgram")
    await prices("import", str(file))
    await read(
        prices,
        "set",
        "deepgram/aura-2",
        "--meter",
        "characters_sent",
        "--amount",
        "0.027",
        "--project",
        "acme",
        "--json",
    )

    changed = await prices("diff", "builtin", "now", "--provider", "deepgram", "--json")
    cut = await prices("diff", "2026-07-29", "2026-07-31", "--provider", "openai", "--json")

    assert (same.code, changed.code, cut.code) == (0, 1, 1)
    assert {
        (each["change"], each["model"], each["layer"], each["b"]) for each in json.loads(changed.out)["changes"]
    } == {
        ("added", "nova-9", "managed", "$0.0100/min"),
        ("added", "nova-9", "managed", "$0.0090/min"),
        ("added", "aura-2", "project", "$0.027/1k characters"),
    }
    ratios = {
        (each["model"], each["meter"]): Decimal(each["ratio"])
        for each in json.loads(cut.out)["changes"]
        if each["change"] == "changed"
    }
    assert ratios[("gpt-5.6-luna", "input_tokens")] == Decimal("0.2")


async def test_what_has_no_price_ends_with_one_and_a_wrong_question_with_two(prices: Prices) -> None:
    unpriced = await prices("rate", "--provider", "deepgram", "--model", "nova-3", "--usage", "characters_sent=5")
    unknown = await prices("rate", "--provider", "deepgram", "--model", "nova-33", "--usage", "audio_sent_s=5")
    earlier = await read(prices, "rate", *NOVA, "--as-of", "2026-11-20")

    assert (unpriced.code, unknown.code) == (1, 2)
    assert "it bills audio_sent_ms" in " ".join(unpriced.err.split())
    assert "did you mean nova-3" in unknown.err
    assert earlier["as_of"] is not None
