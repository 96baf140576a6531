"""EDHOC, sans-IO (RFC 9528): messages, key schedule, and one class per state of initiator and responder."""

from secure_coap.edhoc.credentials import (
    CredentialLookup,
    CredentialResolver,
    EdhocIdentity,
    KnownCredentials,
    ResolvedCredential,
    UnknownCredential,
)
from secure_coap.edhoc.errors import EdhocError, EdhocReason
from secure_coap.edhoc.exporter import Exporter
from secure_coap.edhoc.id_cred import IdCred
from secure_coap.edhoc.initiator import Initiator
from secure_coap.edhoc.messages import Ead
from secure_coap.edhoc.numbers import CipherSuite, Method
from secure_coap.edhoc.responder import Responder

__all__ = [
    "CipherSuite",
    "CredentialLookup",
    "CredentialResolver",
    "Ead",
    "EdhocError",
    "EdhocIdentity",
    "EdhocReason",
    "Exporter",
    "IdCred",
    "Initiator",
    "KnownCredentials",
    "Method",
    "ResolvedCredential",
    "Responder",
    "UnknownCredential",
]
