"""Take the address to listen on, or say in one line why it cannot be had."""

import errno
import socket

from voicegateway_controller.errors import AddressInUse
from voicegateway_shared.errors import ConfigurationError


def bind(host: str, port: int, *, setting: str) -> socket.socket:
    """Return a bound socket, ours from now on; port 0 takes a free one. `setting` is named when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"{host}:{port} is in use: stop what listens there, or set {setting} to another port"
            ) from error
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}; check the host setting") from error
    return listener
