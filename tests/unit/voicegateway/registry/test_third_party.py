"""Third parties' providers, from a distribution that is really installed: files on a path, as pip leaves them."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from voicegateway.registry import look, providers, resolve
from voicegateway.registry.third_party import GROUP, THIRD_PARTIES_MAX, third_parties
from voicegateway_controller.limits.providers import THIRD_PARTIES, known_providers
from voicegateway_shared.errors import MissingKey, MissingPackage, UnknownModel

GOOD = """
    from voicegateway.registry import PluginClass, Provider

    ACME = Provider(
        name="acme",
        classes={
            "tts": (PluginClass(path="acme_voices.plugin:TTS"),),
            "stt": (PluginClass(path="acme_ears:STT"),),
        },
        install="acme-voices",
        key_variables=("ACME_KEY",),
        hosts=("api.acme.example",),
    )

    def made():
        return ACME
"""
PLUGIN = """
    class TTS:
        def __init__(self, *, model, voice_id="anna", api_key=None, base_url="wss://api.acme.example/v1"):
            self.told = (model, voice_id)
"""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ACME_KEY", "a-key")
    third_parties.cache_clear()
    yield
    third_parties.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("acme_voices", "acme_broken")]:
        del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str], list[str]], None]:
    """Install a distribution: files by their path, and lines of its entry points."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def installed(files: dict[str, str], entry_points: list[str]) -> None:
        about = tmp_path / "acme_voices-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-voices\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *entry_points, ""]))
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(dedent(text))

    return installed


Install = Callable[[dict[str, str], list[str]], None]
FILES = {"acme_voices/__init__.py": GOOD, "acme_voices/plugin.py": PLUGIN}


@pytest.mark.parametrize("attribute", ["ACME", "made"])
def test_provider_of_an_installed_distribution_resolves_like_any_other(install: Install, attribute: str) -> None:
    install(FILES, [f"acme = acme_voices:{attribute}"])

    resolved = resolve("acme/one:bert", "tts")
    elsewhere = resolve("acme/one", "tts", base_url="wss://eu.acme.example/v1")

    assert resolved.plugin.told == ("one", "bert")
    assert (resolved.model_id.provider, resolved.region, elsewhere.region) == ("acme", "", "eu.acme.example")
    assert look("acme/one", "tts", {}) is None


def test_its_mistakes_are_told_like_any_other(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install(FILES, ["acme = acme_voices:ACME"])

    with pytest.raises(UnknownModel, match=r"^acme/one: acme has no llm; it does stt, tts$"):
        resolve("acme/one", "llm")
    with pytest.raises(MissingPackage, match=r"^acme: its plugin is not installed; pip install 'acme-voices'$"):
        resolve("acme/one", "stt")
    monkeypatch.delenv("ACME_KEY")
    with pytest.raises(MissingKey, match=r"^acme: no API key; set ACME_KEY or pass api_key=…$"):
        resolve("acme/one", "tts")


def test_nothing_of_it_is_imported_before_somebody_asks(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install(FILES, ["acme = acme_voices:ACME"])
    monkeypatch.setenv("DEEPGRAM_API_KEY", "a-key")

    assert look("deepgram/nova-3", "stt", {}) is None
    assert "acme_voices" not in sys.modules
    assert look("acme/one", "tts", {}) is None
    assert "acme_voices" in sys.modules
    assert "acme_voices.plugin" not in sys.modules


def test_it_is_listed(install: Install) -> None:
    install(FILES, ["acme = acme_voices:ACME"])

    status = next(each for each in providers() if each.name == "acme")

    assert (status.modalities, status.installed, status.has_key) == (("stt", "tts"), ("tts",), True)
    assert (status.install, status.source) == ("acme-voices", "entry point")


def test_limits_may_name_it_where_it_is_installed_beside_the_controller(install: Install) -> None:
    install(FILES, ["acme = acme_voices:ACME"])
    known_providers.cache_clear()

    try:
        assert "acme" in known_providers()
        assert THIRD_PARTIES == GROUP
        assert "acme_voices" not in sys.modules
    finally:
        known_providers.cache_clear()


def test_ours_are_not_replaced(install: Install) -> None:
    install(FILES | {"acme_voices/__init__.py": GOOD.replace('"acme"', '"openai"')}, ["openai = acme_voices:ACME"])

    assert [each.source for each in providers() if each.name == "openai"] == ["voicegateway"]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("raise SystemError('a joke')", "cannot be loaded"),
        ("import nowhere_to_be_found", "cannot be loaded"),
        ("BROKEN = {'name': 'broken'}", "must be a voicegateway.registry.Provider of that name"),
        (GOOD + "    BROKEN = ACME", "must be a voicegateway.registry.Provider of that name"),
    ],
)
def test_broken_one_is_told_and_left_out_and_takes_nothing_away(
    install: Install, caplog: pytest.LogCaptureFixture, module: str, said: str
) -> None:
    install(
        FILES | {"acme_broken.py": module},
        ["acme = acme_voices:ACME", "broken = acme_broken:BROKEN"],
    )

    with caplog.at_level(logging.ERROR, "voicegateway"):
        assert look("acme/one", "tts", {}) is None
        assert [*third_parties()] == ["acme"]

    assert [(record.levelname, said in record.getMessage()) for record in caplog.records] == [("ERROR", True)]
    with pytest.raises(UnknownModel, match="unknown provider 'broken'"):
        resolve("broken/one", "tts")


def test_of_two_with_one_name_the_first_is_taken(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install(FILES, ["acme = acme_voices:ACME"])
    second = Path(sys.path[0]) / "acme_again-1.0.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-again\nVersion: 1.0\n")
    (second / "entry_points.txt").write_text(f"[{GROUP}]\nacme = acme_again:ACME\n")
    (second.parent / "acme_again.py").write_text(dedent(GOOD.replace("acme-voices", "acme-again")))

    with caplog.at_level(logging.ERROR, "voicegateway"):
        found = third_parties()

    assert [*found] == ["acme"]
    assert [record.getMessage() for record in caplog.records] == [
        f"voicegateway: provider acme: a second one, {'acme_voices:ACME'}, is left out"
    ]


def test_how_many_are_read_is_bounded(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install(
        {"acme_many.py": "from voicegateway.registry import Provider\ndef __getattr__(name):\n"
         "    return Provider(name=name, classes={}, install='x')\n"},
        [f"many{number:03} = acme_many:many{number:03}" for number in range(THIRD_PARTIES_MAX + 5)],
    )  # fmt: skip

    with caplog.at_level(logging.ERROR, "voicegateway"):
        assert len(third_parties()) == THIRD_PARTIES_MAX

    assert [record.getMessage() for record in caplog.records] == [
        f"voicegateway: 105 entry points in {GROUP}; 100 are read"
    ]
