"""What can be wrong with C509, as one typed error."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager


class C509Reason(enum.Enum):
    """Why bytes are no C509, or a certificate or request has none."""

    TOO_LARGE = "too large"
    MALFORMED = "malformed"
    TYPE = "unknown type"
    NOT_DETERMINISTIC = "not the one encoding"
    UNSUPPORTED = "not expressible in C509"
    NOT_REVERSIBLE = "not exactly reversible"
    KEY = "key"
    SIGNATURE = "signature"


class C509Error(ValueError):
    """A C509 structure that must not be used, or cannot be made; `reason` says why."""

    def __init__(self, reason: C509Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


def malformed(detail: str) -> C509Error:
    """Return the error for an item of the wrong kind or value."""
    return C509Error(C509Reason.MALFORMED, detail)


def unsupported(detail: str) -> C509Error:
    """Return the error for what DER can say and the compact form cannot."""
    return C509Error(C509Reason.UNSUPPORTED, detail)


@contextmanager
def reading() -> Iterator[None]:
    """Turn whatever CBOR and DER decoders find wrong with what was received into `C509Error` (MALFORMED)."""
    try:
        yield
    except C509Error:
        raise
    except (ValueError, OverflowError) as error:
        raise malformed(str(error)) from error


@contextmanager
def writing() -> Iterator[None]:
    """Turn whatever is wrong with the DER to re-encode into `C509Error` (UNSUPPORTED)."""
    try:
        yield
    except C509Error:
        raise
    except (ValueError, OverflowError) as error:
        raise unsupported(str(error)) from error
