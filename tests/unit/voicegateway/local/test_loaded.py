"""Loaded models: one per file and options, whoever asks, and how many are kept."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.fixtures.waiting import eventually

from voicegateway.local import loaded
from voicegateway.local.loaded import MODELS_MAX, LocalModel, Running


@pytest.fixture(autouse=True)
def empty_shelf() -> Iterator[None]:
    loaded._after_fork()
    yield
    loaded._after_fork()


def running(**given: Any) -> Running:
    return Running.of(**{"slots": 2, "threads": 1, "waiting_max": 3, **given})


def model(name: str, load: Callable[[Running], Any], **given: Any) -> LocalModel:
    return LocalModel((name,), load, running(**given))


def test_same_model_is_loaded_once_for_all_and_its_slots_are_shared() -> None:
    loads: list[str] = []

    def load(_: Running) -> object:
        loads.append("a")
        return object()

    one, other = model("a", load), model("a", load)

    assert one.load() is other.load()
    assert (one.load().slots.count, one.load().slots.waiting_max) == (2, 3)
    assert loads == ["a"]


def test_other_options_are_another_model() -> None:
    one, other = model("a", lambda _: object()), model("a", lambda _: object(), slots=1)

    assert one.load() is not other.load()


def test_threads_that_ask_at_once_wait_for_one_loading() -> None:
    loads: list[int] = []
    held = threading.Event()

    def load(_: Running) -> object:
        loads.append(1)
        held.wait()
        return object()

    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(model("a", load).load())) for _ in range(8)]
    for thread in threads:
        thread.start()
    held.set()
    for thread in threads:
        thread.join()

    assert len(loads) == 1
    assert len({id(each) for each in found}) == 1


def test_failure_is_told_to_everybody_and_kept_by_nobody() -> None:
    answers: list[Any] = [OSError("torn"), "engine"]

    def load(_: Running) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    local = model("a", load)
    with pytest.raises(OSError, match="torn"):
        local.load()
    assert not local.is_loaded

    assert local.load().engine == "engine"


def test_longest_unused_is_let_go_and_kept_by_who_has_it() -> None:
    loads: list[str] = []

    def loader(name: str) -> Callable[[Running], Any]:
        def load(_: Running) -> str:
            loads.append(name)
            return name

        return load

    names = [f"m{number}" for number in range(MODELS_MAX + 1)]
    holders = [model(name, loader(name)) for name in names]
    for holder in holders:
        holder.load()
    holders[0].load()
    assert loads == names
    model(names[-1], loader(names[-1])).load()
    assert loads == names
    model(names[0], loader(names[0])).load()

    assert loads == [*names, names[0]]


def test_child_of_a_fork_loads_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    local = model("a", lambda _: object())
    before = local.load()
    loaded._after_fork()
    monkeypatch.setattr("voicegateway.local.loaded.os.getpid", lambda: before.pid + 1)

    assert not local.is_loaded
    assert local.load() is not before


async def test_prewarmed_in_a_thread_and_there_when_it_is_needed() -> None:
    main = threading.get_ident()
    threads: list[int] = []

    def load(_: Running) -> object:
        threads.append(threading.get_ident())
        return object()

    local = model("a", load)
    local.prewarm()
    await eventually(lambda: local.is_loaded)
    local.prewarm()
    await local.loaded()

    assert len(threads) == 1
    assert threads[0] != main


async def test_what_goes_wrong_ahead_is_logged_and_told_to_the_first_request(caplog: pytest.LogCaptureFixture) -> None:
    def load(_: Running) -> object:
        raise OSError("torn")

    local = model("a", load)
    with caplog.at_level(logging.WARNING, "voicegateway"):
        local.prewarm()
        await eventually(lambda: bool(caplog.records))
    assert caplog.messages == ["voicegateway: a could not be loaded ahead: torn"]

    with pytest.raises(OSError, match="torn"):
        await local.loaded_within(10.0)


async def test_request_does_not_wait_longer_than_it_may_and_the_loading_goes_on() -> None:
    held = threading.Event()

    def load(_: Running) -> str:
        held.wait()
        return "engine"

    local = model("a", load)
    with pytest.raises(TimeoutError):
        await local.loaded_within(0.01)
    held.set()

    assert (await local.loaded_within(10.0)).engine == "engine"


@pytest.mark.parametrize("given", [{"slots": 0}, {"slots": 257}, {"threads": 0}, {"waiting_max": -1}])
def test_numbers_that_make_no_sense_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        running(**given)


def test_numbers_by_default_follow_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded, "cpus", lambda: 8)
    monkeypatch.setattr(loaded, "slots_by_default", lambda: 4)

    assert Running.of(slots=None, threads=None, waiting_max=None) == Running(slots=4, threads=2, waiting_max=16)
    assert Running.of(slots=1, threads=None, waiting_max=0) == Running(slots=1, threads=8, waiting_max=0)
