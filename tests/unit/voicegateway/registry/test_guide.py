"""The page about providers: it names each of them, with its key, its package, and model strings that are right."""

import re
from pathlib import Path

import pytest

from voicegateway.model_id import ModelId
from voicegateway.registry import PluginClass, Provider
from voicegateway.registry.finding import find_provider
from voicegateway.registry.keys import key_variables
from voicegateway.registry.livekit_plugins import ALIASES, LIVEKIT
from voicegateway.registry.named import NAMED
from voicegateway.registry.provider import MODALITIES
from voicegateway.registry.third_party import GROUP, THIRD_PARTIES_MAX

PAGE = (Path(__file__).parents[4] / "docs" / "guides" / "providers.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
MODELS = [
    (words.partition(",")[0], text)
    for row in ROWS
    for cell in row.split("|")[2].split("<br>")
    for words, _, texts in [cell.strip().partition(": ")]
    for text in re.findall(r"`([^`]+/[^`]+)`", texts)
]


@pytest.mark.parametrize("provider", [*NAMED.values(), *LIVEKIT.values()], ids=lambda provider: provider.name)
def test_each_provider_has_a_row_with_its_modalities_key_and_package(provider: Provider) -> None:
    (row,) = [row for row in ROWS if f"`{provider.name}/" in row or row.startswith(f"| `{provider.name}` |")]

    variables = {name for of in provider.classes.values() for each in of for name in key_variables(provider, each)}
    assert all(f"`{name}`" in row for name in variables)
    assert f"`{provider.install}`" in row
    assert all(re.search(rf"(\| |<br>){modality}\b", row) for modality in provider.modalities)


def test_each_model_string_names_a_provider_that_does_this() -> None:
    unserved = []
    for modality in MODALITIES:
        for text in [text for of, text in MODELS if of == modality]:
            model_id = ModelId.parse(text, modality)
            provider = find_provider(model_id.provider)
            if not provider or not any(each.serves(model_id.model, "") for each in provider.classes[modality]):
                unserved.append(text)

    assert unserved == []
    assert len(MODELS) > 100
    assert {modality for modality, _ in MODELS} == {*MODALITIES}


def test_example_of_a_provider_of_ones_own_is_right() -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "PROVIDER =" in block)

    scope: dict[str, object] = {}
    exec(code, scope)  # The page's own example, not a stranger's text.

    assert scope["PROVIDER"] == Provider(
        name="acme",
        classes={"tts": (PluginClass(path="acme_voices.plugin:TTS"),)},
        install="acme-voices",
        key_variables=("ACME_API_KEY",),
        hosts=("api.acme.example",),
    )
    assert f'[project.entry-points."{GROUP}"]' in PAGE
    assert f"At most {THIRD_PARTIES_MAX} are read" in PAGE
    assert all(f"`{name}`" in PAGE for name in ALIASES)
