"""What goes wrong on the controller's side; HTTP statuses are chosen in `http/problems.py`, not here."""

from voicegateway_shared.errors import VoiceGatewayError


class ControllerError(VoiceGatewayError):
    """Root of the controller's own errors."""

    code = "controller_error"


class DatabaseUnavailable(ControllerError):
    """Postgres cannot be reached, refused us, or took too long; nothing was committed that we know of."""

    code = "database_unavailable"
    retryable = True


class RedisUnavailable(ControllerError):
    """Redis cannot be reached or took too long; the ledger goes on without it."""

    code = "redis_unavailable"
    retryable = True


class SchemaNotMigrated(ControllerError):
    """The database has no schema yet, or an older one than this version needs."""

    code = "schema_not_migrated"


class MigrationFailed(ControllerError):
    """The schema could not be brought up to date; the message says why."""

    code = "migration_failed"


class AddressInUse(ControllerError):
    """The address to listen on is taken."""

    code = "address_in_use"


class Overloaded(ControllerError):
    """More is waiting than this process can answer in time; come back in `retry_after_s`."""

    code = "overloaded"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unauthenticated(ControllerError):
    """No token, or one that is unknown, expired or revoked. Says no more than that on purpose."""

    code = "unauthenticated"


class Forbidden(ControllerError):
    """The token is good but may not do this."""

    code = "forbidden"


class BadRequest(ControllerError):
    """The request cannot be understood; sending it again unchanged cannot help."""

    code = "bad_request"


class NotFound(ControllerError):
    """There is nothing of this name, or nothing that the caller may know of."""

    code = "not_found"


class Conflict(ControllerError):
    """Somebody else was quicker: what the caller decided on is no longer what holds."""

    code = "conflict"


class Unrated(ControllerError):
    """No price is there for what was asked; the message names the meter and the reason."""

    code = "unrated"


class PricesUnreadable(ControllerError):
    """A managed price cannot be read by this version: nothing is rated until it can, or is withdrawn."""

    code = "prices_unreadable"
    retryable = True


class UnsupportedMediaType(ControllerError):
    """The body has a content type or encoding that this route does not read."""

    code = "unsupported_media_type"


class BodyTooLarge(ControllerError):
    """The body is larger than a setting allows; the message names the setting."""

    code = "body_too_large"


class LedgerBroken(ControllerError):
    """A rule of the ledger does not hold. Never expected; somebody must look."""

    code = "ledger_broken"
