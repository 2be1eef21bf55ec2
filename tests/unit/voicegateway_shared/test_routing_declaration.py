"""Routing is declared as chains, stacks and defaults, or refused with the place and the reason."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from voicegateway_controller.limits.providers import known_providers
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.routing import Chain, ChainModel, ProjectDefault, Routing, Stack, parse_routing
from voicegateway_shared.routing.chain import CHAINS_MAX, MODELS_MAX, STACKS_MAX
from voicegateway_shared.routing.declaration import PROJECTS_MAX

PROVIDERS = frozenset({"openai", "groq", "deepgram", "cartesia"})
MINI = "openai/gpt-4.1-mini"
OSS = "groq/openai/gpt-oss-120b"

WHOLE = f"""
chains:
  llm:
    fast: [{MINI}, {OSS}]
    smart:
      models:
        - {MINI}
        - {{model: {OSS}, weight: 2, options: {{temperature: 0.2}}}}
      strategy: cheapest
      hedge: true
      attempt_timeout_ms: 3000
  stt:
    fast: ["deepgram/nova-3:multi"]
stacks:
  premium: {{stt: fast, llm: smart, tts: cartesia/sonic-3}}
defaults: {{llm: fast, stack: premium}}
projects:
  acme:
    chains:
      llm: {{fast: [{OSS}]}}
    defaults: {{tts: cartesia/sonic-3}}
"""


def _parse(text: str) -> Routing:
    return parse_routing(yaml.safe_load(text), providers=PROVIDERS)


def test_a_whole_document_is_read() -> None:
    fast = Chain(name="fast", modality="llm", models=(ChainModel(model=MINI), ChainModel(model=OSS)))
    smart = Chain(
        name="smart",
        modality="llm",
        models=(ChainModel(model=MINI), ChainModel(model=OSS, weight=2, options={"temperature": 0.2})),
        strategy="cheapest",
        hedge=True,
        attempt_timeout_ms=3_000,
    )
    ears = Chain(name="fast", modality="stt", models=(ChainModel(model="deepgram/nova-3:multi"),))
    theirs = Chain(name="fast", modality="llm", models=(ChainModel(model=OSS),), project="acme")
    premium = Stack(name="premium", stt="fast", llm="smart", tts="cartesia/sonic-3")

    routing = _parse(WHOLE)

    assert routing == Routing(
        chains=(fast, smart, ears, theirs),
        stacks=(premium,),
        defaults=(
            ProjectDefault(llm="fast", stack="premium"),
            ProjectDefault(project="acme", tts="cartesia/sonic-3"),
        ),
    )
    assert routing.chain("fast", "llm", "acme") == theirs
    assert routing.chain("fast", "llm", "beta") == fast
    assert routing.chain("fast", "stt", "acme") == ears
    assert routing.chain("fast", "tts", "acme") is None


@pytest.mark.parametrize(
    ("modality", "project", "found"),
    [
        ("llm", "beta", "fast"),
        ("stt", "beta", "fast"),
        ("tts", "beta", "cartesia/sonic-3"),
        ("realtime", "beta", ""),
        ("llm", "acme", "fast"),
        ("tts", "acme", "cartesia/sonic-3"),
    ],
)
def test_a_default_is_the_projects_then_everybodys_by_itself_or_by_its_stack(
    modality: Any, project: str, found: str
) -> None:
    assert _parse(WHOLE).default_of(modality, project) == found


@pytest.mark.parametrize(
    "document", [None, {}, {"chains": None, "projects": {"acme": None}}, {"chains": {"llm": None}}]
)
def test_nothing_declared_is_no_routing(document: object) -> None:
    assert parse_routing(document) == Routing()


def _chain(**more: Any) -> dict[str, Any]:
    return {"chains": {"llm": {"fast": {"models": [MINI], **more}}}}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (7, "routing: must be a mapping such as {chains:"),
        ([MINI], "routing: must be a mapping"),
        ({"chain": {}}, "routing: unknown key 'chain'; did you mean 'chains'?"),
        ({"chains": [MINI]}, "routing.chains: must be a mapping such as {llm: {fast: [openai/gpt-4.1-mini]}}"),
        ({"chains": {"fast": [MINI]}}, "'fast' is none of stt, llm, tts, realtime, by which chains are grouped"),
        ({"chains": {"fast": [MINI]}}, "write chains.llm.fast (or stt, tts, realtime)"),
        ({"chains": {"lm": {}}}, "did you mean 'llm'?"),
        ({"chains": {"llm": [MINI]}}, "routing.chains.llm: must be a mapping such as {fast:"),
        ({"chains": {"llm": {"a/b": [MINI]}}}, "routing.chains.llm.a/b: 'a/b' is no chain's name"),
        ({"chains": {"llm": {"a/b": [MINI]}}}, "a name with '/' would be a model string"),
        ({"chains": {"llm": {"": [MINI]}}}, "'' is no chain's name"),
        ({"chains": {"llm": {7: [MINI]}}}, "7 is no chain's name"),
        ({"chains": {"llm": {"fast": MINI}}}, "routing.chains.llm.fast: must be a list of models"),
        ({"chains": {"llm": {"fast": []}}}, "routing.chains.llm.fast.models: must be a list of at least one model"),
        ({"chains": {"llm": {"fast": {}}}}, "fast.models: must be a list of at least one model"),
        ({"chains": {"llm": {"fast": [MINI] * (MODELS_MAX + 1)}}}, "9 models are more than the 8 of a chain"),
        (
            {"chains": {"llm": {"fast": ["smart"]}}},
            "fast.models[0]: 'smart' is no model, and a chain cannot name a chain",
        ),
        ({"chains": {"llm": {"fast": [7]}}}, "fast.models[0]: 7 is no model"),
        ({"chains": {"llm": {"fast": ["opnai/x"]}}}, "unknown provider 'opnai'; did you mean 'openai'?"),
        ({"chains": {"llm": {"fast": ["openai/"]}}}, "'openai/' is no model"),
        ({"chains": {"llm": {"fast": ["/x"]}}}, "'/x' is no model"),
        ({"chains": {"llm": {"fast": ["openai/a\nb"]}}}, "is no model"),
        ({"chains": {"llm": {"fast": [{"weight": 2}]}}}, "fast.models[0]: has no `model:`"),
        ({"chains": {"llm": {"fast": [{"model": MINI, "wait": 2}]}}}, "unknown key 'wait'; did you mean 'weight'?"),
        ({"chains": {"llm": {"fast": [{"model": MINI, "weight": 0}]}}}, "weight: 0 must be a whole number from 1 to"),
        ({"chains": {"llm": {"fast": [{"model": MINI, "weight": 1.5}]}}}, "weight: 1.5 must be a whole number"),
        ({"chains": {"llm": {"fast": [{"model": MINI, "weight": True}]}}}, "weight: True must be a whole number"),
        ({"chains": {"llm": {"fast": [{"model": MINI, "options": [1]}]}}}, "options: must be a mapping such as"),
        (
            {"chains": {"llm": {"fast": [{"model": MINI, "options": {"api_key": "sk"}}]}}},
            "options.api_key: keys and secrets are never declared",
        ),
        ({"chains": {"llm": {"fast": [{"model": MINI, "options": {"model": "x"}}]}}}, "the model stands beside"),
        ({"chains": {"llm": {"fast": [{"model": MINI, "options": {"a b": 1}}]}}}, "'a b' is no keyword argument"),
        ({"chains": {"llm": {"fast": [{"model": MINI, "options": {"a": {1: 2}}}]}}}, "options.a: the key 1 is no text"),
        ({"chains": {"llm": {"fast": [{"model": MINI, "options": {"a": [[[[[1]]]]]}}]}}}, "nested too deep"),
        (
            _chain(strategy="cheap"),
            "'cheap' is none of order, cheapest, fastest, weighted, sticky; did you mean 'cheap",
        ),
        (_chain(strategy=7), "strategy: 7 is none of order"),
        (_chain(hedge="yes"), "hedge: 'yes' is neither true nor false"),
        (_chain(attempt_timeout_ms=10), "attempt_timeout_ms: 10 must be a whole number from 200 to 60,000"),
        (_chain(attempt_timeout=10), "unknown key 'attempt_timeout'; did you mean 'attempt_timeout_ms'?"),
        ({"stacks": {"premium": {}}}, "routing.stacks.premium: has no model; name at least one of stt, llm"),
        ({"stacks": {"premium": {"ll": MINI}}}, "unknown key 'll'; did you mean 'llm'?"),
        ({"stacks": {"premium": {"llm": [MINI]}}}, "several models are a chain: declare it under `chains:`"),
        (
            {"stacks": {"premium": {"llm": "fast"}}},
            "stacks.premium.llm: there is no llm chain 'fast'; none is declared",
        ),
        (_chain() | {"stacks": {"p": {"llm": "fasst"}}}, "there is no llm chain 'fasst'; did you mean 'fast'?"),
        (_chain() | {"stacks": {"p": {"stt": "fast"}}}, "there is no stt chain 'fast'; none is declared"),
        (_chain() | {"defaults": {"stt": "fast"}}, "routing.defaults.stt: there is no stt chain 'fast'"),
        ({"defaults": {"stack": "premium"}}, "routing.defaults.stack: there is no stack 'premium'; none is declared"),
        ({"defaults": {"stack": "a/b"}}, "'a/b' is no stack's name"),
        ({"projects": {"acme": {"projects": {}}}}, "routing.projects.acme: unknown key 'projects'"),
        ({"projects": {7: {}}}, "7 is no project's name; put it in quotes"),
        ({"projects": {f"p{n}": {} for n in range(PROJECTS_MAX + 1)}}, "more than 200 projects"),
        (
            {"projects": {"acme": _chain()}, "stacks": {"p": {"llm": "fast"}}},
            "routing.stacks.p.llm: there is no llm chain 'fast'",
        ),
        (
            {"projects": {"acme": _chain(), "beta": {"defaults": {"llm": "fast"}}}},
            "routing.projects.beta.defaults.llm: there is no llm chain 'fast'",
        ),
        ({"chains": {"llm": {f"c{n}": [MINI] for n in range(CHAINS_MAX + 1)}}}, "201 chains are more than the 200"),
        ({"stacks": {f"s{n}": {"llm": MINI} for n in range(STACKS_MAX + 1)}}, "101 stacks are more than the 100"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place_and_reason(document: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_routing(document, providers=PROVIDERS)

    assert reason in str(refused.value)


def test_a_project_may_name_everybodys_chains_and_a_file_says_where_it_is_wrong() -> None:
    routing = parse_routing(_chain() | {"projects": {"acme": {"stacks": {"p": {"llm": "fast"}}}}})
    with pytest.raises(ConfigurationError, match=r"voicegw.yaml: routing.chains.llm.x"):
        parse_routing({"chains": {"llm": {"x": 7}}}, where="voicegw.yaml: routing")

    assert routing.stack("p", "acme") == Stack(name="p", llm="fast", project="acme")
    assert routing.stack("p", "beta") is None


def test_what_lies_below_is_hidden_by_the_same_name_of_the_same_project_or_of_everybody() -> None:
    upper = parse_routing(
        _chain() | {"stacks": {"p": {"llm": "fast"}}, "defaults": {"llm": "fast"}},
    )
    lower = parse_routing(
        {
            "chains": {"llm": {"fast": [OSS], "slow": [OSS]}, "stt": {"fast": ["deepgram/nova-3"]}},
            "stacks": {"p": {"llm": OSS}, "q": {"llm": OSS}},
            "defaults": {"llm": OSS, "stt": "fast"},
            "projects": {"acme": {"chains": {"llm": {"fast": [OSS]}}, "defaults": {"llm": OSS, "tts": "cartesia/x"}}},
        }
    )

    both = upper.over(lower)

    assert [(each.name, each.modality, each.project) for each in both.chains] == [
        ("fast", "llm", ""),
        ("slow", "llm", ""),
        ("fast", "stt", ""),
    ]
    assert both.chain("fast", "llm", "acme") == upper.chains[0]
    assert [each.name for each in both.stacks] == ["p", "q"]
    assert both.defaults == (ProjectDefault(llm="fast", stt="fast"), ProjectDefault(project="acme", tts="cartesia/x"))
    assert Routing().over(lower) == lower
    assert upper.over(Routing()) == upper


_keys = st.sampled_from(
    [
        "chains",
        "stacks",
        "defaults",
        "projects",
        "llm",
        "stt",
        "fast",
        "models",
        "model",
        "options",
        "stack",
        "acme",
        "",
    ]
)
_leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "fast", MINI, "a/b", "a\x00/b"])
)
_documents = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4), max_leaves=20
)


def _refusal(document: object) -> str:
    """What is wrong with a document; the place where it would stand if nothing is."""
    try:
        parse_routing(document, providers=PROVIDERS)
    except ConfigurationError as error:
        return str(error)
    return "routing"


@given(_documents)
def test_any_document_is_read_or_refused_in_words(document: Any) -> None:
    assert _refusal(document).startswith("routing")


@given(st.text(max_size=60))
def test_any_yaml_is_read_or_refused_in_words(text: str) -> None:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return

    assert _refusal(document).startswith("routing")


def test_the_guides_examples_are_right() -> None:
    guides = Path(__file__).parents[3] / "docs" / "guides"
    text = (guides / "routing.md").read_text()
    examples = [(guides / "routing.yaml").read_text(), *re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]

    found = [parse_routing(yaml.safe_load(example)["routing"], providers=known_providers()) for example in examples]

    assert len(found) == 2
    assert [routing.default_of("llm", "acme") for routing in found] == ["fast", "smart"]
    assert [routing.default_of("tts", "beta") for routing in found] == ["deepgram/aura-2", "cartesia/sonic-3"]
