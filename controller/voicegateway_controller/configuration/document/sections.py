"""The readers of each section: what a declaration must pass before it may hold anywhere."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

Parse = Callable[[Any, Collection[str], str | None], Any]
"""Reads a section's value; takes the providers that may be named, and the zone of budgets that name none.

Raises VoiceGatewayError, whose message begins with the place: `limits[0].burst: …`.
"""


def _projects(document: Any, providers: Collection[str], zone: str | None) -> Any:
    from voicegateway_controller.projects.definitions import validated

    return validated(document)


def _limits(document: Any, providers: Collection[str], zone: str | None) -> Any:
    from voicegateway_controller.limits.definitions import validated

    return validated(document, providers=frozenset(providers))


def _budgets(document: Any, providers: Collection[str], zone: str | None) -> Any:
    from voicegateway_controller.budgets.definitions import validated, with_zone

    return validated(with_zone(document, zone), providers=frozenset(providers))


def _routing(document: Any, providers: Collection[str], zone: str | None) -> Any:
    from voicegateway_controller.routing.definitions import validated

    return validated(document, providers=frozenset(providers))


def _allowances(document: Any, providers: Collection[str], zone: str | None) -> Any:
    from voicegateway_controller.allowances.declaration import parse_allowances
    from voicegateway_controller.declared import refuse_odd_texts

    refuse_odd_texts(document, "allowances")
    return parse_allowances(document, providers=providers)


def _markups(document: Any, providers: Collection[str], zone: str | None) -> Any:
    from voicegateway_controller.exports.markups.definitions import validated

    return validated(document, providers=frozenset(providers))


def _keys(document: Any, providers: Collection[str], zone: str | None) -> Any:
    from voicegateway_controller.vault.declared import parse_keys

    return parse_keys(document, providers=providers)


def _worker(document: Any, providers: Collection[str], zone: str | None) -> Any:
    from voicegateway_controller.configuration.document.worker import check_worker

    return check_worker(document)


def _inference(document: Any, providers: Collection[str], zone: str | None) -> Any:
    from voicegateway_controller.configuration.document.worker import check_inference

    return check_inference(document)


PARSERS: Final[Mapping[str, Parse]] = {
    "projects": _projects,
    "limits": _limits,
    "budgets": _budgets,
    "routing": _routing,
    "allowances": _allowances,
    "markups": _markups,
    "keys": _keys,
    "worker": _worker,
    "inference": _inference,
}
"""The functions import where they are called: commands that read no such section do not wait for its libraries."""
