"""The endpoint name of a device, as its certificates carry it (docs/reference/registry.md, "Endpoint name").

A name is read from the subject: serialNumber, else commonName. It is compared byte for byte, never folded or trimmed,
and a subject that holds two candidates has no name at all, so that no two readers can disagree about it.
"""

from __future__ import annotations

import re
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from device_pki.certificates import PARSE_ERRORS

MAX_ENDPOINT_SIZE: Final = 64
"""Characters of the longest endpoint name."""

_ENDPOINT: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


class EndpointNameError(ValueError):
    """A subject or a text that is no endpoint name."""


def check_endpoint_name(name: str) -> str:
    """Return `name` unchanged when it is an endpoint name; raise `EndpointNameError` otherwise."""
    if _ENDPOINT.fullmatch(name) is None:
        raise EndpointNameError("an endpoint name is 1 to 64 characters of A-Z a-z 0-9 . _ : -")
    return name


def endpoint_name(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Return the endpoint name in the subject of a certificate or a certificate request.

    Raises `EndpointNameError` when there is none, more than one, or one with characters outside the alphabet.
    """
    try:
        subject = certificate.subject
    except PARSE_ERRORS as error:
        raise EndpointNameError("the subject cannot be read") from error
    for oid in (NameOID.SERIAL_NUMBER, NameOID.COMMON_NAME):
        values = subject.get_attributes_for_oid(oid)
        if len(values) > 1:
            raise EndpointNameError("the subject names the device twice")
        if values:
            value = values[0].value
            return check_endpoint_name(value if isinstance(value, str) else "")
    raise EndpointNameError("the subject has neither a serialNumber nor a commonName")


def device_subject(endpoint: str) -> x509.Name:
    """Return the subject of a device's certificates and requests: CN and serialNumber, both the endpoint name.

    A serialNumber is a PrintableString, which has no underscore: such a name is in the CN alone.
    """
    check_endpoint_name(endpoint)
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, endpoint)]
    if "_" not in endpoint:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, endpoint))
    return x509.Name(attributes)
