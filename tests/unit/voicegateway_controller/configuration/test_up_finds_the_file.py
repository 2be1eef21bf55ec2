"""`voicegw up` names files of configuration by whole paths: what it starts runs elsewhere."""

import os
from pathlib import Path

import pytest

from voicegateway_controller.cli.serve import _name_files_wholly


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("VOICEGATEWAY_CONFIG", "VOICEGATEWAY_OVERRIDES"):
        # Noted, so that what the command sets is taken back.
        monkeypatch.setenv(name, "")
    return tmp_path


def test_the_file_of_this_folder_is_named(folder: Path) -> None:
    (folder / "voicegw.yaml").write_text("{}")

    _name_files_wholly(folder / "home")

    assert os.environ["VOICEGATEWAY_CONFIG"] == str(folder / "voicegw.yaml")


def test_files_that_are_named_are_named_wholly_and_texts_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.yaml").write_text("{}")
    monkeypatch.setenv("VOICEGATEWAY_CONFIG", "mine.yaml")
    text = "limits: [" + "{provider: openai, concurrent: 5}, " * 20 + "]"
    monkeypatch.setenv("VOICEGATEWAY_OVERRIDES", text)

    _name_files_wholly(folder / "home")

    assert os.environ["VOICEGATEWAY_CONFIG"] == str(folder / "mine.yaml")
    assert os.environ["VOICEGATEWAY_OVERRIDES"] == text


def test_without_a_file_nothing_is_named(folder: Path) -> None:
    _name_files_wholly(folder / "home")

    assert os.environ["VOICEGATEWAY_CONFIG"] == ""
