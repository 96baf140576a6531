"""The registered numbers of C509 (draft-ietf-cose-cbor-encoded-cert-20, section 8).

Every enum maps a number to the object identifier it stands for.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import Self

from cryptography import x509


class CertificateType(enum.IntEnum):
    """What the signature covers (8.2): the CBOR, or the DER the certificate was re-encoded from."""

    NATIVE = 2
    RE_ENCODED = 3


class RequestType(enum.IntEnum):
    """What the signature of a certification request covers (8.3)."""

    NATIVE = 2
    RE_ENCODED = 3


class Registered(enum.IntEnum):
    """A number with an object identifier."""

    oid: x509.ObjectIdentifier

    def __new__(cls, value: int, oid: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.oid = x509.ObjectIdentifier(oid)
        return member

    @classmethod
    def of(cls, oid: x509.ObjectIdentifier) -> Self | None:
        """Return the member that stands for `oid`, or None."""
        return cls._by_oid().get(oid)

    @classmethod
    @cache
    def _by_oid(cls) -> dict[x509.ObjectIdentifier, Self]:
        return {member.oid: member for member in cls}

    @classmethod
    def numbered(cls, number: int) -> Self | None:
        """Return the member of a number, or None."""
        return cls._value2member_map_.get(number)  # type: ignore[return-value]  # the map holds members of cls


class Attribute(Registered):
    """Attributes of relative distinguished names (8.6)."""

    EMAIL_ADDRESS = 0, "1.2.840.113549.1.9.1"
    COMMON_NAME = 1, "2.5.4.3"
    SURNAME = 2, "2.5.4.4"
    SERIAL_NUMBER = 3, "2.5.4.5"
    COUNTRY = 4, "2.5.4.6"
    LOCALITY = 5, "2.5.4.7"
    STATE_OR_PROVINCE = 6, "2.5.4.8"
    STREET_ADDRESS = 7, "2.5.4.9"
    ORGANIZATION = 8, "2.5.4.10"
    ORGANIZATIONAL_UNIT = 9, "2.5.4.11"
    TITLE = 10, "2.5.4.12"
    BUSINESS_CATEGORY = 11, "2.5.4.15"
    POSTAL_CODE = 12, "2.5.4.17"
    GIVEN_NAME = 13, "2.5.4.42"
    INITIALS = 14, "2.5.4.43"
    GENERATION_QUALIFIER = 15, "2.5.4.44"
    DN_QUALIFIER = 16, "2.5.4.46"
    PSEUDONYM = 17, "2.5.4.65"
    ORGANIZATION_IDENTIFIER = 18, "2.5.4.97"
    JURISDICTION_LOCALITY = 19, "1.3.6.1.4.1.311.60.2.1.1"
    JURISDICTION_STATE_OR_PROVINCE = 20, "1.3.6.1.4.1.311.60.2.1.2"
    JURISDICTION_COUNTRY = 21, "1.3.6.1.4.1.311.60.2.1.3"
    DOMAIN_COMPONENT = 22, "0.9.2342.19200300.100.1.25"
    NAME = 25, "2.5.4.41"
    TELEPHONE_NUMBER = 26, "2.5.4.20"
    DMD_NAME = 27, "2.5.4.54"
    USER_ID = 28, "0.9.2342.19200300.100.1.1"
    UNSTRUCTURED_NAME = 29, "1.2.840.113549.1.9.2"
    UNSTRUCTURED_ADDRESS = 30, "1.2.840.113549.1.9.8"


class RequestAttribute(Registered):
    """Attributes of certification requests (8.7)."""

    EXTENSION_REQUEST = 0, "1.2.840.113549.1.9.14"
    CHALLENGE_PASSWORD = 1, "1.2.840.113549.1.9.7"
    PRIVATE_KEY_POSSESSION_STATEMENT = 2, "1.3.6.1.4.1.22112.2.1"


class Extension(Registered):
    """Certificate extensions (8.8)."""

    SUBJECT_KEY_IDENTIFIER = 1, "2.5.29.14"
    KEY_USAGE = 2, "2.5.29.15"
    SUBJECT_ALT_NAME = 3, "2.5.29.17"
    BASIC_CONSTRAINTS = 4, "2.5.29.19"
    CRL_DISTRIBUTION_POINTS = 5, "2.5.29.31"
    CERTIFICATE_POLICIES = 6, "2.5.29.32"
    AUTHORITY_KEY_IDENTIFIER = 7, "2.5.29.35"
    EXTENDED_KEY_USAGE = 8, "2.5.29.37"
    AUTHORITY_INFO_ACCESS = 9, "1.3.6.1.5.5.7.1.1"
    SUBJECT_DIRECTORY_ATTRIBUTES = 24, "2.5.29.9"
    ISSUER_ALT_NAME = 25, "2.5.29.18"
    NAME_CONSTRAINTS = 26, "2.5.29.30"
    POLICY_MAPPINGS = 27, "2.5.29.33"
    POLICY_CONSTRAINTS = 28, "2.5.29.36"
    FRESHEST_CRL = 29, "2.5.29.46"
    INHIBIT_ANY_POLICY = 30, "2.5.29.54"
    SUBJECT_INFO_ACCESS = 31, "1.3.6.1.5.5.7.1.11"
    IP_ADDR_BLOCKS = 32, "1.3.6.1.5.5.7.1.7"
    AS_IDENTIFIERS = 33, "1.3.6.1.5.5.7.1.8"
    IP_ADDR_BLOCKS_V2 = 34, "1.3.6.1.5.5.7.1.28"
    AS_IDENTIFIERS_V2 = 35, "1.3.6.1.5.5.7.1.29"
    OCSP_NO_CHECK = 36, "1.3.6.1.5.5.7.48.1.5"
    PRECERTIFICATE_SIGNING = 37, "1.3.6.1.4.1.11129.2.4.3"
    TLS_FEATURES = 38, "1.3.6.1.5.5.7.1.24"


class CertificatePolicy(Registered):
    """Certificate policies (8.9)."""

    ANY_POLICY = 0, "2.5.29.32.0"
    DOMAIN_VALIDATED = 1, "2.23.140.1.2.1"
    ORGANIZATION_VALIDATED = 2, "2.23.140.1.2.2"
    INDIVIDUAL_VALIDATED = 3, "2.23.140.1.2.3"
    EXTENDED_VALIDATION = 4, "2.23.140.1.1"
    RPKI = 7, "1.3.6.1.5.5.7.14.2"
    RPKI_V2 = 8, "1.3.6.1.5.5.7.14.3"
    RSP_CERTIFICATE_ISSUER = 24, "2.23.146.1.2.1.0"
    RSP_EUICC_V2 = 25, "2.23.146.1.2.1.1"
    RSP_EUICC = 26, "2.23.146.1.2.1.0.0.0.0.0"
    RSP_EUICC_MANUFACTURER_V2 = 27, "2.23.146.1.2.1.2"
    RSP_EUICC_MANUFACTURER = 28, "2.23.146.1.2.1.0.0.0"
    RSP_DP_TLS_V2 = 29, "2.23.146.1.2.1.3"
    RSP_DP_TLS = 30, "2.23.146.1.2.1.0.0.1.0"
    RSP_DP_AUTH_V2 = 31, "2.23.146.1.2.1.4"
    RSP_DP_AUTH = 32, "2.23.146.1.2.1.0.0.1.1"
    RSP_DP_PROFILE_BINDING_V2 = 33, "2.23.146.1.2.1.5"
    RSP_DP_PROFILE_BINDING = 34, "2.23.146.1.2.1.0.0.1.2"
    RSP_DS_TLS_V2 = 35, "2.23.146.1.2.1.6"
    RSP_DS_TLS = 36, "2.23.146.1.2.1.0.0.2.0"
    RSP_DS_AUTH_V2 = 37, "2.23.146.1.2.1.7"
    RSP_DS_AUTH = 38, "2.23.146.1.2.1.0.0.2.1"


class PolicyQualifier(Registered):
    """Policy qualifiers (8.10)."""

    CPS = 1, "1.3.6.1.5.5.7.2.1"
    USER_NOTICE = 2, "1.3.6.1.5.5.7.2.2"


class AccessMethod(Registered):
    """Access methods of the information access extensions (8.11)."""

    OCSP = 1, "1.3.6.1.5.5.7.48.1"
    CA_ISSUERS = 2, "1.3.6.1.5.5.7.48.2"
    TIME_STAMPING = 3, "1.3.6.1.5.5.7.48.3"
    CA_REPOSITORY = 5, "1.3.6.1.5.5.7.48.5"
    RPKI_MANIFEST = 10, "1.3.6.1.5.5.7.48.10"
    SIGNED_OBJECT = 11, "1.3.6.1.5.5.7.48.11"
    RPKI_NOTIFY = 13, "1.3.6.1.5.5.7.48.13"


class KeyPurpose(Registered):
    """Extended key usages (8.12)."""

    ANY = 0, "2.5.29.37.0"
    SERVER_AUTH = 1, "1.3.6.1.5.5.7.3.1"
    CLIENT_AUTH = 2, "1.3.6.1.5.5.7.3.2"
    CODE_SIGNING = 3, "1.3.6.1.5.5.7.3.3"
    EMAIL_PROTECTION = 4, "1.3.6.1.5.5.7.3.4"
    TIME_STAMPING = 8, "1.3.6.1.5.5.7.3.8"
    OCSP_SIGNING = 9, "1.3.6.1.5.5.7.3.9"
    PKINIT_CLIENT_AUTH = 10, "1.3.6.1.5.2.3.4"
    PKINIT_KDC = 11, "1.3.6.1.5.2.3.5"
    SSH_CLIENT = 12, "1.3.6.1.5.5.7.3.21"
    SSH_SERVER = 13, "1.3.6.1.5.5.7.3.22"
    BUNDLE_SECURITY = 14, "1.3.6.1.5.5.7.3.35"
    CMC_CA = 15, "1.3.6.1.5.5.7.3.27"
    CMC_RA = 16, "1.3.6.1.5.5.7.3.28"
    CMC_ARCHIVE = 17, "1.3.6.1.5.5.7.3.29"
    CM_KGA = 18, "1.3.6.1.5.5.7.3.32"
    CERTIFICATE_TRANSPARENCY = 19, "1.3.6.1.4.1.11129.2.4.4"
    WISUN_FAN_DEVICE = 20, "1.3.6.1.4.1.45605.1"


class OtherName(Registered):
    """otherName forms with a general name number of their own (8.13)."""

    MAC_ADDRESS = -3, "1.3.6.1.5.5.7.8.12"
    SMTP_UTF8_MAILBOX = -2, "1.3.6.1.5.5.7.8.9"
    HARDWARE_MODULE_NAME = -1, "1.3.6.1.5.5.7.8.4"


class GeneralNameType(enum.IntEnum):
    """General names by their tag in RFC 5280 (8.13); the forms of `OtherName` have negative numbers."""

    OTHER_NAME = 0
    RFC822_NAME = 1
    DNS_NAME = 2
    DIRECTORY_NAME = 4
    URI = 6
    IP_ADDRESS = 7
    REGISTERED_ID = 8
