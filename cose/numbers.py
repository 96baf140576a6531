"""Registered numbers of CBOR tags, COSE and CWT, one enum per IANA registry.

RFC 9052, 9053, 9360 (X.509), 9596 (typ), 9864 (fully specified algorithms), 8392 (CWT), 9711 (EAT).
"""

from enum import IntEnum


class Tag(IntEnum):
    """CBOR tags (registry "CBOR Tags")."""

    COSE_SIGN1 = 18
    CWT = 61
    COSE_SIGN = 98


class Header(IntEnum):
    """COSE header parameters (registry "COSE Header Parameters")."""

    ALG = 1
    CRIT = 2
    CONTENT_TYPE = 3
    KID = 4
    TYP = 16
    X5BAG = 32
    X5CHAIN = 33
    X5T = 34
    X5U = 35


class Algorithm(IntEnum):
    """COSE algorithms (registry "COSE Algorithms"); this product sends the fully specified ones."""

    ES256 = -7
    EDDSA = -8
    ESP256 = -9
    SHA_256 = -16
    ED25519 = -19
    ES384 = -35
    ES512 = -36
    ESP384 = -51
    ESP512 = -52


class Claim(IntEnum):
    """CWT claims (registry "CBOR Web Token (CWT) Claims")."""

    ISS = 1
    SUB = 2
    AUD = 3
    EXP = 4
    NBF = 5
    IAT = 6
    CTI = 7
    EAT_NONCE = 10
