"""The text of a first voicegw.yaml: what was answered, and beside it, as comments, what could stand there."""

from dataclasses import dataclass, field
from typing import Final

import yaml

from voicegateway_controller.cli.init_vendors import Vendor

PARTS: Final = (("stt", "ears"), ("llm", "fast"), ("tts", "voice"))
"""Places in an agent, and what their chains are called."""
_HEAD: Final = """\
# yaml-language-server: $schema={schema}
# What this controller declares and its workers are told; `voicegw config validate` checks it.
# Whoever changes something by API, dashboard or `voicegw config apply` hides what stands here of the same name.
"""
_KEYS: Final = """
# Vendors' keys by reference: the controller reads them there and lends them to workers, in memory only.
keys:
"""
_NO_KEYS: Final = """
# Vendors' keys by reference, such as:
# keys:
#   - {id: openai-main, provider: openai, from_env: OPENAI_API_KEY}
#   - {id: deepgram-main, provider: deepgram, from_file: /run/secrets/voicegateway/deepgram}
"""
_ROUTING: Final = """
# Which models serve, by name: gateway.llm("fast"), or gateway.llm() for the default stack's.
# The first of a chain is asked first, the others when it fails.
routing:
"""
_NO_ROUTING: Final = """
# Which models serve, by name: gateway.llm("fast"), such as:
# routing:
#   chains:
#     llm: {fast: [openai/gpt-4.1-mini, groq/openai/gpt-oss-120b]}
"""
_LIMITS: Final = """
# What vendors allow, kept by the whole fleet together, such as:
# limits:
#   - {provider: openai, model: gpt-4.1-mini, requests_per_min: 500, tokens_per_min: 200k}
#   - {provider: deepgram, concurrent: 50}
"""
_WORKER: Final = """
# What workers that read this file are told; VOICEGATEWAY_URL and VOICEGATEWAY_TOKEN are variables of theirs.
"""
_BUDGET: Final = """
# What may be spent, and what happens then: warn, throttle, block, end_session.
budgets:
"""


@dataclass(slots=True, kw_only=True)
class Answers:
    """What a person answered."""

    vendors: list[tuple[Vendor, str]] = field(default_factory=list)
    project: str = "default"
    daily_usd: str = "0"
    action: str = "end_session"

    @property
    def has_budget(self) -> bool:
        """Whether there is to be one: any amount but none."""
        return self.daily_usd.strip("0.") != ""


def written(answers: Answers, *, schema: str) -> str:
    """Return the file's text."""
    return "".join(
        (
            _HEAD.format(schema=schema),
            _part("projects", [{"id": answers.project}], "\n# Who pays.\n"),
            _keys(answers),
            _routing(answers),
            _budget(answers),
            _LIMITS,
            _part(
                "worker", {"project": answers.project},
                _WORKER,
            ),
        )
    )  # fmt: skip


def _keys(answers: Answers) -> str:
    if not answers.vendors:
        return _NO_KEYS
    lines = [
        f"  - {_flow({'id': f'{vendor.id}-main', 'provider': vendor.id, 'from_env': name})}\n"
        for vendor, name in answers.vendors
    ]
    return _KEYS + "".join(lines)


def _routing(answers: Answers) -> str:
    chains: dict[str, dict[str, list[str]]] = {}
    stack: dict[str, str] = {}
    for part, name in PARTS:
        models = [f"{vendor.id}/{model}" for vendor, _ in answers.vendors if (model := getattr(vendor, part))]
        if models:
            chains[part] = {name: models}
            stack[part] = name
    if not chains:
        return _NO_ROUTING
    lines = ["  chains:\n", *(f"    {part}: {_flow(chain)}\n" for part, chain in chains.items())]
    lines += [f"  stacks: {_flow({'first': stack})}\n", f"  defaults: {_flow({'stack': 'first'})}\n"]
    return _ROUTING + "".join(lines)


def _budget(answers: Answers) -> str:
    if not answers.has_budget:
        return '\n# budgets:\n#   - {project: acme, amount: "25.00", window: day, action: end_session}\n'
    budget = {
        "name": "a-day", "project": answers.project, "amount": answers.daily_usd, "window": "day",
        "thresholds": [50, 80, 100], "action": answers.action,
    }  # fmt: skip
    return f"{_BUDGET}  - {_flow(budget)}\n"


def _part(name: str, value: object, comment: str) -> str:
    return f"{comment}{name}: {_flow(value)}\n"


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000).strip()
