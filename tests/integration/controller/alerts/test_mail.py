"""Alerts by mail through a real SMTP server: encrypted, logged in, tried again or given up by what it answers."""

import asyncio
import email
import email.policy
import threading
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.smtp_server import SmtpServer, certificate, mailing

from voicegateway_controller.alerts import Alert, mail
from voicegateway_controller.alerts.mail import Mail, parse_server
from voicegateway_controller.alerts.outcome import NotDelivered

ALERT = Alert(
    id=UUID("0e4c3d0a-6f6e-4a2f-9f3f-0123456789ab"),
    key="k",
    kind="budget_exhausted",
    severity="critical",
    project="acme",
    title="Budget “acme” is spent: 100 € gone",
    details={"spent_usd": "100.000000001", "sessions": 3},
    raised_at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server's context whose certificate this process trusts."""
    context, file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return context


def _mail(server: SmtpServer, *, scheme: str = "smtp", login: str = "") -> Mail:
    return Mail(
        parse_server(f"{scheme}://{login}127.0.0.1:{server.port}"),
        sender="VoiceGateway <vg@acme.example>",
        recipients=("a@acme.example", "Bé <b@acme.example>"),
    )


@pytest.mark.parametrize(("scheme", "is_tls_at_once"), [("smtp", False), ("smtps", True)])
async def test_a_mail_is_encrypted_logged_in_and_whole(tls: Any, scheme: str, is_tls_at_once: bool) -> None:
    async with mailing(SmtpServer(tls=tls, is_tls_at_once=is_tls_at_once, password="hu:sh")) as server:
        await _mail(server, scheme=scheme, login="me:hu%3Ash@").send(ALERT)

    [mailed] = server.mails
    assert (mailed.is_encrypted, mailed.user) == (True, "me")
    assert mailed.sender.startswith("FROM:<vg@acme.example>")
    assert [each.split(">")[0] for each in mailed.recipients] == ["TO:<a@acme.example", "TO:<b@acme.example"]
    read = email.message_from_bytes(mailed.data, policy=email.policy.default)
    assert read["Subject"] == "[VoiceGateway] Budget “acme” is spent: 100 € gone"
    assert read["Message-ID"] == f"<alert-{ALERT.id.hex}@voicegateway>"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read.get_content().splitlines()[:6] == [
        "Budget “acme” is spent: 100 € gone",
        "",
        "kind: budget exhausted",
        "project: acme",
        "spent usd: 100.000000001",
        "sessions: 3",
    ]


async def test_without_encryption_only_where_that_was_asked_for() -> None:
    async with mailing(SmtpServer()) as server:
        with pytest.raises(NotDelivered, match="offers no STARTTLS") as caught:
            await _mail(server).send(ALERT)
        await _mail(server, scheme="smtp+plain").send(ALERT)

    assert caught.value.is_final
    assert [each.is_encrypted for each in server.mails] == [False]


async def test_a_certificate_of_a_stranger_is_not_trusted(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    async with mailing(SmtpServer(tls=context, password="hush")) as server:
        with pytest.raises(NotDelivered, match="the mail server's certificate: self-signed certificate"):
            await _mail(server, login="me:hush@").send(ALERT)

    assert "AUTH" not in server.heard
    assert server.mails == []


@pytest.mark.parametrize(
    ("replies", "is_final", "words"),
    [
        ({"MAIL": "451 later"}, False, "the mail server answered 451: later"),
        ({"MAIL": "553 not you"}, True, "the mail server answered 553: not you"),
        ({"RCPT": "450 busy"}, False, "the mail server refused every recipient"),
        ({"RCPT": "550 nobody"}, True, "the mail server refused every recipient"),
        ({"DATA": "554 spam"}, True, "the mail server answered 554: spam"),
        ({"EHLO": "421 full", "HELO": "421 full"}, False, "the mail server answered 421: full"),
    ],
)
async def test_a_refusal_for_now_is_tried_again_and_one_for_good_is_not(
    replies: dict[str, str], is_final: bool, words: str
) -> None:
    async with mailing(SmtpServer(replies=replies)) as server:
        with pytest.raises(NotDelivered) as caught:
            await _mail(server, scheme="smtp+plain").send(ALERT)

    assert str(caught.value).startswith(words)
    assert caught.value.is_final is is_final


async def test_a_wrong_password_is_for_good_and_not_repeated(tls: Any) -> None:
    async with mailing(SmtpServer(tls=tls, password="right")) as server:
        with pytest.raises(NotDelivered, match="the mail server answered 535: wrong password") as caught:
            await _mail(server, login="me:hush@").send(ALERT)

    assert caught.value.is_final
    assert "hush" not in str(caught.value)


async def test_one_refused_recipient_does_not_keep_it_from_the_others() -> None:
    async with mailing(SmtpServer(refused_recipient="a@acme.example")) as server:
        await _mail(server, scheme="smtp+plain").send(ALERT)

    [mailed] = server.mails
    assert [each.split(">")[0] for each in mailed.recipients] == ["TO:<b@acme.example"]


@pytest.mark.parametrize(
    "served",
    [
        SmtpServer(greets_for_ever=True),
        SmtpServer(silent_at="EHLO"),
        SmtpServer(silent_at="MAIL"),
        SmtpServer(silent_at="DATA"),
    ],
    ids=["greeting", "EHLO", "MAIL", "DATA"],
)
async def test_a_server_that_goes_on_or_falls_silent_is_left_and_its_thread_ends(
    monkeypatch: pytest.MonkeyPatch, served: SmtpServer
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.3)
    ended = threading.Event()
    run = mail._Attempt.run

    def watched(attempt: Any, message: EmailMessage) -> list[str]:
        try:
            return run(attempt, message)
        finally:
            ended.set()

    monkeypatch.setattr(mail._Attempt, "run", watched)
    async with mailing(served) as server:
        with pytest.raises(NotDelivered) as caught:
            await _mail(server, scheme="smtp+plain").send(ALERT)
        # The connection is gone, so nobody can go on sending in the background.
        await asyncio.wait_for(server.ended.wait(), timeout=30)

    assert not caught.value.is_final
    assert await asyncio.to_thread(ended.wait, 30)
    assert server.mails == []


@pytest.mark.parametrize(
    "served", [SmtpServer(silent_at="QUIT"), SmtpServer(replies={"QUIT": "421 closing"})], ids=["silent", "421"]
)
async def test_a_mail_that_was_taken_is_delivered_however_the_server_says_goodbye(
    monkeypatch: pytest.MonkeyPatch, served: SmtpServer
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 2.0)
    async with mailing(served) as server:
        await _mail(server, scheme="smtp+plain").send(ALERT)
        await asyncio.wait_for(server.ended.wait(), timeout=30)

    assert len(server.mails) == 1
    assert server.heard[-1] == "QUIT"


async def test_nobody_there_is_tried_again() -> None:
    with pytest.raises(NotDelivered, match="the mail server cannot be reached: Connection refused") as caught:
        await _mail(SmtpServer(port=9), scheme="smtp+plain").send(ALERT)

    assert not caught.value.is_final
