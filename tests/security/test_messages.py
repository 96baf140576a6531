"""docs/reference/security-tests.md, tests 6 to 15, by their numbers: what a device makes of a bad TransferMessage.

Tests 1 to 5 are about envelopes and claims (tests/trust_transfer/messages). Of 14 the prefix pinned in the partner
profile belongs to the server. A rejection leaves the record equal, orders nothing and names its reason; `rejected` and
`received` check that each time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cose import cbor
from cose.keys import generate_private_key
from cose.sign1 import sign
from device_pki.fingerprints import der, fingerprint
from device_pki.issue import Issuer, Validity, common_name, root_ca, signer
from device_pki.roles import Role
from tests.trust_transfer.device.samples import (
    CLOSES,
    FACTS,
    NOW,
    OPENS,
    after,
    at,
    authority,
    destination,
    key,
    message,
    received,
    record,
    rejected,
    template,
)
from trust_transfer.device import codec, machine
from trust_transfer.device import events as ev
from trust_transfer.device.actions import AnswerCode, ForgetNonce
from trust_transfer.device.minimum import Minimum
from trust_transfer.device.record import Endorser
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import PRIVATE_TRANSFER, Form, Result, State, Typ
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.uri import within
from trust_transfer.messages.values import EnrollmentProfile

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NONCE = b"n" * 16


def malleated(raw: bytes) -> bytes:
    """The message with the other valid signature: (r, n - s)."""
    tagged = cbor.decode(raw)
    protected, unprotected, payload, signature = tagged.value
    r, s = signature[:32], int.from_bytes(signature[32:])
    twin = r + (P256_ORDER - s).to_bytes(32)
    return cbor.encode(cbor.Tagged(tagged.tag, [protected, unprotected, payload, twin]))


def test_6_the_other_valid_signature_is_a_replay() -> None:
    accepted = at(State.ACCEPTED)
    assert accepted.order is not None
    twin = malleated(accepted.order.raw)
    assert twin != accepted.order.raw
    assert rejected(twin, accepted) is Result.REPLAY
    assert rejected(twin, after(accepted, ev.CancelReceived(1), now=NOW)) is Result.REPLAY


def test_7_only_this_very_endpoint_is_the_audience() -> None:
    for audience in ("urn:dev:2", "urn:dev:", "urn:dev:11", "URN:DEV:1"):
        assert rejected(message(audience=audience)) is Result.AUDIENCE


def test_8_a_seq_is_used_up_once_even_over_a_reboot() -> None:
    accepted = after(record(), ev.TransferMessageReceived(message(n=5)), now=NOW)
    assert accepted.order is not None
    rebooted = codec.decode(codec.encode(accepted))
    for start in (accepted, rebooted):
        assert rejected(message(n=4), start) is Result.REPLAY
        assert rejected(message(n=5, issued_at=NOW), start) is Result.REPLAY
        no_longer_stored = after(start, ev.CancelReceived(5), now=NOW)
        assert rejected(accepted.order.raw, no_longer_stored) is Result.REPLAY
    assert rejected(message(epoch=1), accepted) is Result.EPOCH


def test_9_the_window() -> None:
    assert rejected(message(), now=CLOSES) is Result.EXPIRED
    with pytest.raises(MessageError) as too_long:
        message(window=(OPENS, OPENS + 91 * 86400))
    assert too_long.value.result is Result.WINDOW
    with pytest.raises(MessageError) as wider:
        message(not_after=CLOSES + 1)
    assert wider.value.result is Result.ENDORSEMENT_INVALID
    early = machine.handle(record(), ev.TransferMessageReceived(message()), OPENS - 50, FACTS)
    assert early.answer is not None and early.answer.success
    assert machine.handle(early.record, ev.Tick(), OPENS - 1, FACTS).record == early.record
    refused = machine.handle(early.record, ev.StartRequested(), OPENS - 1, FACTS)
    assert refused.answer is not None and not refused.answer.success


def test_9_a_window_the_signers_made_themselves() -> None:
    """The builders refuse such messages; a hostile provider does not use them."""
    claims = cbor.decode(cbor.decode(message(form=Form.PLAIN)).value[2])
    lenient = record(minimum=Minimum(form=Form.PLAIN))
    for exp in (OPENS + 91 * 86400, OPENS, OPENS - 1):
        raw = sign(cbor.encode(claims | {4: exp}), key("SP1"), Typ.MESSAGE)
        assert rejected(raw, lenient) is Result.WINDOW
    endorsed = cbor.decode(cbor.decode(message()).value[2])
    raw = sign(cbor.encode(endorsed | {4: CLOSES + 1}), key("SP1"), Typ.MESSAGE)
    assert rejected(raw) is Result.ENDORSEMENT_INVALID


def test_10_a_nonce_counts_once_and_for_one_account() -> None:
    blind = replace(FACTS, clock_trusted=False, nonce=NONCE)
    raw = message(nonce=NONCE)
    accepted = machine.handle(record(), ev.TransferMessageReceived(raw), NOW, blind)
    assert accepted.answer is not None and accepted.answer.success
    assert ForgetNonce() in accepted.actions
    used_or_rebooted = replace(blind, nonce=None)
    other_account = replace(blind, nonce=b"o" * 16)
    for facts in (used_or_rebooted, other_account, replace(FACTS, nonce=None)):
        assert rejected(raw, facts=facts) is Result.NONCE
    assert rejected(message(), facts=blind) is Result.NO_TRUSTED_TIME


def test_11_a_clock_set_back_revives_nothing() -> None:
    lifted = after(record(), ev.TransferMessageReceived(message(issued_at=NOW + 50)), now=NOW + 100)
    assert lifted.time_floor == NOW + 50
    idle = after(lifted, ev.CancelReceived(1), now=NOW)
    old_window = message(n=2, window=(NOW - 500, NOW + 40), issued_at=NOW - 500)
    assert rejected(old_window, idle, now=NOW - 400) is Result.EXPIRED
    assert rejected(old_window, codec.decode(codec.encode(idle)), now=0) is Result.EXPIRED


def test_11_one_message_lifts_the_floor_by_two_years_at_most() -> None:
    blind = replace(FACTS, clock_trusted=False, nonce=NONCE)
    start = record(time_floor=NOW - 10 * 365 * 86400)
    lifted = after(start, ev.TransferMessageReceived(message(nonce=NONCE)), now=0, facts=blind)
    assert lifted.time_floor == start.time_floor + 2 * 365 * 86400


@pytest.fixture(scope="module")
def permanent() -> Issuer:
    return issuer("permanent")


def issuer(name: str) -> Issuer:
    secret = generate_private_key()
    now = datetime.fromtimestamp(NOW - 10**6, UTC)
    return Issuer(root_ca(secret, name, Validity.lasting(now, timedelta(days=9000))), secret)


def endorsing(by: Issuer, role: Role = Role.TRANSFER_SIGNER, days: int = 90) -> bytes:
    validity = Validity.lasting(datetime.fromtimestamp(NOW - 1000, UTC), timedelta(days=days))
    return der(signer(by, key("SP2").public_key(), "SP2", role, validity))


def test_12_an_endorser_counts_only_under_the_permanent_anchor(permanent: Issuer) -> None:
    facts = replace(FACTS, permanent_anchor=der(permanent.certificate))
    start = record(endorsers=())
    assert rejected(message(), start, facts=facts) is Result.ENDORSER_UNKNOWN
    planted = issuer("written by SP1")
    with_anchor = after(start, ev.AnchorsWritten((fingerprint(planted.certificate),)))
    refused = [endorsing(planted), endorsing(permanent, Role.DOCUMENT_SIGNER), endorsing(permanent, days=0), b"\x30"]
    for certificate in refused:
        outcome = machine.handle(with_anchor, ev.EndorserReceived(certificate), NOW, facts)
        assert outcome.answer is not None and not outcome.answer.success
        assert outcome.record == with_anchor
    endorsed = after(start, ev.EndorserReceived(endorsing(permanent)), now=NOW, facts=facts)
    assert [endorser.key for endorser in endorsed.endorsers] == [authority("SP2")]
    assert received(endorsed, message(), facts=facts).success


def test_12_an_endorser_whose_certificate_has_ended_counts_no_more() -> None:
    ended = record(endorsers=(Endorser(authority("SP2"), NOW - 1),))
    assert rejected(message(), ended) is Result.ENDORSER_UNKNOWN


def test_12_an_anchor_of_sp1_itself_issues_no_endorsers(permanent: Issuer) -> None:
    """Not even a CA beneath the permanent anchor may: the permanent anchor issues endorsers itself."""
    assert rejected(message(endorser="SP1")) is Result.ENDORSER_UNKNOWN
    assert common_name("permanent") == permanent.certificate.subject


def test_13_below_the_minimum() -> None:
    assert rejected(message(form=Form.PLAIN)) is Result.BELOW_MINIMUM
    lenient = record(minimum=Minimum(form=Form.PLAIN))
    for profile in (EnrollmentProfile(0, 0, 1), EnrollmentProfile(1, 0, 0)):
        goal = destination(profile=profile)
        assert rejected(message(form=Form.PLAIN, goal=goal), lenient) is Result.BELOW_MINIMUM
        assert rejected(message(goal=goal)) is Result.BELOW_MINIMUM
    assert received(lenient, message(form=Form.PLAIN)).success


BAD_URIS = [
    "coaps://good@evil.example",
    "coap://sp2.example",
    "coaps://sp2.example/x?y",
    "coaps://sp2.example/../x",
    "coaps://127.0.0.1",
    "coaps://[fe80::1]",
    "coaps://224.0.1.187",
]


@pytest.mark.parametrize("uri", BAD_URIS)
def test_14_a_device_goes_to_no_such_uri(uri: str) -> None:
    assert rejected(message(goal=destination(update_uri=uri))) is Result.URI
    assert rejected(message(goal=destination(enroll_uri=uri))) is Result.URI
    assert rejected(message(fallback_uri=uri)) is Result.URI


def test_14_the_scheme_of_every_uri_is_the_profiles() -> None:
    both = record(minimum=Minimum(protocols=0b11))
    compact = EnrollmentProfile(1, 1, 0)
    there = {"enroll_uri": "coap://ca2.example/est/two", "update_uri": "coap://sp2.example"}
    assert received(both, message(goal=destination(profile=compact, **there))).success
    for name, uri in there.items():
        assert rejected(message(goal=destination(profile=compact, **{name: uri})), both) is Result.URI
        assert rejected(message(goal=destination(**{name: uri})), both) is Result.URI
    assert received(both, message(fallback_uri="coap://sp1.example/back")).success


def test_14_a_template_sets_no_fallback_and_leaves_no_prefix() -> None:
    claims = cbor.decode(cbor.decode(template().sign(key("SP2"))).value[2])
    claims[PRIVATE_TRANSFER][5] = "coaps://sp2.example"
    raw = sign(cbor.encode(claims), key("SP2"), Typ.TEMPLATE)
    with pytest.raises(MessageError) as refused:
        TransferTemplate.parse(raw, key("SP2").public_key())
    assert refused.value.result is Result.UNKNOWN_TYP_OR_CLAIM
    assert not within("coaps://ca2.example/other/label", "coaps://ca2.example/est")


def test_15_while_one_transfer_runs_every_other_message_is_busy() -> None:
    towards_sp3 = message(n=2, endorser="SP3")
    for state in set(State) - {State.IDLE, State.ACCEPTED}:
        answer = received(at(state), towards_sp3)
        assert (answer.result, answer.code) == (Result.BUSY, AnswerCode.METHOD_NOT_ALLOWED)


def test_15_after_the_commit_sp1_is_nobody() -> None:
    committed = after(at(State.COMMITTED), ev.ReportAcknowledged(1))
    for epoch in (0, 1):
        assert rejected(message(n=2, epoch=epoch), committed) is Result.WRONG_SIGNER
    stranger = ev.Source.STRANGER
    answer = received(committed, message(n=2), source=stranger)
    assert answer.code is AnswerCode.UNAUTHORIZED


def test_anchors_and_agreed_state_come_first() -> None:
    assert rejected(message(), record(added_anchors=())) is Result.ANCHOR_MISSING
    assert rejected(message(), facts=replace(FACTS, manifests=frozenset())) is Result.AGREED_STATE_ABSENT
    assert rejected(b"\x00" * 1025) is Result.TOO_LARGE
