"""What goes wrong between us and what vendors say."""

from voicegateway_controller.errors import ControllerError


class VendorRefused(ControllerError):
    """A vendor does not let us read its billing; the message says which key is needed and where it is made."""

    code = "vendor_refused"

    def __init__(self, message: str, *, provider: str, status: int) -> None:
        super().__init__(message)
        self.provider = provider
        self.status = status


class VendorUnavailable(ControllerError):
    """A vendor gave no answer, or none that can be read, within the stated tries."""

    code = "vendor_unavailable"
    retryable = True

    def __init__(self, message: str, *, provider: str) -> None:
        super().__init__(message)
        self.provider = provider


class UnreadableFile(ControllerError):
    """An invoice's file cannot be read as its mapping says; the message names row and column."""

    code = "unreadable_file"


class TooManySums(ControllerError):
    """A month has more combinations of key, model, meter and price than one reconciliation takes."""

    code = "too_many_sums"
