"""CoAP content formats of the data model (LwM2M Core 1.2, 7.4; IANA registry of CoAP content formats)."""

from enum import IntEnum


class Format(IntEnum):
    """How values are encoded in a payload."""

    TEXT = 0
    LINK = 40
    OPAQUE = 42
    CBOR = 60
    SENML_JSON = 110
    SENML_CBOR = 112
    TLV = 11542
    LWM2M_JSON = 11543
    LWM2M_CBOR = 11544
