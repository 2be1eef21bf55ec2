"""What the API's own conventions refuse; statuses are chosen in `http/problems.py`."""

from voicegateway_controller.errors import ControllerError, Overloaded


class RateLimited(Overloaded):
    """A caller asks more often than the settings allow; come back in `retry_after_s`."""

    code = "rate_limited"


class IdempotencyKeyInvalid(ControllerError):
    """The `Idempotency-Key` is empty, too long, or holds what cannot be seen."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReused(ControllerError):
    """The `Idempotency-Key` was sent before with another request."""

    code = "idempotency_key_reused"


class IdempotencyInProgress(ControllerError):
    """The same request is being carried out; ask again to hear what became of it."""

    code = "idempotency_in_progress"
    retryable = True


class IdempotencyUnknown(ControllerError):
    """The process that carried the request out ended before it said what became of it."""

    code = "idempotency_unknown"


class IdempotencyAnswerNotKept(ControllerError):
    """The request was carried out; its answer was not kept, for it held a secret or was too large."""

    code = "idempotency_answer_not_kept"


class Misdirected(ControllerError):
    """The request was sent to a name that is not one of ours."""

    code = "misdirected"
