"""Keys by reference: what may be declared, and what may be read."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.vault.declared import KeyReference, parse_keys
from voicegateway_controller.vault.references import GONE_S, References
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.fingerprints import fingerprint

KEY = "sk-test-0123456789abcdefghij"
OTHER = "sk-test-jihgfedcba9876543210"
GOOD: dict[str, Any] = {"id": "main", "provider": "openai", "from_env": "OPENAI_API_KEY"}


class _Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_declaration_is_read_as_it_stands() -> None:
    file = {"id": "k8s", "provider": "deepgram", "from_file": "/run/secrets/k", "projects": ["a", "a"], "note": "n"}

    assert parse_keys([GOOD, file]) == (
        KeyReference(id="main", provider="openai", from_env="OPENAI_API_KEY"),
        KeyReference(id="k8s", provider="deepgram", from_file="/run/secrets/k", projects=("a",), note="n"),
    )
    assert parse_keys(None) == ()


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "keys: must be a list"),
        (["x"], r"keys\[0\]: must be a mapping"),
        ([GOOD | {"secret": KEY}], r"keys\[0\]\.secret: a key's text does not belong"),
        ([GOOD | {"colour": 1}], r"keys\[0\]\.colour: unknown"),
        ([GOOD | {"from_file": "/x"}], r"keys\[0\]: needs one of"),
        ([{"id": "a", "provider": "openai"}], r"keys\[0\]: needs one of"),
        ([GOOD | {"from_env": KEY}], r"keys\[0\]\.from_env: must be the name"),
        ([{"id": "a", "provider": "openai", "from_file": "x"}], r"keys\[0\]\.from_file: must be a whole path"),
        ([GOOD | {"id": "Main Key"}], r"keys\[0\]\.id"),
        ([GOOD | {"provider": "nobody"}], r"keys\[0\]\.provider: 'nobody' is unknown"),
        ([GOOD | {"projects": []}], r"keys\[0\]\.projects"),
        ([GOOD | {"projects": "acme"}], r"keys\[0\]\.projects"),
        ([GOOD | {"note": 7}], r"keys\[0\]\.note"),
        ([GOOD, GOOD], r"keys\[1\]\.id: 'main' is declared twice"),
    ],
)
def test_a_wrong_declaration_names_its_place_and_no_key(document: Any, place: str) -> None:
    with pytest.raises(ConfigurationError, match=place) as caught:
        parse_keys(document)
    assert KEY not in str(caught.value)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(list(GOOD)) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_like)
def test_no_document_does_worse_than_being_refused(document: Any) -> None:
    try:
        parse_keys(document)
    except ConfigurationError as error:
        assert str(error).startswith("keys")  # noqa: PT017  # any document may be refused, none need be


def _references(folder: Path, environment: dict[str, str], clock: _Clock) -> References:
    return References(variables="*_API_KEY", folders=[folder], environment=environment, monotonic=clock)


def test_keys_are_read_from_variables_and_files_and_told_masked(tmp_path: Path) -> None:
    (tmp_path / "deepgram").write_text(f"{OTHER}\n")
    asked = (
        KeyReference(id="main", provider="openai", from_env="OPENAI_API_KEY"),
        KeyReference(id="ears", provider="deepgram", from_file=str(tmp_path / "deepgram")),
    )

    main, ears = _references(tmp_path, {"OPENAI_API_KEY": KEY}, _Clock()).read(asked)

    assert (main.text, main.masked, main.fingerprint) == (KEY, "sk-t...ghij", fingerprint(KEY))
    assert ears.text == OTHER
    assert main.version == int(fingerprint(KEY), 16)
    assert KEY not in repr(main)


@pytest.mark.parametrize(
    "variable",
    ["VOICEGATEWAY_VAULT_SECRETS", "LIVEKIT_API_KEY", "DATABASE_API_KEY", "PGPASSWORD", "HOME"],
)
def test_the_controllers_own_secrets_are_read_by_no_declaration(tmp_path: Path, variable: str) -> None:
    references = _references(tmp_path, {variable: KEY}, _Clock())

    [read] = references.read([KeyReference(id="main", provider="openai", from_env=variable)])

    assert read.text == ""
    assert "VOICEGATEWAY_VAULT_VARIABLES" in read.problem


def test_no_file_is_read_outside_the_folders_and_no_link_leads_there(tmp_path: Path) -> None:
    folder, outside = tmp_path / "keys", tmp_path / "token"
    folder.mkdir()
    outside.write_text(KEY)
    (folder / "link").symlink_to(outside)
    references = _references(folder, {}, _Clock())

    for path in (outside, folder / "link", folder / ".." / "token", folder):
        [read] = references.read([KeyReference(id="main", provider="openai", from_file=str(path))])
        assert read.text == ""
        assert read.problem


def test_a_mounted_secret_is_followed_through_its_links(tmp_path: Path) -> None:
    """As Kubernetes mounts one: files are links into a folder that is exchanged in one step."""
    for name, text in (("..one", KEY), ("..two", OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "openai").write_text(text)
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "openai").symlink_to("..data/openai")
    references = _references(tmp_path, {}, _Clock())
    asked = [KeyReference(id="main", provider="openai", from_file=str(tmp_path / "openai"))]

    [before] = references.read(asked)
    (tmp_path / "..data_tmp").symlink_to("..two")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    [after] = references.read(asked)

    assert (before.text, after.text) == (KEY, OTHER)
    assert before.version != after.version


def test_a_file_that_is_away_for_a_moment_takes_no_key_from_anybody(tmp_path: Path) -> None:
    file, clock = tmp_path / "openai", _Clock()
    file.write_text(KEY)
    references = _references(tmp_path, {}, clock)
    asked = [KeyReference(id="main", provider="openai", from_file=str(file))]
    references.read(asked)

    file.unlink()
    clock.now += GONE_S / 2
    [replaced] = references.read(asked)
    clock.now += GONE_S
    [gone] = references.read(asked)

    assert replaced.text == KEY
    assert gone.text == ""
    assert "No such file" in gone.problem


@pytest.mark.parametrize("content", ["", "two words", "\x00\x01binary\x02"], ids=["empty", "words", "binary"])
def test_a_file_without_a_key_is_told_and_its_content_is_not(tmp_path: Path, content: str) -> None:
    file = tmp_path / "openai"
    file.write_text(content)

    [read] = _references(tmp_path, {}, _Clock()).read([KeyReference(id="main", provider="openai", from_file=str(file))])

    assert read.text == ""
    assert read.problem
    assert not content or content not in read.problem
