"""`voicegw init`: what is in the environment becomes a file that works, and no file is lost."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fixtures.voicegw import Done, run_here

from voicegateway_controller.cli.init_vendors import VENDORS
from voicegateway_controller.configuration.document import check, read_file
from voicegateway_controller.limits.providers import known_providers
from voicegateway_shared.pricing import Catalog

KEYS = {
    "OPENAI_API_KEY": "sk-planted-openai",
    "DEEPGRAM_API_KEY": "planted-deepgram",
    "ELEVEN_API_KEY": "planted-eleven",
}


def init(tmp_path: Path, *arguments: str, stdin: str = "", **environment: str) -> tuple[Done, Path]:
    file = tmp_path / "voicegw.yaml"
    return run_here(tmp_path, "init", str(file), *arguments, stdin=stdin, **environment), file


def read(file: Path) -> dict[str, Any]:
    assert check(read_file(file)) == ()
    return dict(read_file(file).data)


def test_keys_of_the_environment_become_references_chains_and_a_budget(tmp_path: Path) -> None:
    done, file = init(tmp_path, "--yes", "--project", "acme", **KEYS)

    text = file.read_text()
    assert (done.code, done.err) == (0, "")
    assert not any(secret in text + done.out for secret in KEYS.values())
    assert text.startswith("# yaml-language-server: $schema=.voicegw.schema.json\n")
    assert json.loads((tmp_path / ".voicegw.schema.json").read_text())["title"] == "voicegw.yaml"
    assert read(file) == {
        "projects": [{"id": "acme"}],
        "keys": [
            {"id": "deepgram-main", "provider": "deepgram", "from_env": "DEEPGRAM_API_KEY"},
            {"id": "openai-main", "provider": "openai", "from_env": "OPENAI_API_KEY"},
            {"id": "elevenlabs-main", "provider": "elevenlabs", "from_env": "ELEVEN_API_KEY"},
        ],
        "routing": {
            "chains": {
                "stt": {"ears": ["deepgram/nova-3", "openai/gpt-4o-mini-transcribe"]},
                "llm": {"fast": ["openai/gpt-4.1-mini"]},
                "tts": {"voice": ["deepgram/aura-2", "openai/gpt-4o-mini-tts", "elevenlabs/eleven_flash_v2_5"]},
            },
            "stacks": {"first": {"stt": "ears", "llm": "fast", "tts": "voice"}},
            "defaults": {"stack": "first"},
        },
        "budgets": [
            {
                "name": "a-day", "project": "acme", "amount": "25.00", "window": "day", "thresholds": [50, 80, 100],
                "action": "end_session",
            }
        ],
        "worker": {"project": "acme"},
    }  # fmt: skip


def test_questions_are_asked_and_their_answers_hold(tmp_path: Path) -> None:
    done, file = init(tmp_path, stdin="n\ny\ny\nshop\n5\nwarn\n", **KEYS)

    document = read(file)
    assert done.code == 0, done
    assert [each["provider"] for each in document["keys"]] == ["openai", "elevenlabs"]
    assert (document["budgets"][0]["amount"], document["budgets"][0]["action"]) == ("5", "warn")
    assert document["worker"] == {"project": "shop"}


def test_without_keys_and_budget_the_file_works_and_says_where_they_go(tmp_path: Path) -> None:
    done, file = init(tmp_path, "--yes", "--budget", "0")

    assert "no vendor's key is in the environment" in done.out
    assert read(file) == {"projects": [{"id": "default"}], "worker": {"project": "default"}}
    commented = "\n".join(
        line[2:]
        for line in file.read_text().splitlines()
        if line.startswith(("# keys:", "# routing:", "# limits:", "# budgets:", "#   "))
    )
    assert set(yaml.safe_load(commented)) == {"keys", "routing", "limits", "budgets"}


def test_a_file_that_is_there_is_never_lost(tmp_path: Path) -> None:
    _, file = init(tmp_path, "--yes", "--project", "mine")
    before = file.read_text()

    refused, _ = init(tmp_path, "--yes", "--project", "other")
    kept = file.read_text()
    forced, _ = init(tmp_path, "--yes", "--project", "other", "--force")

    assert (refused.code, "--force" in refused.err, kept) == (2, True, before)
    assert (forced.code, read(file)["worker"]) == (0, {"project": "other"})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".voicegw.schema.json", "voicegw.yaml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--budget", "lots"), "budgets[0].amount: 'lots'"),
        (("--budget", "0.000001"), "below one request's price"),
        (("--project", " x"), "projects[0].id: must be a text without spaces at its ends"),
    ],
)
def test_wrong_answers_are_refused_and_nothing_is_written(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done, file = init(tmp_path, "--yes", *arguments)

    assert (done.code, words in done.err) == (2, True), done
    assert not file.exists()


@pytest.mark.parametrize("text", ["no", "2024", "ümlaut", "a: b", "#x", "'", "{", "*a", "1:30"])
def test_any_projects_name_survives_the_file(tmp_path: Path, text: str) -> None:
    _, file = init(tmp_path, "--yes", "--project", text)

    assert read(file)["worker"] == {"project": text}


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    done = run_here(tmp_path, "init", str(tmp_path / "none" / "voicegw.yaml"), "--yes")

    assert (done.code, "cannot be written: No such file or directory" in done.err) == (2, True), done


def test_every_vendor_is_known_and_every_model_has_a_price() -> None:
    priced = {(price.provider, price.model) for price in Catalog.builtin().prices}

    assert {vendor.id for vendor in VENDORS} <= known_providers()
    for vendor in VENDORS:
        for model in filter(None, (vendor.stt, vendor.llm, vendor.tts)):
            assert (vendor.id, model) in priced
