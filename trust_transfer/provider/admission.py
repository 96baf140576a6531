"""Who may log in at a provider's server, and as what (registry.md "Logging in at a server"): one pure function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from trust_transfer.provider.book import BookEntry


class Identity(Enum):
    """Class of a device's certificate, told by the CA that issued it."""

    OPERATIONAL = "operational"
    FACTORY = "factory"


class Kind(Enum):
    """What a device may do after logging in."""

    OPERATIONAL = "operational"
    """An owned device: everything. On Register `old.registered` is stored first."""
    PROVISIONAL = "provisional"
    """A device about to commit: Register (`new.registered` is stored first), reads of 33001, nothing else."""
    FACTORY_FALLBACK = "factory fallback"
    """An owned device without a certificate: `/rd`, 33001-33003, the order to enroll."""
    UPDATE_SESSION = "update session"
    """A device before its enrollment: object 5 and Fall Back; its Register makes no provisional entry."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision; `reason` is set when refused."""

    kind: Kind
    reason: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the device may register at all."""
        return self.kind is not Kind.REFUSED


def admit(entry: BookEntry | None, identity: Identity, key: bytes) -> Admission:
    """Decide on a device whose certificate of this class was verified; `key` is its key's thumbprint.

    The entry is the one of the certificate's endpoint name; None when the book has none.
    """
    if entry is None:
        return Admission(Kind.REFUSED, "in no list of this provider")
    if identity is Identity.OPERATIONAL:
        return _operational(entry, key)
    return _factory(entry)


def _operational(entry: BookEntry, key: bytes) -> Admission:
    if any(known.key == key for known in entry.released):
        return Admission(Kind.REFUSED, "fell back from the attempt with this key")
    if entry.tenure is not None:
        return Admission(Kind.OPERATIONAL)
    if entry.awaited:
        return Admission(Kind.PROVISIONAL)
    return Admission(Kind.REFUSED, "the device has left this provider")


def _factory(entry: BookEntry) -> Admission:
    if entry.tenure is not None:
        if entry.tenure.factory_login is not None:
            return Admission(Kind.FACTORY_FALLBACK)
        return Admission(Kind.REFUSED, "the factory certificate is accepted only around a transfer; enroll first")
    if any(known.update_first for known in entry.awaited):
        return Admission(Kind.UPDATE_SESSION)
    return Admission(Kind.REFUSED, "the factory certificate is not accepted here; enroll first")
