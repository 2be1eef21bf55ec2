"""What goes wrong with vendors' keys."""

from voicegateway_controller.errors import ControllerError


class VaultLocked(ControllerError):
    """There is no secret to seal or open keys with, or not the right one; calls go on with keys of the environment."""

    code = "vault_locked"
