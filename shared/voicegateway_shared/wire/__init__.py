"""The worker protocol's messages, version 1: the only contract between shim and controller."""

from voicegateway_shared.wire.sync import SYNC_VERSION, SessionPresence, SyncRequest, SyncResponse

__all__ = ["SYNC_VERSION", "SessionPresence", "SyncRequest", "SyncResponse"]
