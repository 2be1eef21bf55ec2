"""TLS of the API's own: the certificate, who must show one, and renewed files taken without a restart."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

from voicegateway_controller.http.settings import HttpSettings
from voicegateway_controller.logs import get_logger
from voicegateway_shared.errors import ConfigurationError

LOOK_S: Final = 5.0
"""How often the files are looked at: certificates are renewed weeks before they end."""
_MINIMUM: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_log = get_logger(__name__)


class Certificate:
    """The API's certificate and the context that shows it; lives as long as the server, holds nothing to close."""

    def __init__(self, settings: HttpSettings) -> None:
        """Raises ConfigurationError when a file is missing or not what it should be."""
        certificate, key = settings.tls_certificate_file, settings.tls_key_file
        if certificate is None or key is None:
            raise ConfigurationError(
                "TLS needs both VOICEGATEWAY_TLS_CERTIFICATE_FILE and VOICEGATEWAY_TLS_KEY_FILE: set the other one too"
            )
        self._certificate, self._key = certificate, key
        password = settings.tls_key_password
        self._password = None if password is None else password.get_secret_value()
        self._seen = self._marks()
        self.context = self._loaded()
        self.context.minimum_version = _MINIMUM[settings.tls_minimum]
        # One answer of ours is never worth a handshake that a client can ask for again and again.
        self.context.options |= ssl.OP_NO_RENEGOTIATION
        self.context.set_alpn_protocols(["http/1.1"])
        if settings.tls_client_ca_file is not None:
            self._ask_clients(settings.tls_client_ca_file)

    async def watch(self) -> None:
        """Show renewed files to whoever connects from then on; a broken one is logged, and the old one goes on."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> bool:
        """Take the files when they changed since; say whether they were taken."""
        marks = self._marks()
        if marks == self._seen:
            return False
        self._seen = marks
        try:
            # Into a context of its own first: half of a new pair must not end the one that works.
            self._loaded()
            self.context.load_cert_chain(self._certificate, self._key, self._password)
        except (ConfigurationError, OSError, ssl.SSLError) as error:
            _log.error("tls.certificate_unusable", file=str(self._certificate), detail=str(error))
            return False
        _log.info("tls.certificate_renewed", file=str(self._certificate))
        return True

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._certificate, self._key, self._password or _no_password)
        except ssl.SSLError as error:
            raise ConfigurationError(
                f"{self._certificate} and {self._key} are no certificate and its key, PEM ({error.reason or error}): "
                "check VOICEGATEWAY_TLS_CERTIFICATE_FILE, _KEY_FILE and _KEY_PASSWORD"
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"the certificate or its key cannot be read ({error.strerror}): check {self._certificate}, {self._key}"
            ) from error
        return context

    def _ask_clients(self, authorities: Path) -> None:
        try:
            self.context.load_verify_locations(cafile=authorities)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"VOICEGATEWAY_TLS_CLIENT_CA_FILE: {authorities} holds no certificates of authorities, PEM ({error})"
            ) from error
        self.context.verify_mode = ssl.CERT_REQUIRED

    def _marks(self) -> list[tuple[int, int, int] | None]:
        """Return what changes when a file is replaced; Kubernetes swaps a link, so names alone say nothing."""
        marks: list[tuple[int, int, int] | None] = []
        for path in (self._certificate, self._key):
            try:
                found = path.stat()
            except OSError:
                marks.append(None)
            else:
                marks.append((found.st_mtime_ns, found.st_size, found.st_ino))
        return marks


def _no_password() -> str:
    """Answer OpenSSL's question for a password, which would otherwise be asked at the terminal."""
    return ""


def certificate(settings: HttpSettings) -> Certificate | None:
    """Return the certificate to show; None when the API speaks plain HTTP. Raises ConfigurationError."""
    if settings.tls_certificate_file is None and settings.tls_key_file is None:
        if settings.tls_client_ca_file is not None:
            raise ConfigurationError(
                "VOICEGATEWAY_TLS_CLIENT_CA_FILE asks clients for certificates and needs TLS: set "
                "VOICEGATEWAY_TLS_CERTIFICATE_FILE and VOICEGATEWAY_TLS_KEY_FILE too"
            )
        return None
    return Certificate(settings)
