"""A fleet under budgets for each test: real processes, real plugins, a Postgres database and a Valkey of its own."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fixtures.budget_fleet import VENDOR, BudgetFleet

from voicegateway.testing.vendors import OpenAIOptions
from voicegateway_controller.embedded import EmbeddedValkey

MakeFleet = Callable[..., BudgetFleet]

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]
"""Processes are held by their descriptors, which only Linux has."""


@pytest_asyncio.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A Valkey of the test's own, to flush; it keeps nothing over a restart."""
    server = EmbeddedValkey(tmp_path / "valkey", durable=False)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def make_fleet(tmp_path: Path, database_url: str, valkey: EmbeddedValkey) -> MakeFleet:
    """Return a maker of a fleet that is still to be opened."""

    def make(*, vendor: OpenAIOptions | None = None) -> BudgetFleet:
        return BudgetFleet(tmp_path / "run", database_url=database_url, redis_url=valkey.url, vendor=vendor or VENDOR)

    return make
