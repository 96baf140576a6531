"""OSCORE, sans-IO (RFC 8613): security contexts, the option, protected messages, replay windows."""

from secure_coap.oscore.context import OscoreAlgorithm, SecurityContext
from secure_coap.oscore.errors import OscoreError, OscoreReason
from secure_coap.oscore.protection import (
    RequestBinding,
    protect_request,
    protect_response,
    unprotect_request,
    unprotect_response,
)

__all__ = [
    "OscoreAlgorithm",
    "OscoreError",
    "OscoreReason",
    "RequestBinding",
    "SecurityContext",
    "protect_request",
    "protect_response",
    "unprotect_request",
    "unprotect_response",
]
