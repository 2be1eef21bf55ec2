"""Exit codes: what a script can tell by a command's end alone."""

from typing import Final

from voicegateway_controller.client import ControllerUnreachable, TokenRefused
from voicegateway_shared.errors import VoiceGatewayError

OK: Final = 0
NO: Final = 1
"""The answer is no: a threshold is passed, something differs, a person said no."""
WRONG: Final = 2
"""It could not be done: wrong words, a wrong file, refused by the controller with a reason."""
UNREACHABLE: Final = 3
"""No controller answers; the same command may succeed later."""
REFUSED: Final = 4
"""The token is none, or may not do this."""
INTERRUPTED: Final = 130
"""Ctrl-C."""


def code_of(error: VoiceGatewayError) -> int:
    """Return the exit code that an error ends a command with."""
    if isinstance(error, ControllerUnreachable):
        return UNREACHABLE
    return REFUSED if isinstance(error, TokenRefused) else WRONG
