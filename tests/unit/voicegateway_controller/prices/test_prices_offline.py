"""`voicegw prices` without a controller: the built-in list is seen, compared, and held against others'."""

import csv
import io
import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voicegateway_controller.catalog.importing import genai
from voicegateway_controller.cli import main
from voicegateway_shared.errors import VoiceGatewayError


@pytest.fixture(autouse=True)
def no_controller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("VOICEGATEWAY_URL", "VOICEGATEWAY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOICEGATEWAY_HOME", str(tmp_path))


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main.app, ["prices", *arguments])
    if isinstance(result.exception, VoiceGatewayError):
        return 2, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


def test_the_built_in_list_is_listed_and_says_so() -> None:
    code, out, _ = run("list", "twilio")
    report = json.loads(run("list", "twilio", "--json")[1])
    flat = list(csv.DictReader(io.StringIO(run("list", "twilio", "--csv")[1])))

    assert code == 0
    assert "(built in, no controller)" in " ".join(out.split())
    assert report["total"] == len(flat) == 8
    assert {row["layer"] for row in report["prices"]} == {"builtin"}


def test_a_price_of_then_is_listed_at_its_time() -> None:
    def amounts(*words: str) -> set[str]:
        rows = json.loads(run("list", "xai/grok-voice-latest", "--json", *words)[1])["prices"]
        return {row["amount"] for row in rows}

    assert amounts("--at", "2026-08-04") == {"3.00"}
    assert amounts("--at", "2026-08-05") == {"4.80"}
    assert amounts("--history") == {"3.00", "4.80"}


def test_one_price_is_shown_whole() -> None:
    code, out, _ = run("show", "groq/whisper-large-v3-turbo/online/audio_sent_ms@6176b2dc")
    wrong = run("show", "groq/whisper-large-v3-turba")

    assert code == 0
    for words in ("$0.04 per hour", "minimum", "10 s", "https://console.groq.com/docs/speech-to-text", "published"):
        assert words in " ".join(out.split())
    assert wrong[0] == 2
    assert "nearest: groq/whisper-large-v3-turbo" in wrong[2]


def test_lists_of_two_days_are_compared() -> None:
    code, out, _ = run("diff", "2026-08-04", "2026-08-05", "--provider", "xai", "--json")
    same = run("diff", "2026-08-06", "2026-08-07", "--provider", "xai")

    assert code == 1
    assert [(each["change"], each["a"], each["b"], each["ratio"]) for each in json.loads(out)["changes"]] == [
        ("changed", "$3.00/h", "$4.80/h", "1.6")
    ]
    assert (same[0], same[1]) == (0, "2026-08-06 and 2026-08-07 have the same 3 prices.\n")


def test_drift_ends_with_one_only_when_something_is_new(tmp_path: Path) -> None:
    theirs = tmp_path / "map.json"
    theirs.write_text(
        json.dumps(
            {"tts-1": {"litellm_provider": "openai", "mode": "audio_speech", "input_cost_per_character": 1.6e-05}}
        )
    )

    library = run("drift", "--json")
    litellm = run("drift", "--against", "litellm-json", str(theirs), "--json")

    assert library[0] == 0
    assert json.loads(library[1])["new"] == 0
    assert litellm[0] == 1
    (only,) = json.loads(litellm[1])["differences"]
    assert (only["status"], only["model"], only["ratio"]) == ("new", "tts-1", "1.0667")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("drift", "--against", "litellm-json"), "needs the FILE"),
        (("drift", "--against", "mine"), "must be genai-prices or litellm-json"),
        (("diff", "whenever"), "is no instant"),
        (("set", "deepgram", "--plan", "x"), "no controller to ask"),
        (("verify", "deepgram"), "no controller to ask"),
        (
            ("rate", "--provider", "rime", "--model", "mist", "--usage", "characters_sent=1", "--project", "acme"),
            "--project needs a controller",
        ),
    ],
)
def test_what_needs_more_is_told_so(words: tuple[str, ...], said: str) -> None:
    code, _, err = run(*words)

    assert code == 2
    assert said in err


def test_a_library_that_is_not_installed_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(genai, "version", missing)

    for words in (("import", "genai-prices"), ("drift",)):
        code, _, error = run(*words)
        assert code == 2
        assert "pip install 'voicegateway[genai-prices]'" in error
