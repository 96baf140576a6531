"""EST-coaps as a device does it: a certificate for a key made here, and the CA's own where it lacks them (RFC 9148)."""

from __future__ import annotations

from cryptography import x509

from cose.keys import PrivateKey
from device_client.emulator.life.sessions import Sessions
from device_client.emulator.life.trust import Identity, Peer, Trust
from device_client.emulator.storage.vault import Vault
from device_client.emulator.transport.coap import CoapSession
from device_pki.path import PathError
from enrollment.csr import build_csr
from enrollment.est.client import crts_request, enroll_request, parse_certificate, parse_crts, reenroll_request
from enrollment.est.paths import CaUri, CaUriError
from trust_transfer.messages.values import EnrollmentProfile


class Enroller:
    """Gets certificates for keys of this device."""

    def __init__(self, endpoint: str, sessions: Sessions, trust: Trust, vault: Vault) -> None:
        self._endpoint = endpoint
        self._sessions = sessions
        self._trust = trust
        self._vault = vault

    async def enroll(
        self, authority: Peer, profile: EnrollmentProfile, key: PrivateKey, identity: Identity, *, renew: bool = False
    ) -> x509.Certificate:
        """A checked certificate for `key`; the CAs above it are asked for, and kept, where the truststore lacks them.

        `identity` authenticates the device: the factory certificate, or to `renew` the operational one. Raises one of
        sessions.TEMPORARY, CoapError for a refusal, EstAnswerError or PathError for a certificate that is none.
        """
        uri = _ca_uri(authority.uri, profile)
        session = await self._sessions.open(authority, identity)
        try:
            return await self._enroll(session, uri, authority, key, renew=renew)
        finally:
            await session.close()
            self._sessions.report_wire()

    async def _enroll(
        self, session: CoapSession, uri: CaUri, authority: Peer, key: PrivateKey, *, renew: bool
    ) -> x509.Certificate:
        csr = build_csr(key, self._endpoint, session.channel_binding)
        request = reenroll_request(uri, csr) if renew else enroll_request(uri, csr)
        certificate = parse_certificate(await session.request(request), key.public_key())
        try:
            self._trust.check_own_certificate(certificate, key, self._endpoint, (), authority)
        except PathError:
            authorities = parse_crts(await session.request(crts_request(uri)))
            self._trust.check_own_certificate(certificate, key, self._endpoint, authorities, authority)
            for one in authorities:
                self._vault.keep_certificate(one)
        return certificate


def _ca_uri(uri: str, profile: EnrollmentProfile) -> CaUri:
    """Raises OSError for a URI nobody can enroll at like this, as for one this device may not go to."""
    if not uri.startswith(f"{profile.scheme}://"):
        raise OSError(f"no place to enroll by protocol {profile.protocol}: its URIs begin with {profile.scheme}://")
    try:
        return CaUri.parse(uri)
    except CaUriError as error:
        raise OSError(f"no place to enroll: {error}") from error
