"""Tags say whether something changed, and a change decided on something else is refused."""

import pytest
from pydantic import BaseModel

from voicegateway_controller.errors import BadRequest, Conflict
from voicegateway_controller.http.etags import etag_of, require_match


class _Chain(BaseModel):
    name: str
    models: list[str]


def test_a_tag_is_of_the_content_and_not_of_its_order() -> None:
    assert etag_of({"name": "fast", "models": ["a"]}) == etag_of(_Chain(models=["a"], name="fast"))
    assert etag_of({"name": "fast", "models": ["a"]}) != etag_of({"name": "fast", "models": ["b"]})


@pytest.mark.parametrize(
    "if_match", [None, '"1f"', 'W/"1f"', '"00", "1f"', "*"], ids=["none", "same", "weak", "one of two", "any"]
)
def test_a_change_decided_on_what_holds_passes(if_match: str | None) -> None:
    require_match(if_match, '"1f"', what="chain 'fast'")


@pytest.mark.parametrize(
    ("if_match", "current"), [('"1f"', '"2f"'), ('"1f"', None), ("*", None)], ids=["changed", "gone", "any, gone"]
)
def test_a_change_decided_on_something_else_is_refused(if_match: str, current: str | None) -> None:
    with pytest.raises(Conflict, match="chain 'fast'"):
        require_match(if_match, current, what="chain 'fast'")


def test_nothing_there_and_nothing_asked_is_a_creation() -> None:
    require_match(None, None, what="chain 'fast'")


@pytest.mark.parametrize("if_match", ["1f", '"1f', '"', '"1f",,', '"a"b"', ""], ids=lambda text: text or "empty")
def test_what_holds_no_tags_is_refused(if_match: str) -> None:
    with pytest.raises(BadRequest, match="If-Match"):
        require_match(if_match, '"1f"', what="chain 'fast'")
