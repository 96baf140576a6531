"""The OpenSSL context: DTLS 1.2, AEAD suites only, both sides authenticated, no resumption, no renegotiation.

Touches pyOpenSSL's private binding, as `psk.py` does: for curves and signature algorithms, which it does not wrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from secure_coap.channels.dtls.config import DtlsClientConfig, DtlsServerConfig
from secure_coap.channels.dtls.peer_check import verify_callback
from secure_coap.channels.dtls.psk import accept_keys, offer_key
from secure_coap.channels.dtls.records import DTLS_1_2
from secure_coap.channels.dtls.suites import CERTIFICATE_SUITES, KEY_SUITES, Suite

# RFC 7925's mandatory suites have an 8-byte tag, which OpenSSL allows at security level 0 only. What that level would
# let in besides is shut out below: suites, curves and signature algorithms are listed, and certificates are ours to
# judge.
_LEVEL: Final = "@SECLEVEL=0"
_CURVES: Final = b"P-256:P-384"
_SIGNATURES: Final = b"ECDSA+SHA256:ECDSA+SHA384"
_NO_ENCRYPT_THEN_MAC: Final = 1 << 19
"""SSL_OP_NO_ENCRYPT_THEN_MAC, which pyOpenSSL does not name: AEAD suites need no RFC 7366, so no hello offers it."""
_OPTIONS: Final = (
    SSL.OP_NO_RENEGOTIATION
    | SSL.OP_NO_TICKET
    | SSL.OP_NO_COMPRESSION
    | SSL.OP_NO_QUERY_MTU
    | SSL.OP_CIPHER_SERVER_PREFERENCE
    | _NO_ENCRYPT_THEN_MAC
)


def make_context(config: DtlsServerConfig | DtlsClientConfig) -> SSL.Context:
    """Raises `OpenSSL.SSL.Error` or ValueError when certificate and key do not belong together."""
    server = isinstance(config, DtlsServerConfig)
    context = SSL.Context(SSL.DTLS_SERVER_METHOD if server else SSL.DTLS_CLIENT_METHOD)
    context.set_min_proto_version(DTLS_1_2)
    context.set_max_proto_version(DTLS_1_2)
    context.set_options(_OPTIONS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(":".join((*(suite.value for suite in _suites(config)), _LEVEL)).encode())
    _restrict(context)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify_callback)
    if config.private_key is not None:
        _use_certificate(context, config.certificate_chain, config.private_key)
    if config.psk is not None:
        (accept_keys if server else offer_key)(context)
    return context


def _suites(config: DtlsServerConfig | DtlsClientConfig) -> tuple[Suite, ...]:
    return (CERTIFICATE_SUITES if config.certificate_chain else ()) + (KEY_SUITES if config.psk else ())


def _use_certificate(context: SSL.Context, chain: Sequence[x509.Certificate], key: ec.EllipticCurvePrivateKey) -> None:
    leaf, *intermediates = chain
    context.use_certificate(leaf)
    for certificate in intermediates:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(key)
    context.check_privatekey()


def _restrict(context: SSL.Context) -> None:
    lib, raw = SSL._lib, context._context  # type: ignore[attr-defined]
    if lib.SSL_CTX_set1_curves_list(raw, _CURVES) != 1 or lib.SSL_CTX_set1_sigalgs_list(raw, _SIGNATURES) != 1:
        raise RuntimeError("this OpenSSL refuses to restrict curves or signature algorithms: do not use it")
