"""What authorities elsewhere have in common: they want to see the request, and what they answer is checked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from cose.keys import same_key
from device_pki.keys import KeyKindError, public_key
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from enrollment.ca.backend import CaBackendError
from enrollment.csr import CheckedCsr

AHEAD: Final = timedelta(minutes=1)
"""How much later than it was ordered a certificate may begin to be valid."""


def pkcs10(csr: CheckedCsr) -> bytes:
    """The request (DER) as the device signed it; raise `CaBackendError` when it signed another form."""
    if csr.pkcs10 is None:
        raise CaBackendError("this authority takes PKCS#10 only: have the device make such a request")
    return csr.pkcs10


def checked(
    certificate: x509.Certificate,
    csr: CheckedCsr,
    subject: x509.Name,
    *,
    chain: Sequence[x509.Certificate],
    now: datetime,
) -> x509.Certificate:
    """Return an operational certificate that is what was ordered at `now`; raise `CaBackendError` for any other.

    It may begin to be valid a little later: the order took time, and the authority's clock may be ahead.
    """
    valid = min(max(now, certificate.not_valid_before_utc), now + AHEAD)
    try:
        verify_path(certificate, (), anchors=chain[:1], role=Role.OPERATIONAL_DEVICE, now=valid)
        if certificate.subject != subject or not same_key(public_key(certificate), csr.public_key):
            raise CaBackendError("the authority issued a certificate with another subject or key than it was asked for")
    except (PathError, KeyKindError) as error:
        raise CaBackendError(f"the authority issued a certificate that devices cannot use: {error}") from error
    return certificate
