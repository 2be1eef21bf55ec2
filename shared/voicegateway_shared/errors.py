"""The one root of our errors. Each carries a stable code and says what to do next."""

from collections.abc import Sequence


class VoiceGatewayError(Exception):
    """Root of every error we raise; `code` is stable, the sentence is for people.

    `retryable` says whether the same call can succeed later without anybody changing anything.
    """

    code = "voicegateway_error"
    retryable = False


class ConfigurationError(VoiceGatewayError):
    """A setting, file or key is wrong; the message names it and the mend."""

    code = "configuration_error"


class UnknownModel(ConfigurationError):
    """A model string names no provider, class or model that we can find."""

    code = "unknown_model"


class MissingPackage(ConfigurationError):
    """A provider's plugin is not installed; the message names the extra to install."""

    code = "missing_package"


class MissingKey(ConfigurationError):
    """A provider's API key is neither passed nor in its environment variable."""

    code = "missing_key"


class NoCandidate(ConfigurationError):
    """None of several models can serve at all; the message and `rejections` name each with its reason."""

    code = "no_candidate"

    def __init__(self, message: str, rejections: Sequence[object] = ()) -> None:
        """`rejections` are `voicegateway_shared.routing.Rejection`s, in the order of the candidates."""
        super().__init__(message)
        self.rejections = tuple(rejections)


class UnratedUsage(VoiceGatewayError):
    """No price covers a usage."""

    code = "unrated_usage"
