"""Postgres and Valkey inside our own process tree, for one machine without Docker."""

from voicegateway_controller.embedded.errors import AlreadyRunning, EmbeddedFailed, MissingBinaries
from voicegateway_controller.embedded.postgres import EmbeddedPostgres
from voicegateway_controller.embedded.server import EmbeddedServer
from voicegateway_controller.embedded.services import EmbeddedServices
from voicegateway_controller.embedded.supervision import supervise
from voicegateway_controller.embedded.valkey import EmbeddedValkey

__all__ = [
    "AlreadyRunning",
    "EmbeddedFailed",
    "EmbeddedPostgres",
    "EmbeddedServer",
    "EmbeddedServices",
    "EmbeddedValkey",
    "MissingBinaries",
    "supervise",
]
