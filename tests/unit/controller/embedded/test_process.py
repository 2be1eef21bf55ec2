"""What an embedded server's last words come to in one line for people."""

import pytest

from voicegateway_controller.embedded.process import cause_in

FULL_DISK = """\
creating configuration files ... ok
performing post-bootstrap initialization ... 2026-11-22 13:10:14.032 UTC [32402] FATAL:  could not write to file \
"base/4/1255_fsm": No space left on device
2026-11-22 13:10:14.032 UTC [32402] STATEMENT:  CREATE DATABASE template0;
child process exited with exit code 1
initdb: removing data directory "/home/data.partial"
"""


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (FULL_DISK, FULL_DISK.splitlines()[1]),
        ("initdb: error: no such locale\ninitdb: hint: try another", "initdb: error: no such locale"),
        ("one\nthe last\n", "the last"),
        ("", "it said nothing"),
    ],
)
def test_the_cause_is_the_first_error_and_else_the_last_line(said: str, cause: str) -> None:
    assert cause_in(said) == cause
