"""TLS of the API's own: who connects, with what, and that a renewed certificate is shown without a restart."""

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.fixtures.listening import Caller, listening

from voicegateway_controller.http import tls
from voicegateway_controller.http.settings import HttpSettings
from voicegateway_shared.errors import ConfigurationError

GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"


async def _scheme(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.url.scheme)


APP = Starlette(routes=[Route("/", _scheme)])


def _pair(folder: Path, name: str, *, signed_by: str | None = None, password: bytes | None = None) -> tuple[Path, Path]:
    """Write a certificate and its key, signed by itself or by another one in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = subject, key
    if signed_by is not None:
        issuer = x509.load_pem_x509_certificate((folder / f"{signed_by}.crt").read_bytes()).subject
        loaded = serialization.load_pem_private_key((folder / f"{signed_by}.key").read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer = loaded
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=signed_by is None, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed))
    return paths


def _settings(pair: tuple[Path, Path], **more: object) -> HttpSettings:
    return HttpSettings.model_validate({"tls_certificate_file": pair[0], "tls_key_file": pair[1], **more})


def _trusting(*authorities: Path, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for authority in authorities:
        context.load_verify_locations(cafile=authority)
    if own is not None:
        context.load_cert_chain(*own)
    return context


async def _asked(port: int, context: ssl.SSLContext) -> tuple[int, bytes]:
    async with Caller(port, ssl=context, server_hostname="localhost") as caller:
        await caller.say(GET)
        status, _, body = await caller.answer()
    return status, body


async def test_the_api_speaks_tls_and_knows_it(tmp_path: Path) -> None:
    pair = _pair(tmp_path, "server")
    settings = _settings(pair)
    async with listening(APP, settings, tls.certificate(settings)) as port:
        answer = await _asked(port, _trusting(pair[0]))
        with pytest.raises(ssl.SSLCertVerificationError):
            await _asked(port, ssl.create_default_context())

    assert answer == (200, b"https")


async def test_a_renewed_certificate_is_shown_to_whoever_connects_next(tmp_path: Path) -> None:
    pair = _pair(tmp_path, "server")
    settings = _settings(pair)
    certificate = tls.certificate(settings)
    assert certificate is not None
    async with listening(APP, settings, certificate) as port:
        before = _trusting(pair[0])
        async with Caller(port, ssl=before, server_hostname="localhost") as stays:
            assert await _asked(port, before) == (200, b"https")
            _pair(tmp_path, "server")
            assert certificate.look()
            answer = await _asked(port, _trusting(pair[0]))
            with pytest.raises(ssl.SSLCertVerificationError):
                await _asked(port, before)
            await stays.say(GET)
            kept = await stays.answer()

    assert answer == (200, b"https")
    assert kept[0] == 200


@pytest.mark.parametrize("trouble", ["half", "gone", "nonsense"])
async def test_a_renewal_that_is_broken_leaves_the_old_one_in_force(tmp_path: Path, trouble: str) -> None:
    pair = _pair(tmp_path, "server")
    trusted = _trusting(pair[0])
    settings = _settings(pair)
    certificate = tls.certificate(settings)
    assert certificate is not None
    async with listening(APP, settings, certificate) as port:
        if trouble == "half":
            key = pair[1].read_bytes()
            _pair(tmp_path, "server")
            pair[1].write_bytes(key)
        elif trouble == "gone":
            pair[0].unlink()
        else:
            pair[0].write_text("no certificate")
        assert not certificate.look()
        answer = await _asked(port, trusted)

    assert answer == (200, b"https")


async def test_who_shows_no_certificate_of_ours_is_not_let_in_when_one_is_asked_for(tmp_path: Path) -> None:
    server, authority = _pair(tmp_path, "server"), _pair(tmp_path, "authority")
    ours, stranger = _pair(tmp_path, "worker", signed_by="authority"), _pair(tmp_path, "stranger")
    settings = _settings(server, tls_client_ca_file=authority[0])
    async with listening(APP, settings, tls.certificate(settings)) as port:
        answer = await _asked(port, _trusting(server[0], own=ours))
        for context in (_trusting(server[0]), _trusting(server[0], own=stranger)):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await _asked(port, context)

    assert answer == (200, b"https")


async def test_old_versions_are_not_spoken(tmp_path: Path) -> None:
    pair = _pair(tmp_path, "server")
    settings = _settings(pair, tls_minimum="1.3")
    old = _trusting(pair[0])
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(APP, settings, tls.certificate(settings)) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await _asked(port, old)


def test_a_key_with_a_password_is_opened_by_it_and_never_asked_for_at_a_terminal(tmp_path: Path) -> None:
    pair = _pair(tmp_path, "server", password=b"open sesame")

    assert tls.certificate(_settings(pair, tls_key_password="open sesame")) is not None
    with pytest.raises(ConfigurationError, match="_KEY_PASSWORD"):
        tls.certificate(_settings(pair))


@pytest.mark.parametrize(
    ("without", "said"),
    [("tls_key_file", "both"), ("tls_certificate_file", "both"), ("both", "CLIENT_CA_FILE")],
)
def test_half_of_the_settings_is_refused_at_the_start(tmp_path: Path, without: str, said: str) -> None:
    pair = _pair(tmp_path, "server")
    given = {"tls_certificate_file": pair[0], "tls_key_file": pair[1], "tls_client_ca_file": pair[0]}
    left = {} if without == "both" else {name: path for name, path in given.items() if name != without}
    if without == "both":
        left = {"tls_client_ca_file": pair[0]}
    with pytest.raises(ConfigurationError, match=said):
        tls.certificate(HttpSettings.model_validate(left))


def test_without_settings_the_api_speaks_plain_http() -> None:
    assert tls.certificate(HttpSettings()) is None


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.crt"):
        tls.certificate(_settings((tmp_path / "nowhere.crt", tmp_path / "nowhere.key")))
