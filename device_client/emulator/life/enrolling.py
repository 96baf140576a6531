"""EST as a device does it: a certificate for a key made here or by the CA, and the CA's own where it lacks them.

Over DTLS (RFC 9148) or OSCORE, with requests in PKCS#10 or C509, as the account's enrollment profile says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import PrivateKey
from device_client.emulator.life.sessions import Sessions
from device_client.emulator.life.trust import Identity, Peer, Trust
from device_client.emulator.storage.vault import Vault
from device_client.emulator.transport.coap import CoapSession
from device_pki.path import PathError
from enrollment.c509_csr import Possession, build_c509_csr
from enrollment.csr import build_csr
from enrollment.est.client import (
    ServerKey,
    c509_enroll_request,
    c509_server_key_request,
    crts_request,
    enroll_request,
    parse_certificate,
    parse_crts,
    parse_server_key,
    reenroll_request,
    server_key_request,
)
from enrollment.est.paths import CaUri, CaUriError
from enrollment.key_request import build_key_request
from secure_coap.exchange import Request
from trust_transfer.messages.values import EnrollmentProfile


class Enroller:
    """Gets certificates for keys of this device.

    Every method raises one of sessions.TEMPORARY, CoapError for a refusal, EstAnswerError or PathError for an answer
    that must not be used. `identity` authenticates the device: the factory certificate, or the operational one.
    """

    def __init__(self, endpoint: str, sessions: Sessions, trust: Trust, vault: Vault) -> None:
        self._endpoint = endpoint
        self._sessions = sessions
        self._trust = trust
        self._vault = vault

    async def enroll(
        self, authority: Peer, profile: EnrollmentProfile, key: PrivateKey, identity: Identity, *, renew: bool = False
    ) -> x509.Certificate:
        """A checked certificate for `key`; the CAs above it are asked for, and kept, where the truststore lacks them.

        To `renew` is to have had one from this CA: `identity` is the operational certificate then.
        """
        uri = _ca_uri(authority.uri, profile)
        async with self._session(authority, identity) as session:
            request = self._request(session, uri, profile, key, renew=renew)
            certificate = parse_certificate(await session.request(request), key.public_key())
            await self._check(session, uri, certificate, key, authority)
        return certificate

    async def have_key_made(
        self, authority: Peer, profile: EnrollmentProfile, identity: Identity
    ) -> tuple[PrivateKey, x509.Certificate]:
        """A key the CA makes, and its checked certificate (RFC 7030 section 4.4).

        In PKCS#10 the key comes encrypted for the key of `identity`, signed by the EST server; in C509 the association
        protects it. A repeated request makes another key: the CA keeps none.
        """
        uri = _ca_uri(authority.uri, profile)
        own = identity.private_key
        if not isinstance(own, ec.EllipticCurvePrivateKey):
            raise OSError("only a P-256 key can have a private key sent to it")
        async with self._session(authority, identity) as session:
            if profile.request:
                request = c509_server_key_request(uri, build_c509_csr(own, Possession.of(session)))
                made = parse_server_key(await session.request(request))
            else:
                csr = build_key_request(own, self._endpoint, session.channel_binding, encrypted=True)
                made = parse_server_key(await session.request(server_key_request(uri, csr)), own)
                self._check_signer(made, authority)
            await self._check(session, uri, made.certificate, made.private_key, authority)
        return made.private_key, made.certificate

    @asynccontextmanager
    async def _session(self, authority: Peer, identity: Identity) -> AsyncIterator[CoapSession]:
        session = await self._sessions.open(authority, identity)
        try:
            yield session
        finally:
            await session.close()
            self._sessions.report_wire()

    def _request(
        self, session: CoapSession, uri: CaUri, profile: EnrollmentProfile, key: PrivateKey, *, renew: bool
    ) -> Request:
        if profile.request:
            # The session says who asks, so the request need not.
            return c509_enroll_request(uri, build_c509_csr(key, Possession.of(session)), renew=renew)
        csr = build_csr(key, self._endpoint, session.channel_binding)
        return reenroll_request(uri, csr) if renew else enroll_request(uri, csr)

    async def _check(
        self, session: CoapSession, uri: CaUri, certificate: x509.Certificate, key: PrivateKey, authority: Peer
    ) -> None:
        """Raise PathError unless the certificate is this device's, for this key, from this CA."""
        try:
            self._trust.check_own_certificate(certificate, key, self._endpoint, (), authority)
        except PathError:
            authorities = parse_crts(await session.request(crts_request(uri)))
            self._trust.check_own_certificate(certificate, key, self._endpoint, authorities, authority)
            for one in authorities:
                self._vault.keep_certificate(one)

    def _check_signer(self, made: ServerKey, authority: Peer) -> None:
        """Whoever signed the private key is the EST server, or its key is nobody's. Raises PathError."""
        assert made.signer is not None, "an encrypted key is signed"
        self._trust.server_check(authority, self._sessions.origin(authority.uri).host)([made.signer])


def _ca_uri(uri: str, profile: EnrollmentProfile) -> CaUri:
    """Raises OSError for a URI nobody can enroll at like this, as for one this device may not go to."""
    if not uri.startswith(f"{profile.scheme}://"):
        raise OSError(f"no place to enroll by protocol {profile.protocol}: its URIs begin with {profile.scheme}://")
    try:
        return CaUri.parse(uri)
    except CaUriError as error:
        raise OSError(f"no place to enroll: {error}") from error
