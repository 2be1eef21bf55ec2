"""Layering, for any layers: the highest that declares a resource has it, nothing is lost, nothing is there twice."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicegateway_controller.configuration.layering import (
    LAYERS,
    SECTIONS,
    Layer,
    Section,
    differences,
    is_declared,
    merge,
    resources_of,
)
from voicegateway_shared.errors import ConfigurationError

TRIES = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
IDS = st.sampled_from(["a", "b", "c", "gpt-4.1", "x.y"])
AMOUNTS = st.sampled_from(["1", "2", "3"])
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "id", "chains", "llm", "projects", "defaults", "stacks"]), inner, max_size=3
        )
    ),
)


def lists(key: str) -> st.SearchStrategy[Any]:
    """Declarations with ids that differ, as a layer must have them."""
    item = st.tuples(IDS, AMOUNTS)
    return st.lists(item, max_size=4, unique_by=lambda each: each[0]).map(
        lambda items: [{key: name, "note": note} for name, note in items]
    )


def routings() -> st.SearchStrategy[Any]:
    part = st.fixed_dictionaries(
        {},
        optional={
            "chains": st.dictionaries(
                st.sampled_from(["llm", "stt"]), st.dictionaries(IDS, st.just(["openai/x"]), max_size=2)
            ),
            "stacks": st.dictionaries(IDS, st.just({"llm": "openai/x"}), max_size=2),
            "defaults": st.dictionaries(st.sampled_from(["llm", "stack"]), IDS, max_size=2),
        },
    )
    return st.tuples(part, st.dictionaries(IDS, part, max_size=2)).map(lambda both: {**both[0], "projects": both[1]})


DOCUMENTS: dict[Section, st.SearchStrategy[Any]] = {
    "projects": lists("id"), "limits": lists("name"), "budgets": lists("name"), "routing": routings(),
    "allowances": lists("name"), "markups": lists("name"), "keys": lists("id"),
}  # fmt: skip
CASES = st.sampled_from(SECTIONS).flatmap(
    lambda section: st.tuples(st.just(section), st.dictionaries(st.sampled_from(LAYERS), DOCUMENTS[section]))
)
Case = tuple[Section, dict[Layer, Any]]


def declared(section: Section, document: Any) -> dict[tuple[Any, ...], Any]:
    return {path: value for path, _, value in resources_of(section, document)}


@TRIES
@given(CASES)
def test_each_resource_is_there_once_from_the_highest_layer_that_declares_it(case: Case) -> None:
    section, layers = case

    merged = merge(section, layers)

    by_layer = {layer: declared(section, layers.get(layer)) for layer in LAYERS}
    every = {path for found in by_layer.values() for path in found}
    assert sorted(map(repr, (each.path for each in merged.resources))) == sorted(map(repr, every))
    for each in merged.resources:
        having = [layer for layer in LAYERS if each.path in by_layer[layer]]
        assert (each.source, *each.shadows) == tuple(having)
        assert each.declared == by_layer[each.source][each.path]


@TRIES
@given(CASES)
def test_what_is_merged_is_a_document_that_merges_to_itself(case: Case) -> None:
    section, layers = case

    document = merge(section, layers).document

    assert merge(section, {"db": document}).document == document
    assert declared(section, document) == {each.path: each.declared for each in merge(section, layers).resources}


@TRIES
@given(CASES)
def test_layers_that_say_nothing_change_nothing(case: Case) -> None:
    section, layers = case
    silent = {layer: layers.get(layer) for layer in LAYERS}

    assert merge(section, silent) == merge(section, layers)


@TRIES
@given(CASES, st.sampled_from(LAYERS))
def test_taking_a_layer_away_brings_back_what_it_hid(case: Case, gone: Layer) -> None:
    section, layers = case
    before = {each.path: each for each in merge(section, layers).resources}

    after = {each.path: each for each in merge(section, {k: v for k, v in layers.items() if k != gone}).resources}

    for path, each in before.items():
        if each.source != gone:
            assert after[path].source == each.source
        elif each.shadows:
            assert after[path].source == each.shadows[0]
        else:
            assert path not in after


@TRIES
@given(CASES, CASES)
def test_differences_lead_from_one_to_the_other(one: Case, other: Case) -> None:
    section = one[0]
    before, after = merge(section, one[1]).document, merge(section, other[1] if other[0] == section else {}).document

    found = {each.id: each for each in differences(section, before, after)}

    old = {".".join(map(str, path)): value for path, value in declared(section, before).items()}
    new = {".".join(map(str, path)): value for path, value in declared(section, after).items()}
    for name in {*old, *new}:
        if name not in found:
            assert old[name] == new[name]
        else:
            assert (found[name].before, found[name].after) == (old.get(name), new.get(name))
    assert differences(section, before, before) == []
    assert is_declared(section, after) == bool(new)


@TRIES
@given(st.sampled_from(SECTIONS), ANYTHING, ANYTHING, st.text(max_size=30))
def test_any_layers_merge_or_are_refused_with_a_reason(section: Section, high: Any, low: Any, message: str) -> None:
    try:
        merged = merge(section, {"env": high, "yaml": low})
        differences(section, high, low)
    except ConfigurationError as error:
        refusal = str(error)
    else:
        refusal = ""
    assert not refusal or refusal.startswith(section)
    if refusal:
        return

    json.dumps(merged.document)
    merged.blamed(message)
    merged.blamed(f"{section}[0].x: {message}")


@pytest.mark.parametrize("section", SECTIONS)
def test_nothing_anywhere_is_nothing(section: Section) -> None:
    assert merge(section, {}).resources == ()
    assert not is_declared(section, merge(section, {}).document)
