"""Problems: what is answered when a request cannot be served, in the words of LiveKit Inference's clients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from voicegateway_shared.errors import ConfigurationError, UnknownModel

RETRY_AFTER_S: Final = 1
CLIENT_CLOSED: Final = 499
"""How the shim ends a voice that a budget silences."""


@dataclass(kw_only=True, eq=False)
class Problem(Exception):
    """Why a request is not served. 4xx other than 408, 429 and 499 is never retried by LiveKit's clients."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def as_body(self) -> dict[str, Any]:
        """As OpenAI's API tells it."""
        return {"error": {"message": self.message, "type": self.code, "code": self.code}}

    def as_message(self) -> dict[str, Any]:
        """As the websocket endpoints tell it."""
        return {"type": "error", "code": self.status, "error": self.code, "message": self.message}


def bad_request(message: str) -> Problem:
    """Return the problem of a request that breaks the protocol."""
    return Problem(status=400, code="bad_request", message=message)


def not_configured(error: ConfigurationError) -> Problem:
    """Return the problem of a model that cannot be resolved here."""
    if isinstance(error, UnknownModel):
        return Problem(status=404, code="model_not_found", message=str(error))
    return Problem(status=400, code="model_not_available", message=str(error))


def session_ended(sentence: str) -> Problem:
    """Return the problem of a call that was told to end."""
    return Problem(status=402, code="session_ended", message=f"voicegateway: this call has been ended: {sentence}")


def of_error(error: BaseException, units_of: Callable[[str], int] = lambda pool: 0) -> Problem:
    """Return the problem that a plugin's error is to the caller.

    `units_of` says how many units a pool of the fleet's limits has in a minute; 0 where that is not known.
    """
    from livekit.agents import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error, Problem):
        return error
    if isinstance(error, ConfigurationError):
        return not_configured(error)
    if type(error) is APIConnectionError and isinstance(error.__cause__, APIStatusError):
        # What LiveKit raises after its last attempt.
        error = error.__cause__
    if isinstance(error, APITimeoutError):
        return Problem(status=504, code="vendor_timeout", message="the vendor did not answer in time")
    if isinstance(error, APIStatusError):
        return _of_status(error, units_of)
    if isinstance(error, APIConnectionError):
        return Problem(status=502, code="vendor_unreachable", message="the vendor could not be reached")
    return Problem(status=502, code="vendor_failed", message=f"the request failed: {type(error).__name__}")


def _of_status(error: Any, units_of: Callable[[str], int]) -> Problem:
    status, body = error.status_code, error.body if isinstance(error.body, Mapping) else {}
    if "budget" in body:
        status = 402 if status == CLIENT_CLOSED else status
        return Problem(status=status, code="budget_used_up", message=error.message, headers=_retry(body))
    if "pool" in body:
        return Problem(status=429, code="limit_used_up", message=error.message, headers=_quota(body, units_of))
    if status == CLIENT_CLOSED:
        return Problem(status=402, code="budget_used_up", message=error.message)
    if status == 429:
        return Problem(status=429, code="vendor_limited", message=error.message, headers=_retry(body))
    if status in (401, 402, 403):
        # It is our key that the vendor refuses, not the caller's.
        return Problem(status=502, code="vendor_refused_key", message=f"the vendor answered {status} to the gateway")
    if 400 <= status < 600:
        return Problem(status=status, code="vendor_refused", message=error.message)
    return Problem(status=502, code="vendor_failed", message=error.message)


def _retry(body: Mapping[str, Any]) -> dict[str, str]:
    waits_ms = body.get("retry_after_ms")
    seconds = max(RETRY_AFTER_S, round(waits_ms / 1000)) if isinstance(waits_ms, int) else RETRY_AFTER_S
    return {"Retry-After": str(seconds)}


_QUOTA: Final = {"requests_per_min": "RPM", "tokens_per_min": "TPM"}
"""Which of LiveKit's quotas a pool of ours is, by the end of its id."""


def _quota(body: Mapping[str, Any], units_of: Callable[[str], int]) -> dict[str, str]:
    """LiveKit's clients log these; what is used up is used up to its limit."""
    headers, pool = _retry(body), str(body["pool"])
    name, units = _QUOTA.get(pool.rpartition(":")[2]), units_of(pool)
    if name and units:
        headers[f"X-LiveKit-Inference-{name}-Limit"] = headers[f"X-LiveKit-Inference-{name}-Used"] = str(units)
    return headers
