"""Who a person is and what they may do, from what the provider claims of them. Pure but for reading the rules' file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicegateway_controller.access.rules import READERS, Role
from voicegateway_shared.errors import ConfigurationError

RULES_MAX: Final = 500
VALUES_MAX: Final = 5_000
"""Values of one claim that are looked at: groups of a large company."""
PERSON_CHARS_MAX: Final = 200
ANYBODY: Final = "*"


class PersonRule(BaseModel):
    """One line: whoever has this value in this claim has this role, in these projects."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    claim: str = Field(min_length=1, max_length=200)
    has: str | bool = Field(description="The whole value, or one of a list's; `*` is any.")
    role: Role
    projects: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who proved who they are, and what the rules give them."""

    issuer: str
    subject: str
    actor: str
    """`oidc:` and the person, as the audit log names them."""
    name: str
    role: Role
    projects: frozenset[str] | None


def read_people(text: str) -> tuple[PersonRule, ...]:
    """Return the rules of a setting: YAML, or the name of a file with it. ConfigurationError says which is wrong."""
    if not text.strip():
        return ()
    if not set(text) & set("\n:[{"):
        try:
            text = Path(text).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"the rules' file {text} cannot be read: {error}") from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"the rules are no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, list) or not document:
        raise ConfigurationError("the rules are a list: `- {claim: groups, has: voice-admins, role: admin}`")
    if len(document) > RULES_MAX:
        raise ConfigurationError(f"there are {len(document)} rules; at most {RULES_MAX} are read")
    return tuple(_rule(each, number) for number, each in enumerate(document, start=1))


def granted_to(rules: Sequence[PersonRule], claims: Mapping[str, Any]) -> tuple[Role, frozenset[str] | None] | None:
    """Return role and projects: the role of the first rule that fits, the projects of all that fit with that role.

    None where no rule fits: nobody is let in whom no rule names.
    """
    fitting = [rule for rule in rules if _fits(rule, claims)]
    if not fitting:
        return None
    role = fitting[0].role
    same = [rule for rule in fitting if rule.role is role]
    if any(rule.projects is None for rule in same):
        return role, None
    return role, frozenset(project for rule in same for project in rule.projects or ())


def actor_of(claims: Mapping[str, Any], person_claim: str) -> str:
    """Return how a person is named here: by the claim, by `sub` where it is missing, unverified or odd."""
    value = claims.get(person_claim)
    if person_claim == "email" and not _is_verified(claims):
        value = None
    if isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= PERSON_CHARS_MAX:
        return f"oidc:{value.strip()}"
    return f"oidc:{claims['sub']}"


def name_of(claims: Mapping[str, Any]) -> str:
    """Return what is shown of a person; never decided on."""
    for claim in ("name", "preferred_username", "email", "sub"):
        value = claims.get(claim)
        if isinstance(value, str) and value.strip():
            return "".join(each for each in value.strip() if each.isprintable())[:PERSON_CHARS_MAX]
    return ""


def _rule(document: Any, number: int) -> PersonRule:
    try:
        rule = PersonRule.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"rule {number}{f', {place}' if place else ''}: {first['msg']}") from error
    if rule.role not in READERS:
        raise ConfigurationError(f"rule {number}: people are admin, operator or viewer; workers have tokens")
    return rule


def _fits(rule: PersonRule, claims: Mapping[str, Any]) -> bool:
    # What the provider did not check anybody can say of themselves.
    if rule.claim == "email" and not _is_verified(claims):
        return False
    value = _at(rule.claim, claims)
    values = value[:VALUES_MAX] if isinstance(value, list) else [value]
    if rule.has == ANYBODY:
        return any(each not in (None, "", False) for each in values)
    # `True == 1`: a rule's text fits texts alone, its truth truths alone.
    return any(type(each) is type(rule.has) and each == rule.has for each in values)


def _at(path: str, claims: Mapping[str, Any]) -> Any:
    """The claim of this name, or, of `realm_access.roles`, what stands inside."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _is_verified(claims: Mapping[str, Any]) -> bool:
    return claims.get("email_verified") is True
