"""Open sessions whose certificate no longer counts: what is final for the device, and what is our own trouble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509

from cose.keys import generate_private_key, thumbprint
from device_pki import issue
from device_pki.identity import PeerIdentity
from device_pki.issue import Issuer, Validity
from device_pki.names import device_subject
from device_pki.roles import Role
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.admission import BookAdmission
from lwm2m_server.fleet.trust import DeviceTrust
from lwm2m_server.server.revocation import DeviceRevocation
from lwm2m_server.store.database import Database
from secure_coap.errors import CoapError, ServiceUnavailable, Unauthorized

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
CA_KEY, DEVICE_KEY = generate_private_key(), generate_private_key()
CA = Issuer(issue.root_ca(CA_KEY, "ca", Validity.lasting(NOW, 10 * DAY)), CA_KEY)
CERTIFICATE = issue.operational_device(
    CA, DEVICE_KEY.public_key(), device_subject("dev-1"), Validity.lasting(NOW, 5 * DAY)
)
PEER = PeerIdentity(
    CERTIFICATE,
    (CERTIFICATE, CA.certificate),
    thumbprint(DEVICE_KEY.public_key()),
    "dev-1",
    Role.OPERATIONAL_DEVICE,
)


@dataclass(slots=True)
class Session:
    peer: PeerIdentity = PEER


def trust(folder: Path, at: datetime, revoked: Sequence[x509.Certificate] = (), *, listed: bool = True) -> DeviceTrust:
    """What a server knows at `at` that has taken the CA's list of today, or none at all."""
    when = [NOW]
    clock = Clock(lambda: when[0].timestamp())
    known = DeviceTrust(DeviceRevocation([CA.certificate], clock), [CA.certificate], folder / "crls.cbor", clock)
    if listed:
        serials = {certificate.serial_number: NOW for certificate in revoked}
        known.update(issue.revocation_list(CA, serials, 1, NOW, NOW + DAY))
    when[0] = at
    return known


@pytest.mark.parametrize(
    ("at", "revoked", "listed", "error"),
    [
        (NOW, [CERTIFICATE], True, Unauthorized),
        (NOW + 6 * DAY, [], True, Unauthorized),
        (NOW + 2 * DAY, [], True, ServiceUnavailable),
        (NOW, [], False, ServiceUnavailable),
    ],
    ids=["revoked", "expired", "stale list", "no list"],
)
async def test_only_the_devices_own_fault_is_final(
    tmp_path: Path, at: datetime, revoked: list[x509.Certificate], listed: bool, error: type[CoapError]
) -> None:
    """A 4.01 to a registering device ends its transfer for good; our CA being down must not (rule 12)."""
    database = await Database.open(tmp_path / "server.db")
    admission = BookAdmission(database, trust(tmp_path, at, revoked, listed=listed), Clock(), backdate=300)
    with pytest.raises(error):
        admission.check(cast("Any", Session()))
    await database.close()
