"""Reaching a server as its account says: without protection, by a pre-shared key, or by certificates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from device_client.emulator.plain.accounts import Account, SecurityMode
from device_client.emulator.plain.settings import address, check_account
from device_client.emulator.settings import RunSettings
from device_client.emulator.transport.channel import Channel, PlainChannel
from device_client.emulator.transport.coap import CoapSession, RequestHandler, Tuning
from device_client.emulator.transport.dtls import DtlsClient, DtlsCredentials, PskCredentials, VerifyServer
from device_client.emulator.transport.wire import WireMeter
from device_pki.path import PathError, PathReason, verify_path
from device_pki.roles import Role

ANCHOR_USAGES = frozenset({0, 2})
"""Certificate Usage values (0/x/15) by which 0/x/4 is an anchor and not the server's own certificate."""


class CredentialsError(ValueError):
    """An account's credentials are none this device can use."""


async def open_session(
    account: Account,
    settings: RunSettings,
    meter: WireMeter,
    handler: RequestHandler | None,
    *,
    insecure: bool,
) -> CoapSession:
    """A session with this account's server. Raises ChannelError or OSError, also for what the account lacks."""
    try:
        check_account(account, insecure=insecure)
        channel = _channel(account)
    except ValueError as error:
        raise OSError(f"account /0/{account.instance} cannot be used: {error}") from error
    _, host, port = address(account.uri)
    return await CoapSession.open(
        host,
        port,
        channel,
        tuning=Tuning(settings.ack_timeout, settings.max_retransmit),
        meter=meter,
        handshake_timeout=settings.handshake_timeout,
        handler=handler,
    )


def _channel(account: Account) -> Channel:
    match account.mode:
        case SecurityMode.NO_SEC:
            return PlainChannel()
        case SecurityMode.PSK:
            return DtlsClient(PskCredentials(account.identity, account.secret))
        case _:
            return DtlsClient(_certificate_credentials(account))


def _certificate_credentials(account: Account) -> DtlsCredentials:
    key = load_der_private_key(account.secret, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise CredentialsError("the private key is neither on an elliptic curve nor Ed25519")
    _, host, _ = address(account.uri)
    theirs = x509.load_der_x509_certificate(account.server_key)
    check = _by_anchor(theirs, host) if account.usage in ANCHOR_USAGES else _same(theirs)
    return DtlsCredentials(x509.load_der_x509_certificate(account.identity), key, check)


def _by_anchor(anchor: x509.Certificate, host: str) -> VerifyServer:
    def verify(chain: Sequence[x509.Certificate]) -> None:
        verify_path(chain[0], chain[1:], anchors=[anchor], role=Role.SERVER, now=datetime.now(UTC), host=host)

    return verify


def _same(certificate: x509.Certificate) -> Callable[[Sequence[x509.Certificate]], None]:
    """The server's own certificate was given: the domain's issuer does not matter (Core 1.2, 5.2.8.7)."""
    expected = certificate.public_bytes(Encoding.DER)

    def verify(chain: Sequence[x509.Certificate]) -> None:
        if chain[0].public_bytes(Encoding.DER) != expected:
            raise PathError(PathReason.NO_PATH, "this is another certificate than the account's")

    return verify
