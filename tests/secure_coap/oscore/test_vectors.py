"""RFC 8613 appendix C: contexts derived, requests and responses protected, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from secure_coap.message import decode
from secure_coap.oscore import SecurityContext, protect_request, protect_response, unprotect_request, unprotect_response
from secure_coap.oscore.protection import RequestBinding

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "oscore" / "rfc8613.json").read_text()
)
DERIVED = [vector for vector in VECTORS if "Master Secret" in vector["values"]]
REQUESTS = [vector for vector in VECTORS if "Unprotected CoAP request" in vector["values"]]
RESPONSES = [vector for vector in VECTORS if "Unprotected CoAP response" in vector["values"]]
CLIENT = {"C.4": "C.1.1", "C.5": "C.2.1", "C.6": "C.3.1", "C.7": "C.1.1", "C.8": "C.1.1"}


def named(vector: dict[str, Any]) -> str:
    return str(vector["reference"].rsplit(" ", 1)[-1])


def octets(vector: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(vector["values"].get(name, ""))


def derive(vector: dict[str, Any], *, server: bool = False) -> SecurityContext:
    names = ("Recipient ID", "Sender ID") if server else ("Sender ID", "Recipient ID")
    sender, recipient = (octets(vector, name) for name in names)
    context = octets(vector, "ID Context") if "ID Context" in vector["values"] else None
    secret, salt = octets(vector, "Master Secret"), octets(vector, "Master Salt")
    return SecurityContext.derive(secret, salt, sender_id=sender, recipient_id=recipient, id_context=context)


def both(vector: dict[str, Any]) -> tuple[SecurityContext, SecurityContext]:
    """Client and server of a message's vector."""
    source = next(one for one in DERIVED if named(one) == CLIENT[named(vector)])
    return derive(source), derive(source, server=True)


@pytest.mark.parametrize("vector", DERIVED, ids=named)
def test_contexts(vector: dict[str, Any]) -> None:
    context = derive(vector)
    assert context.sender_key == octets(vector, "Sender Key")
    assert context.recipient_key == octets(vector, "Recipient Key")
    assert context.common_iv == octets(vector, "Common IV")
    assert context.nonce(context.sender_id, b"\x00") == octets(vector, "sender nonce")
    assert context.nonce(context.recipient_id, b"\x00") == octets(vector, "recipient nonce")


@pytest.mark.parametrize("vector", REQUESTS, ids=named)
def test_requests(vector: dict[str, Any]) -> None:
    client, server = both(vector)
    client.sequence = vector["values"]["Sender Sequence Number"]
    plain = decode(octets(vector, "Unprotected CoAP request"))
    protected, binding = protect_request(plain, client)
    assert protected.encode() == octets(vector, "Protected CoAP request (OSCORE message)")
    assert unprotect_request(decode(protected.encode()), server) == (plain, binding)


@pytest.mark.parametrize("vector", RESPONSES, ids=named)
def test_responses(vector: dict[str, Any]) -> None:
    client, server = both(vector)
    plain = decode(octets(vector, "Unprotected CoAP response"))
    binding = RequestBinding(b"", b"\x14")
    own_iv = "Partial IV" in vector["values"]
    server.sequence = vector["values"]["Sender Sequence Number"]
    protected = protect_response(plain, server, binding, own_iv=own_iv)
    assert protected.encode() == octets(vector, "Protected CoAP response (OSCORE message)")
    inner, number = unprotect_response(decode(protected.encode()), client, binding)
    assert inner == plain
    assert (number is not None) == own_iv
