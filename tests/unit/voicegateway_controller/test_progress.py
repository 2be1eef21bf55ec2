"""Bars are for those who watch: nothing of them reaches a pipe, and nothing of the work is lost."""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from voicegateway_controller.cli import output, progress


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def stderr(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[io.StringIO, bool]:
    written = io.StringIO()
    monkeypatch.setattr(output, "errors", Console(file=written, force_terminal=request.param, width=80))
    return written, request.param


def test_a_bar_is_shown_where_somebody_watches_and_passes_everything_on(stderr: tuple[io.StringIO, bool]) -> None:
    written, is_terminal = stderr

    pieces = list(progress.received([b"ab", b"c"], "export [x]"))
    steps = list(progress.stepped(["one", "two"], "importing"))
    with progress.counting("events") as shown:
        shown.add(3)
    with progress.waiting("begun") as say:
        say("asking the vendor")

    assert (pieces, steps) == ([b"ab", b"c"], ["one", "two"])
    assert ("export [x]" in written.getvalue()) is is_terminal
    assert ("importing" in written.getvalue()) is is_terminal
    assert bool(written.getvalue()) is is_terminal


def test_who_wants_quiet_has_it(stderr: tuple[io.StringIO, bool]) -> None:
    written, _ = stderr

    list(progress.received([b"ab"], "export", is_quiet=True))
    list(progress.stepped(["only one"], "importing"))

    assert written.getvalue() == ""


def test_an_answer_that_breaks_off_takes_the_bar_away(stderr: tuple[io.StringIO, bool]) -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(progress.received(broken(), "export"))
