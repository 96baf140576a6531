"""What an EST server decides, whatever carries its messages: who may have which certificate, for which key.

A label routes and never authorises: what a device may do is decided by its authenticated certificate and the register
(security rules 22, 23). Refusals are the typed errors of the register, of requests, of the authority and of the rates;
each front gives them its own codes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from device_pki.identity import PeerIdentity
from device_pki.keys import KeyKindError, public_key
from device_pki.roles import Role
from enrollment.ca.backend import CaBackend
from enrollment.cms.enveloped import envelop
from enrollment.cms.signed import Signer, sign_key
from enrollment.csr import CheckedCsr, CsrError, CsrReason, build_csr, check_factory_csr
from enrollment.est.paths import EstOperation
from enrollment.est.rates import EnrollmentRates
from enrollment.key_request import KeyRequest, key_identifier
from enrollment.register import DeviceEntry, EnrollmentRefused, EnrollmentRegister, LabelPolicy, RefusalReason

SERVER_KEY_OPERATIONS: Final = frozenset({EstOperation.SERVER_KEY, EstOperation.SERVER_KEY_BARE})
_READING: Final = frozenset({EstOperation.CA_CERTIFICATES, EstOperation.CSR_ATTRIBUTES})


@dataclass(frozen=True, slots=True)
class EstEvent:
    """One answered request, for the log: never a whole label, never key material."""

    operation: EstOperation
    label: str
    """First six characters; empty when the request named none."""
    endpoint: str | None
    outcome: str


Observer = Callable[[EstEvent], None]
"""Takes what happened."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate for a key the device made."""

    certificate: bytes
    """DER."""
    again: bool
    """Had this key the certificate before?"""

    @property
    def outcome(self) -> str:
        """What the log says."""
        return "same certificate again" if self.again else "certificate issued"


@dataclass(frozen=True, slots=True)
class ServerMadeKey:
    """A private key the CA made, with its certificate. It is nowhere else: neither stored nor logged (rule 25)."""

    certificate: bytes
    """DER."""
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    envelope: bytes | None
    """DER of the CMS EnvelopedData of the key, when the request asked for it."""

    @property
    def pkcs8(self) -> bytes:
        """The key in PKCS#8 DER."""
        return _pkcs8(self.key)


@dataclass(slots=True)
class EstService:
    """Decides on requests of authenticated peers."""

    register: EnrollmentRegister
    ca: CaBackend
    clock: Callable[[], datetime]
    observe: Observer
    signer: Signer | None = None
    """Signs the private keys it makes; without one it makes none that must be encrypted."""
    counts: Counter[tuple[EstOperation, str]] = field(default_factory=Counter)
    """Answered requests by operation and by what became of them: a reason's name, or how they ended well."""
    _rates: EnrollmentRates = field(default_factory=EnrollmentRates)

    def succeeded(self, operation: EstOperation, label: str | None, peer: PeerIdentity, outcome: str) -> None:
        """Count and report an answer."""
        self._report(operation, label, peer, outcome, outcome)

    def failed(self, operation: EstOperation, label: str | None, peer: PeerIdentity, error: Exception) -> None:
        """Count and report a refusal: one of the errors this service raises, or a front's own."""
        match error:
            case EnrollmentRefused():
                self._report(operation, label, peer, error.reason.name, error.reason.value)
            case CsrError():
                self._report(operation, label, peer, error.reason.name, str(error))
            case _:
                self._report(operation, label, peer, type(error).__name__, str(error))

    def _report(self, operation: EstOperation, label: str | None, peer: PeerIdentity, kind: str, outcome: str) -> None:
        self.counts[operation, kind] += 1
        self.observe(EstEvent(operation, (label or "")[:6], peer.endpoint, outcome))

    async def entry(self, peer: PeerIdentity, label: str | None, operation: EstOperation) -> DeviceEntry:
        """Return the entry that `peer` speaks for: its own factory certificate's, or its operational certificate's.

        Without a label it is the device's only open one. A request for a certificate is counted. Raises
        `EnrollmentRefused` and `TooOften`.
        """
        if peer.role is Role.FACTORY_DEVICE:
            device = peer.fingerprint
            entry = await self.register.entry(label or await self._only_label(device), device)
        else:
            entry = await self._of_operational(peer, label, operation)
        if operation not in _READING:
            self._rates.admit(entry, self.clock().timestamp())
        if operation in SERVER_KEY_OPERATIONS and not entry.policy.server_keys:
            raise EnrollmentRefused(RefusalReason.SERVER_KEYS)
        return entry

    async def _of_operational(self, peer: PeerIdentity, label: str | None, operation: EstOperation) -> DeviceEntry:
        if peer.role is not Role.OPERATIONAL_DEVICE or operation is EstOperation.SIMPLE_ENROLL:
            raise EnrollmentRefused(RefusalReason.UNKNOWN)
        issued = await self.register.issued(peer.fingerprint)
        if issued.revoked_at is not None:
            raise EnrollmentRefused(RefusalReason.REVOKED)
        if label not in {None, issued.label}:
            raise EnrollmentRefused(RefusalReason.UNKNOWN)
        return await self.register.entry(issued.label, issued.device)

    async def labels(self, peer: PeerIdentity) -> list[tuple[str, list[EstOperation]]]:
        """Return the labels `peer` may use, each with the operations it offers."""
        if peer.role is Role.FACTORY_DEVICE:
            labels = await self.register.open_labels(peer.fingerprint)
            return [(label, offered(await self.register.policy(label))) for label in labels]
        try:
            entry = await self.entry(peer, None, EstOperation.CA_CERTIFICATES)
        except EnrollmentRefused:
            return []
        return [(entry.label, [o for o in offered(entry.policy) if o is not EstOperation.SIMPLE_ENROLL])]

    async def enroll(self, entry: DeviceEntry, csr: CheckedCsr) -> Issued:
        """Return the certificate for the key of a checked request; the same key gets the same one again.

        Raises `EnrollmentRefused` and `CaBackendError`.
        """
        now = self.clock()
        known = await self.register.certificate_for(entry, csr.key_thumbprint, now)
        if known is not None:
            return Issued(known, again=True)
        return Issued(await self._issue(entry, csr, now), again=False)

    async def make_key(self, entry: DeviceEntry, request: KeyRequest, peer: PeerIdentity) -> ServerMadeKey:
        """Make a P-256 key and its certificate; each call makes new ones, for the last key is nowhere any more.

        Raises like `enroll`, and `CsrError` when the request names a key for encryption that is not the session's.
        """
        now = self.clock()
        envelope = None if request.encrypt_for is None else self._envelope(request.encrypt_for, peer)
        key = ec.generate_private_key(ec.SECP256R1())
        csr = check_factory_csr(build_csr(key, entry.endpoint))
        if await self.register.certificate_for(entry, csr.key_thumbprint, now) is not None:
            raise LookupError("a key made just now has a certificate already")
        certificate = await self._issue(entry, csr, now)
        return ServerMadeKey(certificate, key, None if envelope is None else envelope(_pkcs8(key)))

    async def _only_label(self, device: bytes) -> str:
        labels = await self.register.open_labels(device)
        if len(labels) != 1:
            raise EnrollmentRefused(RefusalReason.NO_LABEL)
        return labels[0]

    async def _issue(self, entry: DeviceEntry, csr: CheckedCsr, now: datetime) -> bytes:
        subject = x509.load_der_x509_certificate(entry.certificate).subject
        issued = await self.ca.issue_operational(csr, subject, now)
        return await self.register.record(entry, csr.key_thumbprint, issued, now)

    def _envelope(self, wanted: bytes, peer: PeerIdentity) -> Callable[[bytes], bytes]:
        """What encrypts for the key that authenticated the session: the only key known to be the device's."""
        signer = self.signer
        try:
            key = public_key(peer.certificate)
        except KeyKindError as error:
            raise CsrError(CsrReason.DECRYPT_KEY, str(error)) from error
        if signer is None or not isinstance(key, ec.EllipticCurvePublicKey) or key_identifier(key) != wanted:
            raise CsrError(CsrReason.DECRYPT_KEY, "name the EC key this session is authenticated with")
        return lambda pkcs8: envelop(sign_key(pkcs8, signer), key, wanted)


def _pkcs8(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def offered(policy: LabelPolicy) -> list[EstOperation]:
    """Return the operations a label offers."""
    return [o for o in EstOperation if policy.server_keys or o not in SERVER_KEY_OPERATIONS]
