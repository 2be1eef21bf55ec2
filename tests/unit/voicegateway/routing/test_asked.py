"""What a call of the gateway means: a model, a chain, several of both, or the project's default."""

from typing import Any

import pytest

from voicegateway.routing.asked import Asked, UnknownName, asked_for
from voicegateway.routing.stacks import PluginStack, parts_of
from voicegateway_shared.errors import ConfigurationError, UnknownModel
from voicegateway_shared.routing import ChainModel, Routing, parse_routing

MINI, OSS = "openai/gpt-4.1-mini", "groq/openai/gpt-oss-120b"
ROUTING = parse_routing(
    {
        "chains": {
            "llm": {"fast": {"models": [MINI, OSS], "strategy": "fastest", "hedge": True, "attempt_timeout_ms": 900}},
            "stt": {"ears": ["deepgram/nova-3"]},
        },
        "stacks": {"premium": {"stt": "ears", "llm": "fast"}, "talk": {"realtime": "openai/gpt-realtime"}},
        "defaults": {"stack": "premium"},
        "projects": {"acme": {"chains": {"llm": {"fast": [OSS]}}, "stacks": {"premium": {"llm": OSS}}}},
    }
)
FAST = Asked(
    candidates=(ChainModel(model=MINI), ChainModel(model=OSS)),
    chain="fast",
    strategy="fastest",
    is_hedged=True,
    attempt_timeout_ms=900,
)


def _asked(given: Any, project: str = "beta", modality: Any = "llm", routing: Routing = ROUTING, **how: Any) -> Asked:
    return asked_for(given, modality, project, routing, **{"strategy": None, "hedge": None, **how})


def test_a_chain_is_asked_by_its_name_and_the_projects_own_hides_everybodys() -> None:
    assert _asked("fast") == FAST
    assert _asked(["fast"]) == FAST
    assert _asked("fast", "acme") == Asked(candidates=(ChainModel(model=OSS),), chain="fast")


def test_nothing_asked_for_is_the_projects_default() -> None:
    assert _asked(None) == FAST
    assert _asked(None, modality="stt").candidates == (ChainModel(model="deepgram/nova-3"),)
    with pytest.raises(UnknownName, match=r"project 'beta' has no default; name one such as gateway.tts"):
        _asked(None, modality="tts")


def test_what_the_code_says_of_a_chain_wins_over_its_declaration() -> None:
    asked = _asked("fast", strategy="sticky", hedge=False)

    assert (asked.strategy, asked.is_hedged) == ("sticky", False)
    with pytest.raises(ConfigurationError, match="strategy 'best' is none of order, cheapest"):
        _asked("fast", strategy="best")


def test_several_are_asked_in_their_order_chains_among_them() -> None:
    own = ChainModel(model="anthropic/claude-haiku-4-5", options={"temperature": 0.2})

    assert _asked([own, "fast"]) == Asked(candidates=(own, ChainModel(model=MINI), ChainModel(model=OSS)))
    assert _asked(MINI) == Asked(candidates=(ChainModel(model=MINI),), is_single=True)
    assert _asked([own]) == Asked(candidates=(own,), is_single=True)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("fasst", "'fasst' is no model and no llm chain; did you mean 'fast'?"),
        ("ears", "no llm chain; write provider/model, for example 'deepgram/nova-3', or one of fast"),
        ("", "'' is no model and no llm chain"),
        (["nothing", MINI], "'nothing' is no model and no llm chain"),
    ],
)
def test_a_name_that_is_nobodys_is_an_unknown_model(given: Any, reason: str) -> None:
    with pytest.raises(UnknownModel) as refused:
        _asked(given)

    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "0 candidates; give 1 to 8 models"),
        ([MINI] * 9, "9 candidates; give 1 to 8 models"),
        (["fast"] * 5, "10 candidates; give 1 to 8 models"),
        (7, "7 is no model; give a model string"),
        ([MINI, None], "None is no model; write provider/model"),
    ],
)
def test_what_is_no_model_is_refused(given: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _asked(given)

    assert reason in str(refused.value)


def test_a_stack_makes_each_plugin_once_when_it_is_looked_at() -> None:
    made: list[tuple[str, str]] = []

    def resolve(part: str, modality: str) -> str:
        made.append((part, modality))
        return f"{modality} of {part}"

    stack = PluginStack(parts_of("premium", "beta", ROUTING), resolve)
    assert (made, list(stack)) == ([], ["stt", "llm"])

    assert stack.llm == "llm of fast"
    assert {**stack} == {"stt": "stt of ears", "llm": "llm of fast"}
    assert (stack.tts, stack.realtime, "tts" in stack) == (None, None, False)
    assert made == [("fast", "llm"), ("ears", "stt")]
    with pytest.raises(KeyError):
        stack["tts"]
    with pytest.raises(KeyError):
        stack["vad"]


def test_a_realtime_model_is_given_to_a_session_as_its_llm() -> None:
    stack = PluginStack(parts_of("talk", "beta", ROUTING), lambda part, modality: f"{modality} {part}")

    assert {**stack} == {"llm": "realtime openai/gpt-realtime"}
    assert (stack.llm, stack.realtime) == (None, "realtime openai/gpt-realtime")


def test_a_stack_is_the_projects_own_or_everybodys_or_its_defaults() -> None:
    assert parts_of("premium", "acme", ROUTING) == {"llm": OSS}
    assert parts_of(None, "beta", ROUTING) == {"stt": "ears", "llm": "fast"}
    with pytest.raises(UnknownModel, match="'premum' is no stack; did you mean 'premium'"):
        parts_of("premum", "beta", ROUTING)
    with pytest.raises(UnknownModel, match="project 'beta' has no defaults"):
        parts_of(None, "beta", Routing())
