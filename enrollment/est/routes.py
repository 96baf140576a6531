"""Which content formats each operation takes and gives (RFC 9148 4.3; EST over OSCORE, draft -11, 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from enrollment.est.paths import EstOperation
from secure_coap.numbers import C509Formats, Code, ContentFormat


@dataclass(frozen=True, slots=True)
class Route:
    """An operation's method and content formats."""

    method: Code
    answers: tuple[int, ...]
    """What an answer may be asked in."""
    bodies: tuple[int | None, ...] = (None,)
    """What a request is in; None: it has no body."""


def routes(c509: C509Formats) -> dict[EstOperation, Route]:
    """Return the routes, with these numbers for C509."""
    bodies = (ContentFormat.PKCS10, c509.request)
    bare = (ContentFormat.PKCS7_CERTS_ONLY, ContentFormat.PKIX_CERT, c509.certificate)
    enrolling = Route(Code.POST, (*bare, c509.reference, ContentFormat.MULTIPART), bodies)
    return {
        EstOperation.CA_CERTIFICATES: Route(Code.GET, (*bare, c509.chain)),
        EstOperation.SIMPLE_ENROLL: enrolling,
        EstOperation.SIMPLE_REENROLL: enrolling,
        EstOperation.SERVER_KEY: Route(Code.POST, (ContentFormat.MULTIPART,), bodies),
        EstOperation.SERVER_KEY_BARE: Route(Code.POST, (ContentFormat.MULTIPART,), (ContentFormat.PKCS10,)),
        EstOperation.CSR_ATTRIBUTES: Route(Code.GET, (ContentFormat.CSRATTRS, c509.template)),
    }
