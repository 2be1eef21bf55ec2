"""What a call leg is billed as: LiveKit's own model and the carrier's, by trunk, number and direction. Pure."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import yaml

from voicegateway_shared.errors import ConfigurationError

Direction = Literal["inbound", "outbound"]
LiveKitKind = Literal["cloud", "self-hosted"]

TEXT_BYTES_MAX: Final = 256 * 1024
RULES_MAX: Final = 1_000
"""Every leg is held against each of them."""
THIRD_PARTY: Final = "sip-third-party"
"""What LiveKit bills for a leg over a carrier of one's own: what a leg is that no rule is about."""
CLOUD_SUFFIX: Final = ".livekit.cloud"
_TOP: Final = frozenset({"livekit", "plan", "default_project", "legs"})
_RULE: Final = frozenset({"trunk", "number", "remote", "direction", "livekit", "carrier", "project"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRule:
    """What legs of one kind are billed as; an empty condition holds for all."""

    trunk: str = ""
    number: str = ""
    """Pattern of our own number, such as `+1510*`."""
    remote: str = ""
    """Pattern of the other party's number."""
    direction: str = ""
    livekit: str = THIRD_PARTY
    """LiveKit's model; empty when LiveKit bills nothing for the leg."""
    carrier_provider: str = ""
    carrier_model: str = ""
    project: str = ""

    def holds(self, *, trunk: str, number: str, remote: str, direction: str) -> bool:
        """Say whether a leg is one of these."""
        return (
            self.trunk in ("", trunk)
            and self.direction in ("", direction)
            and (not self.number or fnmatchcase(number, self.number))
            and (not self.remote or fnmatchcase(remote, self.remote))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Telephony:
    """All that is declared of call legs."""

    is_cloud: bool = True
    plan: str = ""
    default_project: str = "default"
    rules: tuple[LegRule, ...] = field(default=())

    def rule(self, *, trunk: str, number: str, remote: str, direction: str) -> LegRule:
        """Return the first rule that holds; without one LiveKit's third-party SIP minutes, and no carrier."""
        for each in self.rules:
            if each.holds(trunk=trunk, number=number, remote=remote, direction=direction):
                return each
        return LegRule()


def read_telephony(text: str, *, livekit_url: str = "") -> Telephony:
    """Return what a YAML text, or the file of that name, declares.

    Without a word about LiveKit it is LiveKit Cloud, unless `livekit_url` names a server elsewhere.

    Raises:
        ConfigurationError: it cannot be read, or says something that nobody can follow; the message names the place.
    """
    host = urlsplit(livekit_url).hostname or ""
    is_cloud = not host or host.endswith(CLOUD_SUFFIX)
    document = _document(text)
    _known(document, _TOP, "telephony")
    if "livekit" in document:
        is_cloud = _choice(document["livekit"], "livekit", ("cloud", "self-hosted")) == "cloud"
    legs = document.get("legs", [])
    if not isinstance(legs, list) or len(legs) > RULES_MAX:
        raise ConfigurationError(f"legs must be a list of at most {RULES_MAX} rules")
    return Telephony(
        is_cloud=is_cloud,
        plan=_text(document, "plan", "telephony"),
        default_project=_text(document, "default_project", "telephony") or "default",
        rules=tuple(_rule(each, f"legs[{index}]") for index, each in enumerate(legs)),
    )


def _document(text: str) -> dict[str, Any]:
    source = text.strip()
    if not source:
        return {}
    if "\n" not in source and source.endswith((".yaml", ".yml")):
        try:
            source = Path(source).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"the file {text.strip()!r} cannot be read: {error}") from error
    if len(source) > TEXT_BYTES_MAX:
        raise ConfigurationError(f"more than {TEXT_BYTES_MAX} bytes of telephony")
    try:
        document = yaml.safe_load(source)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"it is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(
            "it must be YAML with the keys livekit, plan, default_project and legs, or a file's name"
        )
    return document


def _rule(raw: Any, where: str) -> LegRule:
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{where} must be a mapping, such as {{trunk: ST_…, carrier: twilio/us-sip-inbound}}")
    _known(raw, _RULE, where)
    direction = raw.get("direction", "")
    if direction:
        direction = _choice(direction, f"{where}.direction", ("inbound", "outbound"))
    livekit = _text(raw, "livekit", where) or THIRD_PARTY
    carrier = _text(raw, "carrier", where)
    provider, slash, model = carrier.partition("/")
    if carrier not in ("", "none") and not (provider and slash and model):
        raise ConfigurationError(f"{where}.carrier must be provider/model as in the price files, or none: {carrier!r}")
    return LegRule(
        trunk=_text(raw, "trunk", where),
        number=_text(raw, "number", where),
        remote=_text(raw, "remote", where),
        direction=direction,
        livekit="" if livekit == "none" else livekit,
        carrier_provider="" if carrier == "none" else provider,
        carrier_model=model,
        project=_text(raw, "project", where),
    )


def _known(raw: dict[Any, Any], keys: frozenset[str], where: str) -> None:
    if unknown := [str(key) for key in raw if key not in keys]:
        raise ConfigurationError(f"{where} has no key {unknown[0]!r}: it knows {', '.join(sorted(keys))}")


def _text(raw: dict[str, Any], key: str, where: str) -> str:
    value = raw.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 256:
        # YAML reads +15105550100 as a number and would lose its plus.
        raise ConfigurationError(f"{where}.{key} must be a text of at most 256 characters: write it in quotes")
    return value.strip()


def _choice(value: Any, where: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ConfigurationError(f"{where} must be one of {', '.join(choices)}, not {value!r}")
    return str(value)
