"""The OpenSSL context: DTLS 1.2 only, two AEAD suites, certificates on both sides, no resumption, no renegotiation.

The only file that touches pyOpenSSL's private binding: for curves and signature algorithms, which it does not wrap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from OpenSSL import SSL, crypto

from secure_coap.channels.dtls.config import DtlsClientConfig, DtlsServerConfig

DTLS_1_2: Final = 0xFEFD
# RFC 7925's mandatory suite has an 8-byte tag, which OpenSSL allows at security level 0 only. What that level would
# let in besides is shut out below: suites, curves and signature algorithms are listed, and certificates are ours to
# judge.
_SUITES: Final = b"ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0"
_CURVES: Final = b"P-256:P-384"
_SIGNATURES: Final = b"ECDSA+SHA256:ECDSA+SHA384"
_OPTIONS: Final = (
    SSL.OP_NO_RENEGOTIATION
    | SSL.OP_NO_TICKET
    | SSL.OP_NO_COMPRESSION
    | SSL.OP_NO_QUERY_MTU
    | SSL.OP_CIPHER_SERVER_PREFERENCE
)

VerifyCallback = Callable[[SSL.Connection, crypto.X509, int, int, int], bool]


def make_context(config: DtlsServerConfig | DtlsClientConfig, verify: VerifyCallback) -> SSL.Context:
    """Raises `OpenSSL.SSL.Error` or ValueError when certificate and key do not belong together."""
    server = isinstance(config, DtlsServerConfig)
    context = SSL.Context(SSL.DTLS_SERVER_METHOD if server else SSL.DTLS_CLIENT_METHOD)
    context.set_min_proto_version(DTLS_1_2)
    context.set_max_proto_version(DTLS_1_2)
    context.set_options(_OPTIONS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(_SUITES)
    _restrict(context)
    leaf, *intermediates = config.certificate_chain
    context.use_certificate(leaf)
    for certificate in intermediates:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(config.private_key)
    context.check_privatekey()
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
    return context


def _restrict(context: SSL.Context) -> None:
    lib, raw = SSL._lib, context._context  # type: ignore[attr-defined]
    if lib.SSL_CTX_set1_curves_list(raw, _CURVES) != 1 or lib.SSL_CTX_set1_sigalgs_list(raw, _SIGNATURES) != 1:
        raise RuntimeError("this OpenSSL refuses to restrict curves or signature algorithms: do not use it")
