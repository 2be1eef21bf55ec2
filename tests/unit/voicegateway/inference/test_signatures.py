"""Our calls are LiveKit's: a difference that a new version brings is seen here."""

import inspect
import re
from typing import Any

import pytest
from livekit.agents import inference as livekits

from voicegateway import inference


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    """Return a signature's names, kinds and defaults, without `self` or `cls`."""
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in parameters if each.name not in ("self", "cls")]


@pytest.mark.parametrize("name", ["STT", "LLM", "TTS"])
def test_constructors_and_methods_have_livekits_signatures(name: str) -> None:
    ours, theirs = getattr(inference, name), getattr(livekits, name)

    assert shape(ours.__new__) == shape(theirs.__init__)
    assert shape(ours.update_options) == shape(theirs.update_options)
    assert shape(ours.from_model_string) == shape(theirs.from_model_string)


def test_functions_have_livekits_signatures() -> None:
    assert shape(inference.llm_from_model_string) == shape(livekits.llm_from_model_string)


@pytest.mark.parametrize("name", livekits.__all__)
def test_every_name_of_livekits_is_there(name: str) -> None:
    ours = getattr(inference, name)

    assert name in dir(inference)
    if name not in inference.__all__:
        assert ours is getattr(livekits, name)


@pytest.mark.parametrize("name", ["STT", "LLM", "TTS"])
def test_options_of_every_vendor_that_livekit_names_are_taken(name: str) -> None:
    ours = inspect.signature(getattr(inference, name).__new__).parameters["extra_kwargs"].annotation
    theirs = inspect.signature(getattr(livekits, name).__init__).parameters["extra_kwargs"].annotation
    named = set(re.findall(r"\w+Options", str(theirs)))

    assert named
    assert named <= set(re.findall(r"\w+Options", str(ours)))


def test_name_that_nobody_has_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'STTT'"):
        inference.STTT  # noqa: B018
    with pytest.raises(AttributeError):
        inference.__wrapped__  # noqa: B018
