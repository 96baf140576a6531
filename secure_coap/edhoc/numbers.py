"""Registered numbers of EDHOC (RFC 9528 section 10), one enum per registry."""

from enum import IntEnum


class Method(IntEnum):
    """How initiator and responder authenticate: by signature or by a static Diffie-Hellman key (table 4)."""

    SIGNATURE_SIGNATURE = 0
    SIGNATURE_STATIC = 1
    STATIC_SIGNATURE = 2
    STATIC_STATIC = 3

    @property
    def initiator_signs(self) -> bool:
        """Whether the initiator authenticates by signature."""
        return self in (Method.SIGNATURE_SIGNATURE, Method.SIGNATURE_STATIC)

    @property
    def responder_signs(self) -> bool:
        """Whether the responder authenticates by signature."""
        return self in (Method.SIGNATURE_SIGNATURE, Method.STATIC_SIGNATURE)


class CipherSuite(IntEnum):
    """Cipher suites (table 5)."""

    X25519_CCM_8 = 0
    X25519_CCM_16 = 1
    P256_CCM_8 = 2
    P256_CCM_16 = 3


class ErrorCode(IntEnum):
    """Codes of error messages (table 3)."""

    SUCCESS = 0
    UNSPECIFIED = 1
    WRONG_CIPHER_SUITE = 2
    UNKNOWN_CREDENTIAL = 3


class ExporterLabel(IntEnum):
    """Labels of EDHOC_Exporter (table 6)."""

    OSCORE_MASTER_SECRET = 0
    OSCORE_MASTER_SALT = 1
    EDHOC_UNIQUE = 0x8000
    """The first label for private use."""


class EadLabel(IntEnum):
    """Labels of external authorization data (section 3.8)."""

    PADDING = 0
    """An item that only takes room (section 3.8.1)."""


class KdfLabel(IntEnum):
    """Labels of EDHOC_KDF in the key schedule (figure 6 and section 4.2)."""

    KEYSTREAM_2 = 0
    SALT_3E2M = 1
    MAC_2 = 2
    K_3 = 3
    IV_3 = 4
    SALT_4E3M = 5
    MAC_3 = 6
    PRK_OUT = 7
    K_4 = 8
    IV_4 = 9
    PRK_EXPORTER = 10
    KEY_UPDATE = 11


class CredentialHeader(IntEnum):
    """COSE header parameters that identify credentials (section 3.5.3; COSE registry; C509 draft for those of C509)."""

    KID = 4
    KCWT = 13
    KCCS = 14
    C5T = 22
    C5U = 23
    C5B = 24
    C5C = 25
    X5BAG = 32
    X5CHAIN = 33
    X5T = 34
    X5U = 35
