"""OSCORE (RFC 8613) as a channel, its associations begun by EDHOC (RFC 9528, RFC 9668) or by contexts given before."""

from secure_coap.channels.oscore.association import OscoreAssociation
from secure_coap.channels.oscore.client import OscoreClient
from secure_coap.channels.oscore.config import (
    EdhocClientConfig,
    EdhocServerConfig,
    OscoreClientConfig,
    OscoreServerConfig,
)
from secure_coap.channels.oscore.contexts import ContextStore, MemoryContexts, PresharedContext
from secure_coap.channels.oscore.server import OscoreServer

__all__ = [
    "ContextStore",
    "EdhocClientConfig",
    "EdhocServerConfig",
    "MemoryContexts",
    "OscoreAssociation",
    "OscoreClient",
    "OscoreClientConfig",
    "OscoreServer",
    "OscoreServerConfig",
    "PresharedContext",
]
