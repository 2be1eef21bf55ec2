"""`voicegw fleet` against a real controller."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.voicegw import Voicegw

from voicegateway_controller.access import Role, create_token

pytestmark = pytest.mark.usefixtures("patient_fleet")
MAINS = ("node-1-1-aaaa", "node-2-1-bbbb")


@pytest_asyncio.fixture
async def voicegw(url: str, engine: AsyncEngine, tmp_path: Path) -> Voicegw:
    return Voicegw("fleet", url, await create_token(engine, role=Role.OPERATOR, name="test"), tmp_path)


@pytest_asyncio.fixture
async def orders(url: str, make_token: Any) -> Any:
    """Let two workers speak once more; return what each was told."""
    headers = await make_token()
    seq = 0

    async def speak() -> list[Any]:
        nonlocal seq
        seq += 1
        told = []
        async with httpx.AsyncClient(base_url=url, headers=headers) as client:
            for number, incarnation in enumerate(MAINS):
                state = {"kind": "worker", "worker_id": f"AW_{number}", "agent": "desk", "load_permille": 400}
                message = {
                    "incarnation": incarnation, "seq": seq, "host": incarnation[:6], "pid": 1, "shim_version": "0.1.0",
                    "agents_version": "1.8.9", "sessions": [], "worker": state,
                }  # fmt: skip
                told.append((await client.post("/v1/sync", content=json.dumps(message))).json()["order"])
        return told

    await speak()
    return speak


async def test_workers_are_listed_and_drained(voicegw: Voicegw, orders: Any) -> None:
    listed = await voicegw("list", "--workers")
    drained = await voicegw("drain", "AW_1", "--reason", "kernel update")
    told = [await orders()]
    by_host = await voicegw("undrain", "--host", "node-2", "--json")
    told.append(await orders())

    assert (listed.code, drained.code, by_host.code) == (0, 0, 0), (listed.err, drained.err, by_host.err)
    for word in (*MAINS, "desk", "0.1.0 / 1.8.9", "40 %", "takes jobs", "behind: limits, budgets, routing"):
        assert word in listed.out
    assert "to be drained" in drained.out
    assert [row["id"] for row in json.loads(by_host.out)] == [MAINS[1]]
    assert told == [[None, {"is_drained": True}], [None, {}]]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("drain",), 2, "which workers"),
        (("drain", "node"), 1, "may be any of node-1-1-aaaa, node-2-1-bbbb"),
        (("drain", "nobody"), 1, "no worker is called 'nobody'"),
        (("drain", "--agent", "other"), 1, "no worker matches"),
        (("drain", "--agent", "desk"), 2, "this would drain 2 workers: pass --yes"),
        (("drain", "node-1", "--wait-s", "0.1"), 1, "still with calls"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else str(each),
)
async def test_what_does_not_match_is_told(
    voicegw: Voicegw, orders: Any, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = await voicegw(*arguments)

    assert done.code == code, done.err
    assert words in done.err


async def test_configuration_that_has_not_arrived_fails_a_script(voicegw: Voicegw, orders: Any) -> None:
    done = await voicegw("config-status")
    as_json = await voicegw("config-status", "--json")

    assert (done.code, as_json.code) == (1, 1)
    assert "0 of 2 processes are up to date" in done.out
    assert json.loads(as_json.out)["up_to_date"] == 0
