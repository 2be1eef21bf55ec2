"""`voicegw prices rate --offline`: every worked example, and what a wrong question is told."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.rating_examples import ASKS, AT, EXAMPLES, Ask, usage_of
from typer.testing import CliRunner

from voicegateway_controller.cli import main, output
from voicegateway_shared.errors import VoiceGatewayError
from voicegateway_shared.usage import METERS

LOCAL_NODE = """
provider: local
recorded_at: 2026-11-21T00:00:00Z
sources: {operator: {url: "the operator's configuration", read_on: 2026-11-21}}
models:
  - model: ollama
    modality: llm
    prices:
      - {meter: node_busy_ms, amount: "0.70", per: 20 hours, source: operator, confidence: assumption}
"""


def ask(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `voicegw prices rate --offline …`, in this process."""
    result = CliRunner().invoke(main.app, ["prices", "rate", "--offline", *arguments])
    if isinstance(result.exception, VoiceGatewayError):
        return 2, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


def rated(*arguments: str) -> dict[str, Any]:
    code, out, err = ask(*arguments, "--json")
    assert (code, err) == (0, "")
    answer: dict[str, Any] = json.loads(out)
    return answer


def words_of(each: Ask, example: dict[str, Any]) -> list[str]:
    """One question as a person types it: times in seconds, the context as key=value."""
    words = ["--provider", each.provider, "--model", each.model, "--modality", each.modality, "--at", AT.isoformat()]
    for meter, quantity in usage_of(each, example).items():
        if METERS[meter].unit == "ms":
            words += ["--usage", f"{meter.removesuffix('_ms')}_s={Decimal(quantity) / 1000}"]
        else:
            words += ["--usage", f"{meter}={quantity}"]
    for key, value in each.context.items():
        words += ["--context", f"{key}={value}"]
    return words


@pytest.mark.parametrize("example_id", EXAMPLES)
def test_every_example_is_rated_by_hand_to_twelve_decimals(example_id: str, tmp_path: Path) -> None:
    node = tmp_path / "node.yaml"
    node.write_text(LOCAL_NODE)
    usage = EXAMPLES["R01" if example_id == "R02" else example_id]["usage"]
    file = ["--file", str(node)] if example_id == "L13" else []

    answers = [rated(*words_of(each, usage), *file) for each in ASKS[example_id]]

    amounts = [Decimal(answer["amount_usd"]) for answer in answers]
    assert sum(amounts) == Decimal(EXAMPLES[example_id]["total_usd"])
    for answer in answers:
        assert len(answer["amount_usd"].partition(".")[2]) == 12
        assert sum(Decimal(line["amount_usd"]) for line in answer["lines"]) == Decimal(answer["amount_usd"])
        assert answer["price_ids"] == [line["price_id"] for line in answer["lines"]]
        assert not answer["is_unrated"]
    costs = Counter(cost for answer in answers for line in answer["lines"] if (cost := Decimal(line["amount_usd"])))
    if example_id != "C03":  # The example writes the three sessions as one line.
        assert costs == Counter(Decimal(line["cost"]) for line in EXAMPLES[example_id]["lines"])


def test_the_question_of_the_manual_is_answered_whole() -> None:
    answer = rated(
        *("--provider", "deepgram", "--model", "nova-3", "--context", "streaming"),
        *("--usage", "audio_sent_s=12.34", "--at", "2026-11-21"),
    )

    assert answer["lines"] == [
        {
            "meter": "audio_sent_ms",
            "unit": "ms",
            "quantity": 12_340,
            "billed_quantity": 12_340,
            "price": "0.0048",
            "currency": "USD",
            "per": "1 minute",
            "amount_usd": "0.000987200000",
            "list_amount_usd": "0.001583633333",
            "price_id": "deepgram/nova-3/mono/streaming/audio_sent_ms@52be0585",
            "layer": "builtin",
            "unrated_reason": None,
        }
    ]
    assert {key: answer[key] for key in ("amount_usd", "modality", "context", "at", "is_offline", "not_billed")} == {
        "amount_usd": "0.000987200000",
        "modality": "stt",
        "context": {"mode": "streaming"},
        "at": "2026-11-21T00:00:00Z",
        "is_offline": True,
        "not_billed": {},
    }


@pytest.mark.parametrize(
    ("usage", "milliseconds"),
    [
        ("audio_sent_ms=740400", 740_400),
        ("audio_sent_s=740.4", 740_400),
        ("audio_sent_min=12.34", 740_400),
        ("audio_sent_h=0.2", 720_000),
        ("audio_sent_ms=1_000", 1_000),
    ],
)
def test_times_are_read_in_any_unit(usage: str, milliseconds: int) -> None:
    answer = rated("--provider", "deepgram", "--model", "nova-3", "--usage", usage)

    assert answer["lines"][0]["quantity"] == milliseconds


def test_bare_words_are_found_in_the_providers_context() -> None:
    question = ("--provider", "openai", "--model", "gpt-4.1-mini", "--usage", "input_tokens=1000000")

    priority = rated(*question, "--context", "priority")
    batch = rated(*question, "--context", "batch")
    ordinary = rated(*question, "--context", "streaming")

    assert (priority["context"], priority["amount_usd"]) == ({"service_tier": "priority"}, "0.700000000000")
    assert (batch["context"], batch["amount_usd"]) == ({"processing": "batch"}, "0.200000000000")
    assert (ordinary["context"], ordinary["amount_usd"]) == ({}, "0.400000000000")
    assert ordinary["notes"] == ["openai's prices do not depend on 'streaming': it changes nothing"]


def test_what_is_not_billed_is_said() -> None:
    answer = rated(
        *("--provider", "deepgram", "--model", "nova-3"),
        *("--usage", "audio_sent_s=45", "--usage", "socket_open_s=120"),
    )

    assert answer["amount_usd"] == "0.003600000000"
    assert answer["not_billed"] == {"socket_open_ms": 120_000}


def test_a_model_of_two_modalities_is_rated_without_asking_where_they_agree() -> None:
    answer = rated("--provider", "openai", "--model", "whisper-1", "--usage", "audio_sent_min=1")

    assert (answer["modality"], answer["amount_usd"]) == ("stt", "0.006000000000")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--provider deepgrm --model nova-3 --usage audio_sent_s=1", "nearest: deepgram"),
        ("--provider deepgram --model nova-33 --usage audio_sent_s=1", "nearest: nova-3"),
        ("--provider deepgram --model nova-3 --modality tts --usage audio_sent_s=1", "it has prices for stt"),
        ("--provider deepgram --model nova-3 --modality ear --usage audio_sent_s=1", "must be one of stt, llm"),
        ("--provider deepgram --model nova-3 --usage audio_snt_s=1", "nearest: audio_sent_s"),
        ("--provider deepgram --model nova-3 --usage audio_sent_s", "must look like audio_sent_s=12.34"),
        ("--provider deepgram --model nova-3 --usage audio_sent_s=-1", "no plain number"),
        ("--provider deepgram --model nova-3 --usage audio_sent_s=1e3", "no plain number"),
        ("--provider deepgram --model nova-3 --usage audio_sent_s=1.0005", "less than one whole ms"),
        ("--provider openai --model gpt-5 --usage input_tokens=1.5", "less than one whole token"),
        ("--provider deepgram --model nova-3 --usage audio_sent_s=1 --usage audio_sent_ms=1", "twice"),
        ("--provider deepgram --model nova-3 --usage audio_sent_s=1 --context priority", "batch, mono, multi"),
        ("--provider deepgram --model nova-3 --usage audio_sent_s=1 --context tier=x", "channels, language, mode"),
        ("--provider deepgram --model nova-3 --usage audio_sent_s=1 --context mode=x", "batch, streaming"),
        (
            "--provider deepgram --model nova-3 --usage audio_sent_s=1 --context batch --context streaming",
            "give one of them",
        ),
        ("--provider deepgram --model nova-3 --usage audio_sent_s=1 --at yesterday", "is no instant"),
    ],
)
def test_a_wrong_question_is_told_what_is_known(words: str, said: str) -> None:
    code, out, err = ask(*words.split())

    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--provider deepgram --model nova-3 --usage characters_sent=5", "no_billable_usage"),
        ("--provider groq --model llama-3.1-8b-instant --usage input_tokens=5 --context batch", "no_price_for_context"),
        (
            "--provider openai --model gpt-6.1-terra --usage input_tokens=5 --usage cache_read_tokens=6",
            "inconsistent_usage",
        ),
        ("--provider deepgram --model nova-3 --usage audio_sent_s=1 --context channels=99", "unusable_context"),
    ],
)
def test_what_has_no_price_is_no_zero(words: str, reason: str) -> None:
    code, out, err = ask(*words.split(), "--json")

    assert code == 1
    assert reason in {line["unrated_reason"] for line in json.loads(out)["lines"]}
    assert reason in " ".join(err.split())
    assert "It bills: " in " ".join(err.split())


def test_the_table_shows_each_line_and_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.console, "_width", 120)

    code, out, _ = ask(
        *("--provider", "groq", "--model", "whisper-large-v3-turbo", "--usage", "audio_sent_s=3.2"),
        *("--at", "2026-11-21"),
    )

    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert rows == [
        "groq/whisper-large-v3-turbo (stt) at 2026-11-21T00:00:00Z",
        "meter used billed price USD",
        "audio_sent_ms 3.2 s 10 s 0.04 per hour 0.000111111111",
        "total 0.000111111111",
    ]
