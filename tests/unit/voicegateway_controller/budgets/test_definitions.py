"""What a revision of budgets means, to whom; the examples of the guide are right."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from voicegateway_controller.budgets.definitions import BudgetDefinitions, stored_budgets, validated, with_zone
from voicegateway_controller.errors import BadRequest
from voicegateway_controller.limits.providers import known_providers

GUIDES = Path(__file__).resolve().parents[4] / "docs" / "guides"


def _examples() -> list[dict[str, Any]]:
    [example] = re.findall(r"```yaml\n(.*?)```", (GUIDES / "budgets.md").read_text(), flags=re.DOTALL)
    return [yaml.safe_load(example), yaml.safe_load((GUIDES / "budgets.yaml").read_text())]


@pytest.mark.parametrize("example", _examples())
def test_the_examples_of_the_guide_can_be_declared(example: dict[str, Any]) -> None:
    document = with_zone(example["budgets"], example.get("zone"))

    budgets = validated(document, providers=known_providers())

    assert len(budgets) == len(example["budgets"]) > 2


def test_a_zone_for_all_is_for_calendars_that_name_none() -> None:
    document: list[Any] = [{"window": "day"}, {"window": "week", "zone": "UTC"}, {"window": "rolling_24h"}, 3]

    assert with_zone(document, "Asia/Tokyo") == [{"window": "day", "zone": "Asia/Tokyo"}, *document[1:]]
    assert with_zone(document, None) == document
    with pytest.raises(BadRequest, match="no known zone"):
        with_zone(document, "+09:00")


def test_a_token_of_some_projects_sees_theirs_and_those_of_no_project() -> None:
    document = [
        {"project": "acme", "amount": "5", "window": "day"},
        {"project": "beta", "amount": "6", "window": "day"},
        {"amount": "7", "window": "total", "provider": "gone-ai"},
    ]
    definitions = BudgetDefinitions(
        revision=3, document=document, budgets=stored_budgets(document, providers=frozenset())
    )

    seen = definitions.for_(lambda project: project == "acme")

    assert [budget.id for budget in seen] == ["acme.day", "gone-ai.total"]
    assert definitions.document_for(lambda project: project == "acme") == [document[0], document[2]]
    assert list(definitions.specs) == ["acme.day", "beta.day", "gone-ai.total"]
