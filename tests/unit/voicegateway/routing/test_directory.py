"""A process goes by the fleet's chains, below them by its own file's; the host remembers what the fleet said."""

import os
from pathlib import Path

import pytest

from voicegateway.routing.directory import Directory, memory_of
from voicegateway_shared.routing import Routing, parse_routing

MINI, OSS = "openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"
OWN = parse_routing({"chains": {"llm": {"fast": [MINI], "mine": [MINI]}}})
FLEETS = parse_routing({"chains": {"llm": {"fast": [OSS]}}})
OTHER = parse_routing({"chains": {"llm": {"slow": [OSS]}}})


def _first(directory: Directory, name: str) -> str | None:
    chain = directory.routing.chain(name, "llm", "acme")
    return None if chain is None else chain.models[0].model


def test_detached_the_workers_own_file_holds() -> None:
    directory = Directory(OWN)

    assert (directory.tag, directory.is_heard, directory.routing) == ("", False, OWN)


def test_the_fleets_word_hides_the_files_chain_of_the_same_name_and_no_other() -> None:
    directory = Directory(OWN)
    directory.take("one", FLEETS)

    assert (_first(directory, "fast"), _first(directory, "mine")) == (OSS, MINI)
    assert (directory.tag, directory.is_heard) == ("one", True)


def test_what_the_fleet_no_longer_declares_is_the_files_again() -> None:
    directory = Directory(OWN)
    directory.take("one", FLEETS)
    directory.take("two", Routing())

    assert _first(directory, "fast") == MINI


def test_an_answer_without_a_set_changes_nothing_and_one_of_an_older_controller_is_none() -> None:
    directory = Directory(OWN)
    directory.take("", None)
    directory.take("one", None)
    assert not directory.is_heard

    directory.take("one", FLEETS)
    directory.take("one", None)

    assert _first(directory, "fast") == OSS


def test_a_process_that_starts_without_a_controller_goes_by_what_its_host_heard_last(tmp_path: Path) -> None:
    memory = tmp_path / "deep" / "routing.json"
    Directory(memory=memory).take("one", FLEETS)

    later = Directory(OWN, memory=memory)

    assert (later.tag, later.is_heard, _first(later, "fast"), _first(later, "mine")) == ("one", False, OSS, MINI)
    assert [path.name for path in memory.parent.iterdir()] == ["routing.json"]
    assert memory.stat().st_mode & 0o077 == 0


def test_a_process_learns_what_another_one_of_its_host_has_heard_since(tmp_path: Path) -> None:
    memory = tmp_path / "routing.json"
    idle, busy = Directory(memory=memory), Directory(memory=memory)
    idle.look()
    assert _first(idle, "fast") is None

    busy.take("one", FLEETS)
    idle.look()
    assert _first(idle, "fast") == OSS

    busy.take("two", OTHER)
    os.utime(memory, ns=(1, 1))
    idle.look()

    assert (idle.tag, _first(idle, "fast"), _first(idle, "slow")) == ("two", None, OSS)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"tag": 1}', b"\xff" * 10])
def test_a_memory_that_is_none_is_left_alone_and_written_anew(tmp_path: Path, content: bytes) -> None:
    memory = tmp_path / "routing.json"
    memory.write_bytes(content)
    directory = Directory(OWN, memory=memory)
    assert directory.routing == OWN

    directory.take("one", FLEETS)

    assert _first(Directory(memory=memory), "fast") == OSS


def test_a_host_that_cannot_remember_says_so_once_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    directory = Directory(memory=tmp_path / "file" / "routing.json")
    directory.take("one", FLEETS)
    directory.take("two", OTHER)

    assert _first(directory, "slow") == OSS
    assert [record.message for record in caplog.records if "cannot" in record.message].__len__() == 1


def test_what_one_controller_told_one_token_is_kept_apart(tmp_path: Path) -> None:
    places = {
        memory_of(tmp_path, url, token) for url in ("https://a", "https://b", None) for token in ("vgw_1_a", "vgw_2_b")
    }

    assert len(places) == 5
    assert None in places
    assert not any("vgw" in str(place) for place in places)
