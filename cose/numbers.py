"""Registered numbers of CBOR tags, COSE and CWT, one enum per IANA registry.

RFC 9052, 9053, 8778 (HSS-LMS), 9360 (X.509), 9459 (CTR), 9596 (typ), 9864 (fully specified algorithms), 8392 (CWT),
9711 (EAT).
"""

from enum import IntEnum


class Tag(IntEnum):
    """CBOR tags (registry "CBOR Tags")."""

    COSE_ENCRYPT0 = 16
    COSE_MAC0 = 17
    COSE_SIGN1 = 18
    CWT = 61
    COSE_ENCRYPT = 96
    COSE_MAC = 97
    COSE_SIGN = 98


class Header(IntEnum):
    """COSE header parameters (registry "COSE Header Parameters")."""

    ALG = 1
    CRIT = 2
    CONTENT_TYPE = 3
    KID = 4
    IV = 5
    TYP = 16
    X5BAG = 32
    X5CHAIN = 33
    X5T = 34
    X5U = 35
    EPHEMERAL_KEY = -1


class Algorithm(IntEnum):
    """COSE algorithms (registry "COSE Algorithms"); this product sends the fully specified ones."""

    A128GCM = 1
    A192GCM = 2
    A256GCM = 3
    HMAC_256 = 5
    CHACHA20_POLY1305 = 24
    A128KW = -3
    A192KW = -4
    A256KW = -5
    ES256 = -7
    EDDSA = -8
    ESP256 = -9
    SHA_256_64 = -15
    SHA_256 = -16
    ED25519 = -19
    ECDH_ES_A128KW = -29
    ECDH_ES_A192KW = -30
    ECDH_ES_A256KW = -31
    ES384 = -35
    ES512 = -36
    HSS_LMS = -46
    ESP384 = -51
    ESP512 = -52
    A256CTR = -65532
    A192CTR = -65533
    A128CTR = -65534


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


class KeyParameter(IntEnum):
    """COSE key parameters (registries "COSE Key Common Parameters" and "COSE Key Type Parameters")."""

    KTY = 1
    KID = 2
    ALG = 3
    CRV = -1
    X = -2
    Y = -3
    K = -1
    """Of a symmetric key."""


class KeyType(IntEnum):
    """COSE key types (registry "COSE Key Types")."""

    OKP = 1
    EC2 = 2
    SYMMETRIC = 4
    HSS_LMS = 5


class Curve(IntEnum):
    """COSE elliptic curves (registry "COSE Elliptic Curves")."""

    P_256 = 1
    P_384 = 2
    P_521 = 3
    X25519 = 4
    ED25519 = 6
