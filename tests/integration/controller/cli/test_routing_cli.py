"""`voicegw routing` and `voicegw resolve` against a real controller, and workers that go by what is declared there."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from livekit.plugins import groq, openai
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.voicegw import Voicegw
from tests.fixtures.waiting import eventually

from voicegateway import Gateway, Options, UnknownModel
from voicegateway.runtime import current_runtime, reset_runtime
from voicegateway_controller.access import Role, create_token
from voicegateway_controller.cli import routing
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.routing import parse_routing

Declare = Callable[[str], Awaitable[None]]
MINI, NANO, OSS = "openai/gpt-4.1-mini", "openai/gpt-4.1-nano", "groq/openai/gpt-oss-120b"
ROUTING = """
routing:
  chains:
    llm:
      fast: [openai/gpt-4.1-mini, groq/openai/gpt-oss-120b]
      cheap: {models: [openai/gpt-4.1-mini, openai/gpt-4.1-nano], strategy: cheapest, hedge: true}
  stacks:
    premium: {llm: fast, tts: cartesia/sonic-3}
  projects:
    acme:
      chains:
        llm: {fast: [groq/openai/gpt-oss-120b, openai/gpt-4.1-mini]}
"""


@pytest_asyncio.fixture
async def token(engine: AsyncEngine) -> str:
    return await create_token(engine, role=Role.OPERATOR, name="test")


@pytest.fixture
def voicegw(url: str, token: str, tmp_path: Path) -> Voicegw:
    return Voicegw("routing", url, token, tmp_path)


@pytest.fixture
def declare(url: str, token: str) -> Declare:
    """What `voicegw routing apply` does, without a process of its own."""

    async def put(text: str) -> None:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
            response = await client.put(f"{url}/api/v1/routing", json=yaml.safe_load(text))
        assert response.status_code == 200

    return put


@pytest.fixture
def resolve(url: str, token: str, tmp_path: Path) -> Voicegw:
    return Voicegw("resolve", url, token, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "routing.yaml"
    path.write_text(ROUTING)
    return path


async def test_what_is_applied_is_shown_and_can_be_applied_again(voicegw: Voicegw, file: Path, tmp_path: Path) -> None:
    applied = await voicegw("apply", str(file), "--if-revision", "0")
    shown = await voicegw("show")
    copy = tmp_path / "copy.yaml"
    copy.write_text(shown.out)
    again = await voicegw("apply", str(copy))

    assert [done.code for done in (applied, shown, again)] == [0] * 3, applied.err
    assert applied.out == "revision 1 is in force: 3 chains, 1 stacks.\n"
    assert yaml.safe_load(shown.out) == yaml.safe_load(ROUTING)
    assert again.out == "revision 1 is in force already: nothing has changed.\n"


async def test_what_is_wrong_is_one_line_and_exit_code_2(voicegw: Voicegw, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("routing: {chains: {llm: {fast: [opnai/x]}}}")

    done = await voicegw("apply", str(file), "--dry-run")

    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "routing.chains.llm.fast.models[0]: unknown provider 'opnai'; did you mean 'openai'?" in done.err


@pytest.mark.parametrize("text", ["routing: [1]", "limits: []", "7"])
def test_a_file_without_routing_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)

    with pytest.raises(ConfigurationError, match=r"must have a mapping `routing:`|must be a mapping of sections"):
        routing._read(tmp_path / "file")


async def test_resolve_shows_the_decision_with_every_candidate(resolve: Voicegw, declare: Declare) -> None:
    await declare(ROUTING)

    table = await resolve("cheap", "--explain")
    premium = await resolve("premium", "--project", "acme", "--json")
    nothing = await resolve("chaep")

    assert table.out.startswith(f"llm (chain cheap, cheapest, hedged): {NANO}\n")
    rows = [line.split() for line in table.out.splitlines()]
    assert rows[1][:5] == ["order", "candidate", "passes", "price", "p50"]
    assert [row[:4] for row in rows[2:4]] == [["1", NANO, "yes", "$0.00014"], ["2", MINI, "yes", "$0.00056"]]
    assert "workers have their own keys" in table.out
    parts = json.loads(premium.out)["parts"]
    assert [(part["modality"], part["serves"]) for part in parts] == [("llm", OSS), ("tts", "cartesia/sonic-3")]
    assert parts[0]["candidates"][0]["has_key_here"] in (True, False)
    assert nothing.code == 2
    assert "did you mean 'cheap'?" in nothing.err


def _models(gateway: Gateway, name: str = "fast", **how: Any) -> list[str]:
    return [member.model for member in gateway.llm(name, **how)._voicegateway_route.members]


async def test_worker_goes_by_what_is_declared_within_a_sync(
    declare: Declare, url: str, engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("GROQ_API_KEY", "gsk-1")
    await declare(ROUTING)
    worker = await create_token(engine, role=Role.WORKER, name="worker")
    own = parse_routing({"chains": {"llm": {"fast": [NANO, MINI], "mine": [NANO, MINI]}}})
    options = Options(url=url, token=worker, outbox_dir=tmp_path / "outbox", routing=own)
    assert openai.LLM is not groq.LLM  # Imported on the main thread, as plugins must be.
    reset_runtime()
    async with Gateway(options) as gateway:
        # The controller is on this loop, which a name that is not known yet would hold up.
        before = await asyncio.to_thread(_models, gateway, "cheap")
        everybodys, acmes, own_one = _models(gateway), _models(gateway, project="acme"), _models(gateway, "mine")
        with pytest.raises(UnknownModel, match="did you mean 'cheap'"):
            gateway.llm("chaep")
        runtime = current_runtime(options)
        tag = runtime.directory.tag
        await declare("routing: {chains: {llm: {fast: [groq/openai/gpt-oss-120b, openai/gpt-4.1-nano]}}}")
        assert runtime.limits is not None
        runtime.limits.syncer.ask()
        await eventually(lambda: runtime.directory.tag != tag, within_s=10)
        after = _models(gateway)
        errors = runtime.hook_errors

    assert before == [MINI, NANO]
    assert (everybodys, acmes, own_one) == ([MINI, OSS], [OSS, MINI], [NANO, MINI])
    assert after == [OSS, NANO]
    assert errors == 0

    reset_runtime()
    async with Gateway(Options(url="http://127.0.0.1:9", token=worker, outbox_dir=tmp_path / "outbox")) as stranger:
        with pytest.raises(UnknownModel):
            await asyncio.to_thread(_models, stranger)
    reset_runtime()
    async with Gateway(options) as next_process:
        assert _models(next_process) == [OSS, NANO]


async def test_worker_of_one_project_is_told_its_chains_and_everybodys(
    declare: Declare, url: str, engine: AsyncEngine, tmp_path: Path
) -> None:
    await declare(ROUTING)
    worker = await create_token(engine, role=Role.WORKER, name="beta", projects=["beta"])
    reset_runtime()
    options = Options(url=url, token=worker, outbox_dir=tmp_path / "outbox", project="beta")
    async with Gateway(options) as gateway:
        with pytest.raises(UnknownModel, match="or one of cheap, fast"):
            await asyncio.to_thread(gateway.llm, "nothing-like-it")
        chains = current_runtime(options).directory.routing.chains

    assert {(chain.name, chain.project) for chain in chains} == {("fast", ""), ("cheap", "")}
