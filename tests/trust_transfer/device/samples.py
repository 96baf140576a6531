"""A device between SP1 and SP2 with real keys and real messages, for tests that take one step at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from cose.keys import PrivateKey, authority_key, generate_private_key
from trust_transfer.device import events as ev
from trust_transfer.device import machine
from trust_transfer.device.actions import Answer
from trust_transfer.device.facts import Facts
from trust_transfer.device.minimum import Minimum
from trust_transfer.device.record import Account, DeviceRecord, Endorser
from trust_transfer.messages.numbers import AnchorRole, Form, Result, State
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import Terms, endorsed_message, plain_message
from trust_transfer.messages.values import (
    Anchor,
    Authorities,
    Destination,
    EnrollmentProfile,
    Limits,
    SuitDigest,
    seq_value,
)

ENDPOINT = "urn:dev:1"
NOW = 1_900_000_000
OPENS = NOW + 100
CLOSES = OPENS + 4000
CTI = b"transfer-id-0001"
AGREED = SuitDigest(-16, b"a" * 32)
PERMANENT = b"p" * 32
ANCHOR_1 = Anchor(AnchorRole.ENROLL | AnchorRole.UPDATE, b"1" * 32)
ANCHOR_2 = Anchor(AnchorRole.ENROLL | AnchorRole.UPDATE, b"2" * 32)
OLD_KEY = b"o" * 32
ATTEMPT_KEY = b"k" * 32
FACTS = Facts(running=AGREED, manifests=frozenset({AGREED}))


@cache
def key(owner: str) -> PrivateKey:
    """The private key of SP1, SP2, the device, or anybody else."""
    return generate_private_key()


def authority(owner: str) -> bytes:
    return authority_key(key(owner).public_key())


def authorities(owner: str) -> Authorities:
    return Authorities(authority(owner), authority(f"{owner} firmware"))


def record(**changes: Any) -> DeviceRecord:
    """An idle device of SP1 that believes SP2's endorsements and has SP2's anchor."""
    account = Account(
        server_uri="coaps://sp1.example",
        enroll_uri="coaps://ca1.example/est/one",
        profile=EnrollmentProfile(0, 0, 0),
        authorities=authorities("SP1"),
        anchors=(ANCHOR_1,),
        credential=OLD_KEY,
        certificate=b"old certificate",
    )
    idle = DeviceRecord(
        endpoint=ENDPOINT,
        permanent_anchor=PERMANENT,
        minimum=Minimum(),
        account=account,
        fallback_uri="coaps://sp1.example",
        time_floor=NOW - 1000,
        added_anchors=(ANCHOR_2.fingerprint,),
        endorsers=(Endorser(authority("SP2"), NOW + 10**8),),
    )
    return replace(idle, **changes)


def destination(**changes: Any) -> Destination:
    """Where SP2 wants the device."""
    goal = Destination(
        enroll_uri="coaps://ca2.example/est/two",
        update_uri="coaps://sp2.example",
        update_first=False,
        ra_uri=None,
        agreed_state=AGREED,
        anchors=(ANCHOR_2,),
        profile=EnrollmentProfile(0, 0, 0),
        authorities=authorities("SP2"),
    )
    return replace(goal, **changes)


def template(goal: Destination | None = None, **changes: Any) -> TransferTemplate:
    terms = TransferTemplate(
        issuer="SP2",
        audience="SP1",
        not_before=OPENS,
        not_after=CLOSES,
        issued_at=NOW - 10,
        transfer_id=CTI,
        destination=goal or destination(),
    )
    return replace(terms, **changes)


def message(
    n: int = 1,
    *,
    epoch: int = 0,
    form: Form = Form.ENDORSED,
    goal: Destination | None = None,
    window: tuple[int, int] = (OPENS, CLOSES),
    signer: str = "SP1",
    endorser: str = "SP2",
    **changes: Any,
) -> bytes:
    """SP1's message to the device, with anything changed."""
    terms = Terms(
        audience=changes.pop("audience", ENDPOINT),
        seq=seq_value(epoch, n),
        fallback_uri=changes.pop("fallback_uri", "coaps://sp1.example/back"),
        limits=changes.pop("limits", Limits(3, 600)),
        **changes,
    )
    made = template(goal, not_before=window[0], not_after=window[1])
    if form is Form.PLAIN:
        return plain_message(made, terms, key(signer))
    return endorsed_message(made.sign(key(endorser)), terms, key(signer))


def after(start: DeviceRecord, *events: ev.Event, now: int = OPENS + 2000, facts: Facts = FACTS) -> DeviceRecord:
    """The record after these events, all at `now`."""
    for event in events:
        start = machine.handle(start, event, now, facts).record
    return start


def received(
    start: DeviceRecord, raw: bytes, *, now: int = NOW, facts: Facts = FACTS, source: ev.Source = ev.Source.SERVER
) -> Answer:
    """The answer to a message; a rejection must leave the record untouched and order nothing."""
    outcome = machine.handle(start, ev.TransferMessageReceived(raw, source), now, facts)
    assert outcome.answer is not None
    if not outcome.answer.success:
        assert outcome.record == start
        assert outcome.actions == ()
    return outcome.answer


def rejected(raw: bytes, start: DeviceRecord | None = None, **named: Any) -> Result:
    """Why a message is rejected."""
    answer = received(start or record(), raw, **named)
    assert not answer.success
    return answer.result


CERTIFIED = ev.CertificateIssued(ATTEMPT_KEY, b"new certificate", not_before=NOW)
STEPS: tuple[ev.Event, ...] = (
    ev.AttemptKeyMade(ATTEMPT_KEY),
    ev.ResetDone(AGREED),
    CERTIFIED,
    ev.RegistrationAccepted(ev.Side.NEW),
    ev.ReportSigned(b"report"),
)


def at(state: State) -> DeviceRecord:
    """A record in this state, come there as it would."""
    accepted = after(record(), ev.TransferMessageReceived(message()), now=NOW)
    update_first = after(record(), ev.TransferMessageReceived(message(goal=destination(update_first=True))), now=NOW)
    give_up = ev.FallBackRequested(ev.Source.LOCAL)
    taken_back = ev.RegistrationAccepted(ev.Side.OLD)
    records = {
        State.IDLE: record(),
        State.ACCEPTED: accepted,
        State.RESETTING: after(accepted, *STEPS[:1]),
        State.ATTESTING: replace(after(accepted, *STEPS[:1]), state=State.ATTESTING),
        State.UPDATING: after(update_first, *STEPS[:2]),
        State.ENROLLING: after(accepted, *STEPS[:2]),
        State.REGISTERING: after(accepted, *STEPS[:3]),
        State.COMMITTED: after(accepted, *STEPS[:5]),
        State.FALLING_BACK: after(accepted, *STEPS[:3], give_up),
        State.FELL_BACK: after(accepted, *STEPS[:3], give_up, taken_back, STEPS[4]),
    }
    return records[state]
