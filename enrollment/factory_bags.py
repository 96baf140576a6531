"""Taking a bag of factory certificates into a label: each one is checked, the good ones are registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography import x509

from device_pki.fingerprints import fingerprint
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from enrollment.register import EnrollmentRegister, Label


@dataclass(frozen=True, slots=True)
class Refusal:
    """A certificate that was not registered."""

    fingerprint: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class RegisteredBag:
    """What became of a bag."""

    label: Label
    accepted: tuple[bytes, ...]
    refused: tuple[Refusal, ...]


async def register_bag(
    register: EnrollmentRegister,
    certificates: Sequence[x509.Certificate],
    *,
    provider: str,
    uuid: UUID,
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> RegisteredBag:
    """Register the factory certificates that one of the permanent `anchors` issued under the provider's label.

    A repeated bag gives the same result and changes nothing: an entry that was closed stays closed.
    """
    refusals = {fingerprint(certificate): _refusal(certificate, anchors, now) for certificate in certificates}
    good = [certificate for certificate in certificates if refusals[fingerprint(certificate)] is None]
    label = await register.add_devices(provider, uuid, good, now)
    return RegisteredBag(
        label=label,
        accepted=tuple(name for name, reason in refusals.items() if reason is None),
        refused=tuple(Refusal(name, reason) for name, reason in refusals.items() if reason is not None),
    )


def _refusal(certificate: x509.Certificate, anchors: Sequence[x509.Certificate], now: datetime) -> str | None:
    try:
        verify_path(certificate, (), anchors=anchors, role=Role.FACTORY_DEVICE, now=now)
    except PathError as error:
        return str(error)
    return None
