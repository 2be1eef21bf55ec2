"""Projects, versions and layers: an assistant sees where a thing is declared, and goes back."""

from typing import Any

from tests.fixtures.assistant import over_http

from voicegateway_controller.access import Role


async def test_projects_are_declared_and_a_version_is_gone_back_to(ask: Any) -> None:
    async def confirmed(tool: str, **arguments: Any) -> dict[str, Any]:
        preview = await assistant(tool, **arguments)
        done = await assistant(tool, **arguments, confirm=True, revision=preview["revision"])
        assert done["state"] == "done"
        return dict(preview)

    async with ask(Role.OPERATOR) as assistant:
        first = await confirmed("set_project", project="acme", name="Acme Inc.", labels={"tier": "gold"})
        second = await confirmed("set_project", project="acme", owner="ops@acme.example")
        await confirmed("archive_project", project="acme")
        projects = await assistant("get_configuration", section="projects")
        versions = await assistant("list_configuration_versions")
        number = versions["versions"][-1]["number"]
        back = await confirmed("roll_back_configuration", number=number, reason="a test")
        rolled = await assistant("get_configuration", section="projects")
        listed = await assistant("list_projects")
        await confirmed("remove_project", project="acme")
        gone = await assistant("get_configuration", section="projects")
        nobody = await assistant.refused("roll_back_configuration", number=10_000, reason="a test")

    assert first["summary"] == "acme is declared in projects"
    assert second["diff"].splitlines()[-1].startswith("+  owner: ops@acme.example")
    assert projects["resources"][0]["source"] == "db"
    assert projects["resources"][0]["declared"]["is_archived"] is True
    assert [each["kinds"] for each in versions["versions"]] == [["projects"]] * 3
    assert "-  is_archived: true" in back["diff"]
    assert rolled["resources"][0]["declared"] == {"id": "acme", "name": "Acme Inc.", "labels": {"tier": "gold"}}
    assert [(each["id"], each["name"]) for each in listed["projects"]] == [("acme", "Acme Inc.")]
    assert gone["resources"] == []
    assert nobody.endswith("[not_found]")


async def test_what_a_file_or_a_variable_declares_is_said_and_left_to_them(
    serve: Any, token_of: Any, tmp_path: Any
) -> None:
    file = tmp_path / "voicegw.yaml"
    file.write_text("limits:\n- {provider: openai, requests_per_min: 500}\n- {provider: groq, concurrent: 3}\n")
    overrides = "limits:\n- {provider: cartesia, concurrent: 2}\n"
    async with (
        serve(config=str(file), overrides=overrides) as url,
        over_http(url, await token_of(Role.OPERATOR)) as assistant,
    ):
        limits = await assistant("get_limits")
        while len(limits["effective"]) < 3:
            limits = await assistant("get_limits")
        over_file = await assistant("set_limit", declaration={"provider": "openai", "requests_per_min": 900})
        under = await assistant("set_limit", declaration={"provider": "cartesia", "concurrent": 9})
        refused = await assistant.refused("remove_limit", limit_id="groq")
        wrong = await assistant.refused("set_limit", declaration={"provider": "openai", "burst": -1})

    assert {each["id"]: each["source"] for each in limits["effective"]} == {
        "openai": "yaml", "groq": "yaml", "cartesia": "env",
    }  # fmt: skip
    assert over_file["warnings"] == ["voicegw.yaml declares openai too: this will hold instead of that"]
    assert "goes on holding instead of this" in under["warnings"][0]
    assert refused.startswith("groq is declared in voicegw.yaml: take it away there")
    assert wrong.startswith("it would not be taken, and nothing was changed: ")


async def test_a_viewer_sees_at_the_preview_that_it_may_not(ask: Any) -> None:
    asked = {"declaration": {"provider": "openai", "requests_per_min": 500}}
    async with ask(Role.VIEWER) as assistant:
        preview = await assistant("set_limit", **asked)
        refused = await assistant.refused("set_limit", **asked, confirm=True, revision=preview["revision"])

    assert "the token may not declare limits" in preview["warnings"][0]
    assert refused.endswith("[forbidden]")
