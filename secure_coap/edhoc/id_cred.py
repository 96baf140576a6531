"""ID_CRED_x: a COSE header map that identifies a credential, or holds it (RFC 9528 section 3.5.3).

A reference costs a few bytes where both sides hold the credential; by value it travels whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cose import cbor
from device_pki.references import c5t, x5t
from secure_coap.edhoc.numbers import CredentialHeader

_URLS: Final = (CredentialHeader.X5U, CredentialHeader.C5U)


@dataclass(frozen=True, slots=True)
class IdCred:
    """The header map, as it came or as it is sent. Labels are those of `CredentialHeader`."""

    headers: Mapping[int | str, Any]

    # --- by reference ---

    @classmethod
    def of_kid(cls, kid: bytes) -> IdCred:
        """By a key identifier both sides know."""
        return cls({int(CredentialHeader.KID): kid})

    @classmethod
    def of_x5t(cls, der: bytes) -> IdCred:
        """By the hash of an X.509 certificate's DER (RFC 9360): 13 bytes in all."""
        return cls({int(CredentialHeader.X5T): x5t(der)})

    @classmethod
    def of_c5t(cls, c509: bytes) -> IdCred:
        """By the hash of an encoded C509 certificate: 13 bytes in all."""
        return cls({int(CredentialHeader.C5T): c5t(c509)})

    # --- by value ---

    @classmethod
    def of_x5chain(cls, chain: Sequence[bytes]) -> IdCred:
        """The DER of X.509 certificates, the sender's own first, without the anchor."""
        return cls({int(CredentialHeader.X5CHAIN): _chain(chain)})

    @classmethod
    def of_c5c(cls, chain: Sequence[bytes]) -> IdCred:
        """Encoded C509 certificates, the sender's own first, without the anchor."""
        return cls({int(CredentialHeader.C5C): _chain(chain)})

    @classmethod
    def of_kccs(cls, credential: bytes) -> IdCred:
        """An encoded CWT Claims Set."""
        return cls({int(CredentialHeader.KCCS): cbor.decode(credential)})

    @classmethod
    def of_kcwt(cls, claims: Any) -> IdCred:
        """A CWT: the untagged COSE message, as `cose.cbor` decodes it."""
        return cls({int(CredentialHeader.KCWT): claims})

    # --- reading ---

    @property
    def kid(self) -> bytes | None:
        """The key identifier, if it is the only thing here: then messages carry it alone (section 3.5.3.2)."""
        found = self.headers.get(CredentialHeader.KID)
        return found if isinstance(found, bytes) and len(self.headers) == 1 else None

    def presented(self, header: CredentialHeader) -> tuple[bytes, ...]:
        """The certificates of an x5chain or c5c, the sender's own first; none if there are none."""
        match self.headers.get(header):
            case bytes(only):
                return (only,)
            case [*chain] if len(chain) > 1 and all(isinstance(one, bytes) for one in chain):
                return tuple(chain)
        return ()

    @property
    def names_a_url(self) -> bool:
        """Whether something would have to be fetched (x5u, c5u)."""
        return any(url in self.headers for url in _URLS)

    def encode(self) -> bytes:
        """The header map, as it is authenticated."""
        return cbor.encode(dict(self.headers))


def _chain(chain: Sequence[bytes]) -> bytes | list[bytes]:
    return chain[0] if len(chain) == 1 else list(chain)
