"""The request whose tasks run in this context: tells nested calls of the same plugin, and whom bytes belong to."""

from contextvars import ContextVar

from voicegateway.record import RequestRecord

CURRENT: ContextVar[RequestRecord | None] = ContextVar("voicegateway_request", default=None)
