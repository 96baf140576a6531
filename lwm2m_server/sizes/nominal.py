"""Doing things again until they have their most common size.

A DER-encoded P-256 signature has 70, 71 or 72 bytes by chance, 71 half of the time; a busy machine may answer late.
What is counted is the common case, so that every run counts the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from cryptography import x509

SIGNATURE: Final = 71
"""Bytes of a DER-encoded P-256 signature, most often."""
_TRIES: Final = 200

T = TypeVar("T")


class NoSteadySize(RuntimeError):
    """An operation never took its usual course: the machine is too busy to answer in time, or something is broken."""


async def until_nominal(attempt: Callable[[], Awaitable[T]], nominal: Callable[[T], bool]) -> T:
    """The first result of `attempt` that is `nominal`. Raises `NoSteadySize`."""
    for _ in range(_TRIES):
        result = await attempt()
        if nominal(result):
            return result
    raise NoSteadySize("the operation never took its usual course; run it again on a machine that is less busy")


def is_nominal(certificate: x509.Certificate) -> bool:
    """Whether a certificate has its most common size."""
    return len(certificate.signature) == SIGNATURE
