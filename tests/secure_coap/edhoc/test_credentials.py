"""Credentials of every kind, by reference and by value (RFC 9528 section 3.5.3); what is not taken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from cose import cbor
from cose.keys import thumbprint
from device_pki.identity import RawKeyIdentity
from secure_coap.edhoc import (
    CipherSuite,
    EdhocError,
    EdhocIdentity,
    EdhocReason,
    IdCred,
    Initiator,
    KnownCredentials,
    Method,
    ResolvedCredential,
    Responder,
    UnknownCredential,
)
from secure_coap.edhoc.credentials import ccs, ccs_key, x509_credential
from secure_coap.edhoc.numbers import CredentialHeader
from tests.secure_coap.pki import hierarchy

NOW = datetime.now(UTC)
C509 = cbor.encode([2, b"\x01", -7, "a certificate as far as EDHOC can tell", bytes(64)])
CWT = [b"\xa1\x01\x26", {4: b"k"}, b"claims with a key", bytes(64)]


def kinds() -> dict[str, Callable[[EdhocIdentity], tuple[bytes, IdCred]]]:
    """The credential, and how it is named, of each kind."""
    der = hierarchy().server_config().certificate_chain[0].public_bytes(Encoding.DER)
    return {
        "kid": lambda own: (own.credential, IdCred.of_kid(b"\x21")),
        "kid of two bytes": lambda own: (own.credential, IdCred.of_kid(b"ab")),
        "kccs": lambda own: (own.credential, IdCred.of_kccs(own.credential)),
        "kcwt": lambda _: (cbor.encode(CWT), IdCred.of_kcwt(CWT)),
        "x5t": lambda _: (x509_credential(der), IdCred.of_x5t(der)),
        "x5chain": lambda _: (x509_credential(der), IdCred.of_x5chain([der])),
        "x5chain of two": lambda _: (x509_credential(der), IdCred.of_x5chain([der, b"its CA"])),
        "c5t": lambda _: (C509, IdCred.of_c5t(C509)),
        "c5c": lambda _: (C509, IdCred.of_c5c([C509])),
    }


def identity(name: str) -> EdhocIdentity:
    key = ec.generate_private_key(ec.SECP256R1())
    return EdhocIdentity(key, ccs(name, name.encode(), key.public_key()), IdCred.of_kid(name.encode()))


def resolved(own: EdhocIdentity) -> ResolvedCredential:
    public = own.private_key.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return ResolvedCredential(own.credential, public, RawKeyIdentity(thumbprint(public), None))


@pytest.mark.parametrize("method", [Method.SIGNATURE_SIGNATURE, Method.STATIC_STATIC])
@pytest.mark.parametrize("kind", kinds())
def test_every_kind_both_ways(kind: str, method: Method) -> None:
    device, server = identity("device"), identity("server")
    credential, id_cred = kinds()[kind](server)
    server = EdhocIdentity(server.private_key, credential, id_cred)
    seen: list[IdCred] = []

    def knows(own: EdhocIdentity) -> Callable[[IdCred], ResolvedCredential]:
        def lookup(named: IdCred) -> ResolvedCredential:
            seen.append(named)
            return KnownCredentials([(own.id_cred, resolved(own))]).resolve(named, NOW)

        return lookup

    for initiator, responder in ((device, server), (server, device)):
        message_1, waiting = Initiator(method, (CipherSuite.P256_CCM_8,), initiator, knows(responder), b"\x01").start()
        answering = Responder((CipherSuite.P256_CCM_8,), lambda *_, own=responder: own, knows(initiator))
        message_2, last = answering.receive(message_1).answer(b"\x02")
        message_3, ours = waiting.receive(message_2)
        theirs = last.receive(message_3)
        assert ours.exporter.channel_binding() == theirs.exporter.channel_binding()
    assert id_cred in seen


def test_references_are_thirteen_bytes() -> None:
    for reference in (IdCred.of_c5t(C509), IdCred.of_x5t(b"der")):
        assert len(reference.encode()) in (13, 14)
    assert len(IdCred.of_c5t(C509).encode()) == 13


def test_what_is_presented() -> None:
    assert IdCred.of_c5c([b"a"]).presented(CredentialHeader.C5C) == (b"a",)
    assert IdCred.of_x5chain([b"a", b"b"]).presented(CredentialHeader.X5CHAIN) == (b"a", b"b")
    assert IdCred({int(CredentialHeader.C5C): [b"alone"]}).presented(CredentialHeader.C5C) == ()
    assert IdCred({int(CredentialHeader.C5C): [b"a", 1]}).presented(CredentialHeader.C5C) == ()
    assert IdCred.of_kid(b"k").presented(CredentialHeader.C5C) == ()


@pytest.mark.parametrize("header", [CredentialHeader.X5U, CredentialHeader.C5U])
def test_nothing_is_fetched(header: CredentialHeader) -> None:
    device, server = identity("device"), identity("server")
    server = EdhocIdentity(server.private_key, server.credential, IdCred({int(header): "coap://192.0.2.1/cert"}))

    def never(named: IdCred) -> ResolvedCredential:
        raise AssertionError(named)

    message_1, waiting = Initiator(Method.STATIC_STATIC, (CipherSuite.P256_CCM_8,), device, never, b"\x01").start()
    message_2, _ = Responder((CipherSuite.P256_CCM_8,), lambda *_: server, never).receive(message_1).answer(b"\x02")
    with pytest.raises(EdhocError) as caught:
        waiting.receive(message_2)
    assert caught.value.reason is EdhocReason.CREDENTIAL
    assert caught.value.session == b"\x02"


def test_a_known_credential_is_found_by_its_value_and_no_other() -> None:
    own, other = identity("device"), identity("device")
    known = KnownCredentials([(own.id_cred, resolved(own))])
    assert known.resolve(IdCred.of_kccs(own.credential), NOW).public_key == ccs_key(own.credential)
    for stranger in (IdCred.of_kccs(other.credential), IdCred.of_kid(b"stranger")):
        with pytest.raises(UnknownCredential):
            known.resolve(stranger, NOW)
