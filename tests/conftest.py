"""What every test gets: a scrubbed environment, loopback only, and real servers for those that ask."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fixtures import network
from tests.fixtures.environment import move_home, print_tables, scrub

_home = pytest.StashKey[Path]()

pytest_plugins = ["tests.fixtures.services"]


def pytest_configure(config: pytest.Config) -> None:
    """Before anything of ours is imported: settings are read from the environment."""
    scrub()
    print_tables()
    config.stash[_home] = move_home()
    network.install_guard()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    shutil.rmtree(config.stash[_home], ignore_errors=True)


@pytest.fixture(autouse=True)
def loopback_only() -> Iterator[None]:
    """Fail the test that tried to leave this machine, even when the code under test swallowed the refusal."""
    network.refused.clear()
    yield
    assert network.refused == []
