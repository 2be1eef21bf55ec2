"""Engines are imported when a model is loaded, and where they are missing it is said how to get them."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from voicegateway.local import files, prewarm_model
from voicegateway.local.kokoro import TTS as Kokoro  # noqa: N811 - there are two
from voicegateway.local.piper import TTS as Piper  # noqa: N811
from voicegateway.local.whisper import STT as Whisper  # noqa: N811
from voicegateway_shared.errors import ConfigurationError, MissingPackage

ENGINES = ("ctranslate2", "faster_whisper", "kokoro_onnx", "onnxruntime", "phonemizer", "piper")


@pytest.mark.parametrize(
    ("statement", "others"),
    [
        ("from voicegateway.local import prewarm_model", ("livekit", "numpy", "asyncio")),
        ("import voicegateway.local.whisper, voicegateway.local.kokoro, voicegateway.local.piper", ()),
    ],
)
def test_importing_a_plugin_imports_no_engine(statement: str, others: tuple[str, ...]) -> None:
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert set(json.loads(ran.stdout)) & {*ENGINES, *others} == set()


@pytest.mark.parametrize(
    ("plugin", "module", "extra"),
    [(Whisper, "faster_whisper", "whisper"), (Kokoro, "kokoro_onnx", "kokoro"), (Piper, "piper", "piper")],
)
def test_missing_engine_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plugin: Any, module: str, extra: str
) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None if name == module else find_spec(name))

    with pytest.raises(MissingPackage, match=rf"pip install 'voicegateway\[{extra}\]'"):
        plugin(model_dir=tmp_path)


def test_only_local_models_are_prewarmed() -> None:
    with pytest.raises(ConfigurationError, match="no local model; local are kokoro, piper, whisper"):
        prewarm_model("deepgram/nova-3")


def test_prewarming_a_model_that_is_not_there_says_where_it_would_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no .*/kokoro/kokoro-v1\.0\.onnx"):
        prewarm_model("kokoro/v1.0:af_sarah", model_dir=tmp_path)


def test_folder_is_given_or_the_environments_or_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert files.models_at(tmp_path) == tmp_path
    assert files.models_at(None) == Path("~/.voicegateway/models").expanduser()
    monkeypatch.setenv("VOICEGATEWAY_MODEL_DIR", str(tmp_path / "env"))
    assert files.models_at(None) == tmp_path / "env"
