"""Which places of two documents differ, as the audit log tells them."""

from typing import Any

import pytest

from voicegateway_controller.audit.differences import DIFFERENCES_MAX, differences


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, None, []),
        ({"a": 1}, {"a": 1}, []),
        (None, {"a": 1, "b": 2}, ["+ a", "+ b"]),
        ({"a": 1}, None, ["- a"]),
        ({"a": 1, "b": {"c": 1}}, {"a": 2, "b": {"c": 2, "d": 3}}, ["~ a", "~ b.c", "+ b.d"]),
        ([{"id": "x", "n": 1}, {"id": "y"}], [{"id": "z"}, {"id": "x", "n": 2}], ["~ x.n", "- y", "+ z"]),
        ([{"id": "x"}, {"id": "x"}], [{"id": "x"}], ["- 1"]),
        ([1, 2], [1, 3], ["~ 1"]),
        ([], [{"id": "x"}], ["+ x"]),
        ({"a": [1]}, {"a": "text"}, ["~ a"]),
        ("old", "new", ["~ (all)"]),
        (None, 5, ["~ (all)"]),
        ({"a": None}, {"a": 1}, ["~ a"]),
    ],
)
def test_differences_are_named_by_place(before: Any, after: Any, expected: list[str]) -> None:
    assert differences(before, after) == expected


def test_they_are_bounded_in_number_and_depth() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}

    assert len(differences({}, {str(number): 1 for number in range(1_000)})) == DIFFERENCES_MAX
    assert len(differences({"a": deep}, {"a": {"a": deep}})) == 1
