"""DTLS 1.2 with mutual certificates (RFC 6347, RFC 7925)."""

from secure_coap.channels.config import DtlsClientConfig, DtlsServerConfig, Verify

__all__ = ["DtlsClientConfig", "DtlsServerConfig", "Verify"]
