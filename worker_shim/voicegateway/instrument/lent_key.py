"""Lent key: before each request, and before each attempt of one, the key that a plugin borrowed is looked at.

Nothing is looked at where a key was passed or set. A key that was rotated or revoked is exchanged for its successor;
without one the attempt is refused before its vendor hears of it, and whoever stands behind it in a chain goes on.
"""

from dataclasses import replace
from typing import Any, Final

from voicegateway.keys.exchange import exchange
from voicegateway.keys.loan import Loan
from voicegateway.record import KEY_GONE, PluginFacts, RequestRecord
from voicegateway.runtime import Runtime

FACTS: Final = "_voicegateway_facts"
LOAN: Final = "_voicegateway_loan"
UNAUTHORIZED: Final = 401
"""What the vendor would say; a chain goes on after it, and nobody retries it."""


def give(plugin: Any, loan: Loan | None) -> None:
    """Note with which loan a plugin was built."""
    if loan is not None:
        setattr(plugin, LOAN, loan)


def renewed_facts(plugin: Any, facts: PluginFacts, runtime: Runtime, project: str) -> PluginFacts:
    """Bring a plugin's key up to date before it makes a stream, and return what is known of it; never raises."""
    if getattr(plugin, LOAN, None) is None:
        return facts
    try:
        current_loan(plugin, runtime, project)
    except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
        runtime.hook_failed("keys.renew", error)
    found: PluginFacts = getattr(plugin, FACTS, facts)
    return found


def admit(record: RequestRecord, runtime: Runtime) -> None:
    """Let an attempt be made only with a key that holds.

    Raises:
        APIStatusError: 401, never to be retried: the key was revoked or has expired, and there is no other.
    """
    plugin = record.owner
    if getattr(plugin, LOAN, None) is None:
        return
    try:
        loan = current_loan(plugin, runtime, record.project)
        if loan is not None:
            _follow(record, plugin, loan)
    except Exception as error:  # noqa: BLE001 - our bug must never refuse a call
        runtime.hook_failed("keys.admit", error)
        return
    if loan is None:
        record.refuse_attempt(KEY_GONE)
        raise refusal(plugin, record.model)


def current_loan(plugin: Any, runtime: Runtime, project: str) -> Loan | None:
    """Return the loan that a plugin uses from now on; None when it has none that holds."""
    loan: Loan = getattr(plugin, LOAN)
    if runtime.keys is None:
        return None
    now = runtime.keys.renewed(loan, project)
    if now is None or now is loan:
        return now
    if now.secret != loan.secret and not exchange(plugin, loan.secret, now.secret):
        # It keeps its key where we do not see it: it goes on with the old one for as long as that holds.
        return None
    setattr(plugin, LOAN, now)
    if now.fingerprint != loan.fingerprint:
        facts: PluginFacts = getattr(plugin, FACTS)
        setattr(plugin, FACTS, replace(facts, key_id=now.fingerprint))
    return now


def refusal(plugin: Any, model: str) -> Exception:
    """The error of a request whose key is gone."""
    from livekit.agents import APIStatusError

    loan: Loan = getattr(plugin, LOAN)
    return APIStatusError(
        f"voicegateway: the key {loan.key_id} that was lent for {loan.provider}/{model} was revoked or has expired, "
        f"and the fleet lends no other for project {loan.project!r} (voicegw keys list)",
        status_code=UNAUTHORIZED,
        body={"key": loan.key_id, "provider": loan.provider, "reason": KEY_GONE},
        retryable=False,
    )


def _follow(record: RequestRecord, plugin: Any, loan: Loan) -> None:
    """A stream may have taken the key when it was made."""
    facts: PluginFacts = getattr(plugin, FACTS)
    made_with, record.loan = record.loan, loan
    if facts.key_id != record.facts.key_id:
        record.facts = facts
    if made_with is not None and made_with.secret != loan.secret and record.stream is not None:
        exchange(record.stream, made_with.secret, loan.secret)
