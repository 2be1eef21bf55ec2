"""Taking an address."""

import socket

import pytest

from voicegateway_controller.errors import AddressInUse
from voicegateway_controller.listener import bind
from voicegateway_shared.errors import ConfigurationError


def test_a_taken_port_is_one_line_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUse) as caught:
            bind("127.0.0.1", port, setting="VOICEGATEWAY_PORT")

    assert str(caught.value) == (
        f"127.0.0.1:{port} is in use: stop what listens there, or set VOICEGATEWAY_PORT to another port"
    )


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1:0"):
        bind("192.0.2.1", 0, setting="VOICEGATEWAY_PORT")


def test_port_zero_takes_a_free_one() -> None:
    with bind("127.0.0.1", 0, setting="VOICEGATEWAY_PORT") as listener:
        assert listener.getsockname()[1] > 0
