"""Chooses the loopback port of an embedded server."""

import random
import socket

from voicegateway_controller.embedded.errors import EmbeddedFailed

HOST = "127.0.0.1"
# Below the ports that systems hand out to outgoing connections (32768 on Linux, 49152 on macOS). A server
# that is restarted needs its old port back, and while it is down a port from that range can be taken by any
# client, even by the one that tries to reach the server: it then connects to itself and holds the port.
PORT_FIRST = 15_000
PORT_LAST = 32_000
# A machine where this many random ports are all taken has another problem.
TRIES_MAX = 200


def choose_port(preferred: int | None) -> int:
    """Return the preferred port when it is free, else a random free one."""
    if preferred is not None and is_free(preferred):
        return preferred
    # SystemRandom: forked test processes share the state of the default generator, so would choose alike.
    chance = random.SystemRandom()
    for _ in range(TRIES_MAX):
        port = chance.randint(PORT_FIRST, PORT_LAST)
        if is_free(port):
            return port
    raise EmbeddedFailed(f"no free port between {PORT_FIRST} and {PORT_LAST} on {HOST}: stop what holds them")


def is_free(port: int) -> bool:
    """Say whether a server could listen there now; another process can still take it in between."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers themselves do, so that connections of the last run in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
