"""An EST server on a register in a temporary database, with sessions that need no sockets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import PrivateKey, PublicKey, generate_private_key
from device_pki.fingerprints import fingerprint
from device_pki.identity import PeerIdentity
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.ca.backend import CaBackendError
from enrollment.ca.builtin import BuiltinCa
from enrollment.cms.signed import Signer
from enrollment.csr import CheckedCsr, build_csr
from enrollment.est.paths import CaUri
from enrollment.est.server import EstServer
from enrollment.est.service import EstEvent
from enrollment.register import LabelPolicy
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister
from lwm2m_server.testing.register_contract import UUIDS
from secure_coap.association import Transport
from secure_coap.errors import CoapError
from secure_coap.exchange import Request, Response
from secure_coap.numbers import EXPERIMENTAL_C509, C509Formats
from tests.device_pki.builders import HARDWARE, NOW, Authority, Device, root


@dataclass(frozen=True, slots=True)
class Session:
    """An association as the EST server sees it."""

    peer: PeerIdentity | None
    channel_binding: bytes = bytes(range(12))
    key: bytes = bytes(16)
    remote: tuple[str, int] = ("192.0.2.1", 5684)
    opened_at: float = 0.0
    transport: Transport = Transport.DTLS
    responder_key: ec.EllipticCurvePrivateKey | None = None


class CountingCa:
    """The built-in CA, counting its signatures; it can be out of service, or take its time."""

    def __init__(self, authority: Authority) -> None:
        self.calls = 0
        self.down = False
        self.pending_calls = 0
        self._inner = BuiltinCa(
            authority.issuer, authority.above, timedelta(days=90), timedelta(days=1), hardware_type=HARDWARE
        )

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        return self._inner.chain

    @property
    def earlier(self) -> tuple[x509.Certificate, ...]:
        return self._inner.earlier

    @property
    def points(self) -> Collection[str]:
        return self._inner.points

    async def issue_operational(self, csr: CheckedCsr, subject: x509.Name, now: datetime) -> x509.Certificate:
        self.calls += 1
        if self.down:
            raise CaBackendError("down")
        if self.pending_calls:
            self.pending_calls -= 1
            raise CaBackendError("not decided yet", retry_after=90)
        return await self._inner.issue_operational(csr, subject, now)

    async def issue_factory(self, csr: CheckedCsr, now: datetime) -> x509.Certificate:
        self.calls += 1
        return await self._inner.issue_factory(csr, now)

    async def issue_responder(
        self, issuer: x509.Certificate, key: PublicKey, lifetime: timedelta, now: datetime
    ) -> x509.Certificate:
        self.calls += 1
        if self.down:
            raise CaBackendError("down")
        return await self._inner.issue_responder(issuer, key, lifetime, now)

    async def earlier_lists(
        self, revoked: Mapping[int, datetime], number: int, now: datetime
    ) -> Sequence[tuple[x509.Certificate, bytes]]:
        return await self._inner.earlier_lists(revoked, number, now)

    async def revocation_list(self, revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        self.calls += 1
        return await self._inner.revocation_list(revoked, number, now)


@dataclass
class EstWorld:
    """A permanent CA, CA1 beneath it, and the server of CA1 with one registered device."""

    database: Database
    permanent: Authority = field(default_factory=root)
    events: list[EstEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ca1 = self.permanent.sub("CA1")
        self.ca = CountingCa(self.ca1)
        self.register = SqlEnrollmentRegister(self.database)
        self.now = NOW
        key = self.ca1.issuer.private_key
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.signer = Signer(self.ca1.certificate, key)
        self.configure()
        self.device = self.permanent.device("dev-1")

    def configure(self, c509: C509Formats = EXPERIMENTAL_C509) -> None:
        self.server = EstServer(
            self.register,
            self.ca,
            clock=lambda: self.now,
            observe=self.events.append,
            signer=self.signer,
            c509=c509,
        )

    async def label(self, number: int = 0, *devices: Device) -> CaUri:
        certificates = [device.certificate for device in devices or (self.device,)]
        label = await self.register.add_devices("sp1", UUIDS[number], certificates, NOW)
        return CaUri.parse(f"coaps://ca1.example/est/{label.text}")

    async def allow(self, number: int = 0, **policy: Any) -> None:
        await self.register.set_policy("sp1", UUIDS[number], LabelPolicy(**policy), NOW)

    async def close(self, number: int = 0, device: Device | None = None) -> None:
        label = await self.register.label("sp1", UUIDS[number])
        name = fingerprint((device or self.device).certificate)
        await self.register.set_entry(label.text, name, open_=False, revoke=None, now=NOW)

    def factory(self, device: Device | None = None) -> Session:
        certificate = (device or self.device).certificate
        anchors = [self.permanent.certificate]
        return Session(
            PeerIdentity.of(verify_path(certificate, [], anchors=anchors, role=Role.FACTORY_DEVICE, now=NOW))
        )

    def compact(self, device: Device | None = None) -> Session:
        """The factory certificate's session by EDHOC, at the server."""
        peer, binding = self.factory(device).peer, bytes(range(32))
        key = ec.generate_private_key(ec.SECP256R1())
        return Session(peer, binding, transport=Transport.OSCORE, responder_key=key)

    def operational(self, certificate: x509.Certificate) -> Session:
        anchors = [self.ca1.certificate]
        return Session(
            PeerIdentity.of(verify_path(certificate, [], anchors=anchors, role=Role.OPERATIONAL_DEVICE, now=NOW))
        )

    async def ask(self, request: Request, session: Session) -> Response:
        """Answer as an endpoint would: errors become responses."""
        try:
            return await self.server.handle(request, session)
        except CoapError as error:
            return Response.of_error(error)

    def csr(self, session: Session, key: PrivateKey | None = None, endpoint: str | None = None) -> bytes:
        name = endpoint or (session.peer and session.peer.endpoint) or "dev-1"
        return build_csr(key or generate_private_key(), name, session.channel_binding)
