"""CoAP Content-Formats used here (IANA registry of RFC 7252 section 12.3). Others stay plain integers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


@dataclass(frozen=True, slots=True)
class C509Formats:
    """Numbers for what the C509 draft leaves unassigned, where it says TBDn.

    These are 65000 + n, from the range for experiments; whoever uses other ones on both sides gives them.
    """

    certificate: int = 65003
    """application/cose-c509-cert"""
    request: int = 65004
    """application/cose-c509-pkcs10"""
    private_key: int = 65010
    """application/cose-c509-privkey"""
    chain: int = 65015
    """application/cose-c509-cert;usage=chain"""
    reference: int = 65017
    """application/cose-certhash;usage=c509"""
    template: int = 65019
    """application/cose-c509-crtemplate"""


EXPERIMENTAL_C509: Final = C509Formats()


class ContentFormat(IntEnum):
    """Registered identifiers; fields that carry one are `int`, so unregistered values survive."""

    TEXT = 0
    LINK_FORMAT = 40
    OCTET_STREAM = 42
    CBOR = 60
    CWT = 61
    MULTIPART = 62
    EDHOC_CBOR_SEQ = 64
    CID_EDHOC_CBOR_SEQ = 65
    SENML_JSON = 110
    SENML_CBOR = 112
    PKCS7_SERVER_KEYGEN = 280
    PKCS7_CERTS_ONLY = 281
    PKCS8 = 284
    CSRATTRS = 285
    PKCS10 = 286
    PKIX_CERT = 287
    LWM2M_TLV = 11542
    LWM2M_JSON = 11543
    LWM2M_CBOR = 11544
