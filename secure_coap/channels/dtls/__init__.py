"""DTLS 1.2 with mutual certificates or pre-shared keys (RFC 6347, RFC 7925), by OpenSSL on memory buffers."""

from secure_coap.channels.dtls.client import DtlsClient
from secure_coap.channels.dtls.config import DtlsClientConfig, DtlsServerConfig, PskCredential, PskLookup, Verify
from secure_coap.channels.dtls.server import DtlsServer

__all__ = ["DtlsClient", "DtlsClientConfig", "DtlsServer", "DtlsServerConfig", "PskCredential", "PskLookup", "Verify"]
