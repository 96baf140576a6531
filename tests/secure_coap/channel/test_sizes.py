"""Bytes of a handshake as the device sees them: UDP payloads both ways, with CoAP's headers (P-256)."""

from __future__ import annotations

from secure_coap.channels.oscore import EdhocClientConfig, EdhocServerConfig, OscoreClientConfig, OscoreServerConfig
from secure_coap.edhoc import IdCred, Method
from secure_coap.message import decode
from secure_coap.numbers import Option
from tests.secure_coap.channel.link import DEVICE, Link, request
from tests.secure_coap.channel.parties import Parties

HASHED = IdCred.of_c5t(b"any certificate: its hash is eight bytes")


def handshake(link: Link, config: OscoreClientConfig) -> int:
    """Messages 1 and 2, and what message 3 adds to the first request."""
    link.connect(config)
    alone = sum(len(datagram) for _, _, datagram in link.sent)
    link.say(request())
    _, _, combined = link.sent[-1]
    message = decode(combined)
    assert message.value(Option.EDHOC) is not None
    assert link.opened()
    edhoc_option, head = 1, message.payload[:2]
    size = 2 + head[1] if head[0] == 0x58 else 1 + (head[0] & 31)
    return alone + edhoc_option + size


def configs(
    method: Method, device: IdCred, server: IdCred, *, padded_to: int = 0
) -> tuple[OscoreServerConfig, OscoreClientConfig]:
    parties = Parties()
    return (
        OscoreServerConfig(EdhocServerConfig([parties.server.identity(server)], parties.device.known(device))),
        OscoreClientConfig(
            EdhocClientConfig(
                parties.device.identity(device), parties.server.known(server), method, padded_to=padded_to
            )
        ),
    )


def test_signatures_both_by_reference() -> None:
    server, client = configs(Method.SIGNATURE_SIGNATURE, HASHED, HASHED)
    assert handshake(Link(server), client) <= 280


def test_signatures_with_the_servers_certificate_by_value() -> None:
    """A certificate of 136 bytes; message 1 is padded, or it would have to be sent twice."""
    by_value = IdCred.of_c5c([bytes(136)])
    server, client = configs(Method.SIGNATURE_SIGNATURE, HASHED, by_value, padded_to=83)
    link = Link(server)
    assert handshake(link, client) <= 420
    assert link.counters.cookies == 0


def test_static_keys_with_the_servers_key_pinned() -> None:
    server, client = configs(Method.STATIC_STATIC, HASHED, IdCred.of_kid(b"\x06"))
    assert handshake(Link(server), client) <= 146


def test_without_padding_an_echo_proves_the_address_first() -> None:
    """What an unproven address is sent is at most three times what came from it (security rule 26)."""
    server, client = configs(Method.SIGNATURE_SIGNATURE, HASHED, IdCred.of_c5c([bytes(136)]))
    link = Link(server)
    handshake(link, client)
    assert link.counters.cookies == 1
    first, challenge, *_ = [datagram for _, _, datagram in link.sent]
    assert len(challenge) <= 3 * len(first)
    assert DEVICE in link.clients
