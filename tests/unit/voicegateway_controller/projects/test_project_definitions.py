"""What may be declared of projects, and what the message says when it may not."""

from typing import Any

import pytest

from voicegateway_controller.errors import BadRequest
from voicegateway_controller.projects.definitions import PROJECTS_MAX, ProjectDefinitions, ProjectSpec, validated


def test_a_project_is_read_whole() -> None:
    document = [
        {
            "id": "acme", "name": "Acme Inc.", "description": "Phones", "owner": "ops@acme.example",
            "labels": {"tier": "gold"}, "is_archived": True,
        },
        {"id": "beta"},
    ]  # fmt: skip

    assert validated(document) == (
        ProjectSpec(
            id="acme", name="Acme Inc.", description="Phones", owner="ops@acme.example", labels={"tier": "gold"},
            is_archived=True,
        ),
        ProjectSpec(id="beta"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"id": "acme"}, "projects: must be a list"),
        (["acme"], "projects[0]: must be a mapping"),
        ([{"name": "Acme"}], "projects[0].id: must be a text"),
        ([{"id": ""}], "projects[0].id: must be a text"),
        ([{"id": " acme"}], "projects[0].id: must be a text without spaces"),
        ([{"id": "a" * 257}], "projects[0].id: must have at most 256 characters"),
        ([{"id": "acme"}, {"id": "acme"}], "projects[1].id: projects[0] is 'acme' already"),
        ([{"id": "acme", "nmae": "x"}], "projects[0].nmae: is not a key here; known are id, name"),
        ([{"id": "acme", "owner": 7}], "projects[0].owner: must be a text"),
        ([{"id": "acme", "is_archived": "no"}], "projects[0].is_archived: must be true or false"),
        ([{"id": "acme", "labels": ["gold"]}], "projects[0].labels: must be a mapping"),
        ([{"id": "acme", "labels": {"tier": 1}}], "projects[0].labels.tier: names and values must be texts"),
        ([{"id": "acme", "labels": {str(n): "" for n in range(33)}}], "projects[0].labels: 33 are more than 32"),
        ([{"id": "acme\x1b[31m"}], "projects[0].id: a text must have"),
        ([{"id": str(n)} for n in range(PROJECTS_MAX + 1)], f"projects: {PROJECTS_MAX + 1} are more than"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(document: Any, message: str) -> None:
    with pytest.raises(BadRequest) as raised:
        validated(document)

    assert str(raised.value).startswith(message)


def test_a_token_of_some_projects_sees_their_declarations() -> None:
    definitions = ProjectDefinitions(document=[{"id": "acme"}, {"id": "beta"}])

    assert definitions.document_for(lambda project: project == "beta") == [{"id": "beta"}]
