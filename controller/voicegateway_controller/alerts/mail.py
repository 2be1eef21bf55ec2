"""Mail through one server: STARTTLS or TLS, login, and an end to every attempt. The only file that knows smtplib."""

import asyncio
import contextlib
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

from voicegateway_controller.alerts.alert import Alert, one_line
from voicegateway_controller.alerts.outcome import NotDelivered
from voicegateway_controller.alerts.text import detail_lines
from voicegateway_controller.logs import get_logger
from voicegateway_shared.errors import ConfigurationError

TIMEOUT_S: Final = 30.0
"""A whole delivery; mail servers that check a sender slowly take ten seconds."""
RECIPIENTS_MAX: Final = 50
ERROR_CHARS: Final = 200
SERVICE_READY: Final = 220
"""How a server greets that takes mail."""
_PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in, as read from its URL."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)


def parse_server(url: str) -> MailServer:
    """Read a server's URL; ConfigurationError, without the URL, when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(_WRONG) from error
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise ConfigurationError(_WRONG)
    if parts.scheme == "smtp+plain" and (user or password):
        raise ConfigurationError("VOICEGATEWAY_ALERT_SMTP_URL is wrong: no password goes over an open line")
    return MailServer(
        scheme=parts.scheme, host=parts.hostname, port=port or _PORTS[parts.scheme], user=user, password=password
    )


def parse_addresses(text: str, *, setting: str) -> tuple[str, ...]:
    """Read addresses separated by commas; ConfigurationError when one is none, or there are too many."""
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    for each in found:
        address = parseaddr(each)[1]
        name, _, host = address.partition("@")
        if not name or not host or not each.isprintable() or " " in address:
            raise ConfigurationError(f"{setting} is wrong: {each!r} is no address")
    if not 1 <= len(found) <= RECIPIENTS_MAX:
        raise ConfigurationError(f"{setting} is wrong: it must name 1 to {RECIPIENTS_MAX} addresses")
    return found


class Mail:
    """The channel `email`; lives as long as the runner. Each delivery has a connection and a thread of its own."""

    name = "email"

    def __init__(self, server: MailServer, *, sender: str, recipients: tuple[str, ...]) -> None:
        self._server = server
        self._sender = sender
        self._recipients = recipients

    async def send(self, alert: Alert) -> None:
        """Deliver one alert; raises NotDelivered."""
        attempt = _Attempt(self._server)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                refused = await asyncio.to_thread(attempt.run, self._message(alert))
        except TimeoutError as error:
            raise NotDelivered(f"the mail server did not take it within {TIMEOUT_S:.0f} s", is_final=False) from error
        finally:
            # A thread cannot be cancelled, but what it waits for can be taken away.
            attempt.abandon()
        if refused:
            _log.warning("alert.mail_refused_for_some", alert_id=str(alert.id), refused=refused)

    def _message(self, alert: Alert) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message["Subject"] = f"[VoiceGateway] {alert.title}"
        message["Date"] = format_datetime(alert.raised_at)
        # The same at every attempt, so that a mailbox can tell a mail that was sent twice.
        message["Message-ID"] = f"<alert-{alert.id.hex}@voicegateway>"
        message["Auto-Submitted"] = "auto-generated"
        lines = [alert.title, "", *detail_lines(alert), "", f"raised at {alert.raised_at.isoformat()}, {alert.id}"]
        message.set_content("\n".join(lines) + "\n")
        return message


class _Attempt:
    """One delivery in a thread, which whoever started it may abandon from outside."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._client: smtplib.SMTP | None = None
        self._is_abandoned = False

    def run(self, message: EmailMessage) -> list[str]:
        """Hand the mail in; return the recipients that were refused while others were taken. Raises NotDelivered."""
        try:
            client = self._connected()
            try:
                if self._server.user:
                    client.login(self._server.user, self._server.password)
                if self._is_abandoned:
                    raise TimeoutError
                refused = sorted(client.send_message(message))
                self._say_goodbye(client)
            finally:
                client.close()
            return refused
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise NotDelivered("the mail server refused every recipient", is_final=_is_final(*codes)) from error
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(_told(error), is_final=_is_final(error.smtp_code)) from error
        except smtplib.SMTPNotSupportedError as error:
            raise NotDelivered("the mail server offers no STARTTLS, or no login that we know", is_final=True) from error
        except ssl.SSLCertVerificationError as error:
            raise NotDelivered(f"the mail server's certificate: {error.verify_message}", is_final=False) from error
        except (smtplib.SMTPException, OSError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise NotDelivered(f"the mail server cannot be reached: {reason}", is_final=False) from error

    def abandon(self) -> None:
        """End whatever the thread waits for; nothing when it has ended."""
        self._is_abandoned = True
        connection = getattr(self._client, "sock", None)
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It has closed meanwhile, which is what we want.
                return

    def _say_goodbye(self, client: smtplib.SMTP) -> None:
        """Without waiting for an answer: the mail was taken, and whatever comes after that must not send it again."""
        with contextlib.suppress(smtplib.SMTPException, OSError):
            client.putcmd("QUIT")

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        client: smtplib.SMTP
        if server.scheme == "smtps":
            client = smtplib.SMTP_SSL(timeout=TIMEOUT_S, context=ssl.create_default_context())
        else:
            client = smtplib.SMTP(timeout=TIMEOUT_S)
        # Known before it connects: a server may greet without end, and only its connection can be taken away.
        self._client = client
        # What smtplib compares the certificate with; it forgets the name when it does not connect at once.
        client._host = server.host  # type: ignore[attr-defined]
        try:
            code, said = client.connect(server.host, server.port)
            if code != SERVICE_READY:
                raise smtplib.SMTPConnectError(code, said)
            if server.scheme == "smtp":
                client.starttls(context=ssl.create_default_context())
        except BaseException:
            client.close()
            raise
        return client


def _is_final(*codes: int) -> bool:
    """A server's 5xx is for good; its 4xx is for now, and so is what is no code at all."""
    return all(500 <= code < 600 for code in codes)


def _told(error: smtplib.SMTPResponseException) -> str:
    said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
    return f"the mail server answered {error.smtp_code}: {one_line(said, chars_max=ERROR_CHARS)}"


_WRONG: Final = (
    "VOICEGATEWAY_ALERT_SMTP_URL is wrong: it must look like smtp://user:password@host:587, "
    "smtps://user:password@host:465 or smtp+plain://host:25"
)
