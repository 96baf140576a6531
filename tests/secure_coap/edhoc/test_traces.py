"""RFC 9529: every message and key of its traces, byte for byte; its invalid traces refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from device_pki.identity import PskIdentity
from secure_coap.edhoc import EdhocError, EdhocReason, Initiator, Responder
from secure_coap.edhoc.credentials import EdhocIdentity, ResolvedCredential, ccs_key
from secure_coap.edhoc.id_cred import IdCred
from secure_coap.edhoc.messages import decode_plaintext_2
from secure_coap.edhoc.numbers import CipherSuite, Method
from tests.secure_coap.edhoc.traces import INVALID, Trace

TRACES = {name: Trace(name) for name in ("trace1", "trace2")}
C_R = {"trace1": b"\x18", "trace2": b"\x27"}


def only(own: EdhocIdentity) -> Callable[[IdCred], ResolvedCredential]:
    """A lookup that knows one peer."""

    def lookup(id_cred: IdCred) -> ResolvedCredential:
        assert id_cred == own.id_cred
        return ResolvedCredential(own.credential, own.private_key.public_key(), PskIdentity("peer", None))

    return lookup


@pytest.mark.parametrize("name", TRACES)
def test_every_message_and_key(name: str) -> None:
    trace = TRACES[name]
    suites = (trace.suite,) if name == "trace1" else (CipherSuite(2),)
    initiator = Initiator(
        trace.method,
        suites,
        trace.initiator,
        only(trace.responder),
        trace.first("C_I") if name == "trace1" else trace.value("C_I"),
        make_key=lambda _: trace.ephemeral("X"),
    )
    responder = Responder(
        (trace.suite,),
        lambda method, suite: trace.responder,
        only(trace.initiator),
        make_key=lambda _: trace.ephemeral("Y"),
    )
    message_1, wait_2 = initiator.start()
    if name == "trace2":  # its initiator prefers suite 6, which nobody here has
        message_1 = trace.value("message_1")
        wait_2 = type(wait_2)(initiator, wait_2.suite, wait_2.x, message_1)
    assert message_1 == trace.value("message_1")
    message_2, wait_3 = responder.receive(message_1).answer(C_R[name])
    assert message_2 == trace.value("message_2")
    message_3, ours = wait_2.receive(message_2)
    assert message_3 == trace.value("message_3")
    theirs = wait_3.receive(message_3)
    assert theirs.make_message_4() == trace.value("message_4")
    assert ours.take_message_4(trace.value("message_4")) == ()
    for session in (ours, theirs):
        assert session.th_4 == trace.first("TH_4")
        assert session.exporter.prk_out == trace.value("PRK_out")
        assert session.exporter.oscore() == (trace.value("OSCORE Master Secret"), trace.value("OSCORE Master Salt"))
        session.exporter.update(trace.first("context for KeyUpdate"))
        updated = ("OSCORE Master Secret after KeyUpdate", "OSCORE Master Salt after KeyUpdate")
        assert session.exporter.oscore() == tuple(map(trace.value, updated))
    assert (ours.c_i, ours.c_r) == (theirs.c_i, theirs.c_r)


def test_keys_of_claims_sets() -> None:
    trace = TRACES["trace2"]
    for own in (trace.initiator, trace.responder):
        assert ccs_key(own.credential) == own.private_key.public_key()


def test_the_first_message_of_trace_2_asks_for_a_suite_nobody_has() -> None:
    trace = TRACES["trace2"]
    responder = Responder((CipherSuite.P256_CCM_8,), lambda *_: trace.responder, only(trace.initiator))
    with pytest.raises(EdhocError) as caught:
        responder.receive(trace.first("message_1"))
    assert caught.value.reason is EdhocReason.CIPHER_SUITE
    assert caught.value.error_message == trace.value("error")


@pytest.mark.parametrize("invalid", INVALID, ids=lambda invalid: invalid["what"])
def test_invalid_traces_are_refused(invalid: dict[str, str]) -> None:
    data, trace = bytes.fromhex(invalid["hex"]), TRACES["trace2"]
    responder = Responder(tuple(CipherSuite), lambda *_: trace.responder, only(trace.initiator))
    initiator = Initiator(Method.STATIC_STATIC, (CipherSuite(2),), trace.initiator, only(trace.responder), b"\x01")
    with pytest.raises(EdhocError):
        if invalid["kind"] == "message_1":
            responder.receive(data).answer(b"\x27")
        elif invalid["kind"] == "message_2":
            initiator.start()[1].receive(data)
        else:
            decode_plaintext_2(data)
