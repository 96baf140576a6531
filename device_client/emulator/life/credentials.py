"""As whom the device shows itself: its factory certificate, and the operational one of its present provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PrivateKey, thumbprint
from device_client.emulator.life.enrolling import Enroller
from device_client.emulator.life.host import TransferHost
from device_client.emulator.life.renewal import Validity
from device_client.emulator.life.trust import Identity, Peer, Trust, beneath_permanent
from device_client.emulator.storage.identity import FactoryRecord
from device_client.emulator.storage.preferences import PreferencesFile
from device_client.emulator.storage.vault import Vault
from device_pki.keys import public_key
from device_pki.roles import Role
from trust_transfer.device.events import CredentialRenewed
from trust_transfer.messages.numbers import AnchorRole, Result

REFUSALS_OF_A_KEY = 3
"""Times the server may refuse a key's new certificate before the device asks for one for another key."""


class EnrollmentState(IntEnum):
    """Resource 33002/8."""

    IDLE = 0
    ENROLLING = 1


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh certificate that is not yet in use."""

    identity: Identity
    replaces: bytes | None
    """The operational key (thumbprint) the device had when it asked."""

    @property
    def key(self) -> bytes:
        return thumbprint(public_key(self.identity.certificate))


class Credentials:
    """Certificates of one device, and how it gets new ones from its present provider's CA."""

    def __init__(
        self,
        *,
        factory: FactoryRecord,
        host: TransferHost,
        vault: Vault,
        trust: Trust,
        enroller: Enroller,
        preferences: PreferencesFile,
        now: Callable[[], int],
        renew_at: float,
    ) -> None:
        self._factory = factory
        self._host = host
        self._vault = vault
        self._trust = trust
        self._enroller = enroller
        self._preferences = preferences
        self._now = now
        self._renew_at = renew_at
        self._refusals = 0
        self._made: Issued | None = None
        """With a key that the CA made and that is not in use yet: it cannot be sent again."""
        self.state = EnrollmentState.IDLE
        self.result = Result.NONE

    def factory(self) -> Identity:
        """The identity the device was born with."""
        certificate = self._factory.require().certificate
        return Identity(certificate, self._vault.key(self._factory.key_thumbprint), well_known=True)

    def certified(self, key: bytes, certificate: bytes) -> Identity:
        """The identity of one of the device's keys with its certificate (DER)."""
        parsed = x509.load_der_x509_certificate(certificate)
        return Identity(parsed, self._vault.key(key), self._trust.chain_of(parsed))

    def operational(self) -> Identity | None:
        """The identity with the present provider; None before enrollment."""
        account = self._host.record.account
        if account.credential is None or account.certificate is None:
            return None
        return self.certified(account.credential, account.certificate)

    def certificate(self) -> x509.Certificate | None:
        """The operational certificate alone; None before enrollment."""
        der = self._host.record.account.certificate
        return None if der is None else x509.load_der_x509_certificate(der)

    def renewal_in(self) -> float | None:
        """Seconds until the operational certificate is due for renewal (0: now); None without one."""
        certificate = self.certificate()
        if certificate is None:
            return None
        due = _validity(certificate).renewal_time(self._renew_at, self._preferences.now.renew_before)
        return max(0.0, due - self._now())

    async def obtain(self, identity: Identity, *, renew: bool) -> Issued:
        """A certificate from the present provider's CA for another key; a repeated try asks for the same key again.

        Raises what Enroller raises.
        """
        self.state = EnrollmentState.ENROLLING
        try:
            issued = await self._issued(identity, renew=renew)
        except Exception:
            self.result = Result.ENROLLMENT_REFUSED
            raise
        finally:
            self.state = EnrollmentState.IDLE
        self.result = Result.NONE
        return issued

    async def _issued(self, identity: Identity, *, renew: bool) -> Issued:
        account = self._host.record.account
        authority, replaces = self._authority(), account.credential
        if account.profile.keygen:
            if self._made is None or self._made.replaces != replaces:
                key, certificate = await self._enroller.have_key_made(authority, account.profile, identity)
                self._made = self._issue(self._vault.keep_key(key), certificate, replaces)
            return self._made
        name, key = self._candidate()
        certificate = await self._enroller.enroll(authority, account.profile, key, identity, renew=renew)
        return self._issue(name, certificate, replaces)

    def _issue(self, name: bytes, certificate: x509.Certificate, replaces: bytes | None) -> Issued:
        return Issued(self.certified(name, certificate.public_bytes(Encoding.DER)), replaces)

    def adopt(self, issued: Issued) -> None:
        """Make the fresh certificate the device's own; the key before it is erased afterwards."""
        certificate = issued.identity.certificate
        self._host.handle(
            CredentialRenewed(
                key=issued.key,
                certificate=certificate.public_bytes(Encoding.DER),
                not_before=int(certificate.not_valid_before_utc.timestamp()),
                replaces=issued.replaces,
            )
        )
        self._forget_candidate()

    def refused(self) -> None:
        """The server took neither the fresh certificate nor its key: after some times of it the next one gets another
        key. The one in use is not touched.
        """
        self._refusals += 1
        if self._refusals >= REFUSALS_OF_A_KEY:
            self._forget_candidate()

    def forget_volatile(self) -> None:
        """What a restart loses: a key that the CA made and that was never used."""
        self._made = None

    def _forget_candidate(self) -> None:
        """What became of the key is decided; one that is not in use is erased at the next start or adoption."""
        self._refusals = 0
        self._made = None
        self._preferences.change(candidate=None)

    def _candidate(self) -> tuple[bytes, PrivateKey]:
        """The key a certificate is being asked for: named durably before its request leaves the device."""
        name = self._preferences.now.candidate
        if name is not None and self._vault.has_key(name):
            return name, self._vault.key(name)
        name, key = self._vault.make_key()
        self._preferences.change(candidate=name)
        return name, key

    def _authority(self) -> Peer:
        account = self._host.record.account
        anchors = account.anchors_for(AnchorRole.ENROLL)
        beneath = beneath_permanent(account.anchors)
        return Peer(account.enroll_uri, Role.EST_SERVER, anchors, beneath, account.pinned_key)


def _validity(certificate: x509.Certificate) -> Validity:
    return Validity(
        begin=int(certificate.not_valid_before_utc.timestamp()),
        end=int(certificate.not_valid_after_utc.timestamp()),
        seed=certificate.public_bytes(Encoding.DER),
    )
