"""Bars for long work, on stderr and only where somebody watches; a pipe or a log never sees one."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from voicegateway_controller.cli import output

Each = TypeVar("Each")
_SAID = TextColumn("{task.description}", markup=False)


def received(pieces: Iterable[bytes], what: str, *, is_quiet: bool = False) -> Iterator[bytes]:
    """Yield the pieces of an answer of unknown length, and show how much of it came and how fast."""
    columns = (SpinnerColumn(), _SAID, DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with _shown(*columns, is_quiet=is_quiet) as bar:
        task = bar.add_task(what, total=None)
        for piece in pieces:
            bar.advance(task, len(piece))
            yield piece


def stepped(steps: list[Each], what: str, *, is_quiet: bool = False) -> Iterator[Each]:
    """Yield what is to be done one after the other, and show how much of it is done."""
    columns = (_SAID, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _shown(*columns, is_quiet=is_quiet or len(steps) < 2) as bar:
        yield from bar.track(steps, description=what)


class Counting:
    """Shows a growing number of things. Lives as long as `counting`'s block."""

    def __init__(self, bar: Progress, what: str) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=None)

    def add(self, count: int) -> None:
        """Say that so many more are done."""
        self._bar.advance(self._task, count)


@contextmanager
def counting(what: str, *, is_quiet: bool = False) -> Iterator[Counting]:
    """Yield what shows how many things are done, of nobody knows how many."""
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f}"), _SAID, TimeElapsedColumn())
    with _shown(*columns, is_quiet=is_quiet) as bar:
        yield Counting(bar, what)


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Yield what says which step others are at, while they work on something for us."""
    with _shown(SpinnerColumn(), _SAID, TimeElapsedColumn(), is_quiet=False) as bar:
        task = bar.add_task(what, total=None)
        yield lambda step: bar.update(task, description=step)


@contextmanager
def _shown(*columns: ProgressColumn, is_quiet: bool) -> Iterator[Progress]:
    is_hidden = is_quiet or not output.errors.is_terminal
    with Progress(*columns, console=output.errors, transient=True, disable=is_hidden) as bar:
        yield bar
