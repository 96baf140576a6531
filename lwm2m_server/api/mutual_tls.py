"""HTTPS between organisations: mutual TLS 1.3 with pinned certificates in both directions.

An organisation trusts exactly the certificates it was given, by their DER bytes. A pinned certificate must not be a
CA's, so that it can vouch for no other. uvicorn does not tell an application who the client is; `MutualTlsProtocol`
puts the client's certificate into `scope["extensions"]["tls"]["client_cert_der"]`.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.requests import HTTPConnection
from uvicorn.protocols.http.h11_impl import H11Protocol

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class PinError(ValueError):
    """A certificate that cannot be pinned; the text names the remedy."""


class MutualTlsProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, telling the application the client's certificate.

    Use as `uvicorn.Config(app, http=MutualTlsProtocol, ssl_context_factory=lambda *_: pinned_server_context(...))`.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read the certificate once per connection: TLS 1.3 has no renegotiation."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = None if tls is None else tls.getpeercert(binary_form=True)
        unique = b"" if tls is None or tls.version() != "TLSv1.2" else tls.get_channel_binding("tls-unique") or b""
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})["tls"] = {"client_cert_der": certificate, "tls_unique": unique}
            await inner(scope, receive, send)

        self.app = app


def peer_certificate(connection: HTTPConnection) -> bytes:
    """Return the DER of the authenticated client's certificate.

    Raises `PermissionError` when there is none: the application is served without `MutualTlsProtocol`.
    """
    certificate = connection.scope.get("extensions", {}).get("tls", {}).get("client_cert_der")
    if not isinstance(certificate, bytes):
        raise PermissionError("no client certificate: serve this application with mutual TLS")
    return certificate


def peer_fingerprint(connection: HTTPConnection) -> bytes:
    """Return the SHA-256 of the authenticated client's certificate, 32 octets; raises like `peer_certificate`."""
    return hashlib.sha256(peer_certificate(connection)).digest()


def tls_unique(connection: HTTPConnection) -> bytes:
    """Return what ties a request to its TLS 1.2 session (RFC 5929); empty with TLS 1.3, which has no such value."""
    value: bytes = connection.scope.get("extensions", {}).get("tls", {}).get("tls_unique", b"")
    return value


def verifying_server_context(own_cert: Path, own_key: Path, anchors: Iterable[x509.Certificate]) -> ssl.SSLContext:
    """Return a server's context for clients with certificates of any of `anchors`.

    It lets in who may be somebody; who it is, and whether that one may, is for the application to find out. `own_cert`
    is sent with the CAs above it that are among `anchors`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.load_cert_chain(own_cert, own_key)
    context.load_verify_locations(cadata=b"".join(one.public_bytes(Encoding.DER) for one in anchors))
    return context


def pinned_server_context(own_cert: Path, own_key: Path, clients: Iterable[x509.Certificate]) -> ssl.SSLContext:
    """Return a server's context that lets in only clients with one of the given certificates.

    `pin` adds a client later, for connections opened from then on. With no client at all nobody gets in.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return _pinned(context, own_cert, own_key, clients)


def pinned_client_context(own_cert: Path, own_key: Path, server: x509.Certificate) -> ssl.SSLContext:
    """Return a client's context that talks only to a server with exactly this certificate, under whatever host name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate itself is pinned; its names prove nothing more
    return _pinned(context, own_cert, own_key, [server])


def pinned_client(
    own_cert: Path, own_key: Path, peer_cert: x509.Certificate, *, base_url: str = ""
) -> httpx.AsyncClient:
    """Return an HTTP client that authenticates with `own_cert` and talks only to the holder of `peer_cert`.

    It follows no redirects, reads no proxy settings, and waits at most 10 s to connect and 30 s for an answer.
    """
    context = pinned_client_context(own_cert, own_key, peer_cert)
    return httpx.AsyncClient(
        base_url=base_url, verify=context, timeout=_TIMEOUT, trust_env=False, follow_redirects=False
    )


def pin(context: ssl.SSLContext, certificate: x509.Certificate) -> None:
    """Let the holder of this certificate in. Raises `PinError` for a CA's certificate."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        constraints = None
    if constraints is None or constraints.ca:
        raise PinError(
            "only an end-entity certificate (basicConstraints CA:FALSE) can be pinned; "
            "give the peer's own TLS certificate, not that of its CA"
        )
    context.load_verify_locations(cadata=certificate.public_bytes(Encoding.DER))


def _pinned(
    context: ssl.SSLContext, own_cert: Path, own_key: Path, peers: Iterable[x509.Certificate]
) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.load_cert_chain(own_cert, own_key)
    for certificate in peers:
        pin(context, certificate)
    return context
