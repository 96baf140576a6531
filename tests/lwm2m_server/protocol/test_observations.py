"""Observations, sans-IO: how they begin, what notifications say, and what becomes of them (LwM2M Core 1.2, 6.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_server.protocol import observations
from lwm2m_server.protocol.errors import AnswerUnusable, DeviceError, DeviceRefused
from lwm2m_server.protocol.observations import DUTIES, Duty, Moment, NotObservable, State, Subject
from lwm2m_server.protocol.samples import Sample
from objects.attributes import Attributes
from objects.errors import InvalidValue
from objects.formats import composite, records
from objects.formats.records import Record
from objects.model import MODEL
from objects.path import Path
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from tests.lwm2m_server.protocol.driving import content, drive, target

TEXT, CBOR, TLV = ContentFormat.TEXT, ContentFormat.SENML_CBOR, ContentFormat.LWM2M_TLV
LIFETIME = Path(1, 0, 1)
NOW = 1_800_000_000.0
PMIN = Attributes(pmin=10, pmax=60)


def observed(response: Response) -> Response:
    return replace(response, observe=1)


def test_observe_one_path() -> None:
    begun, asked = drive(observations.observe(target(), Subject.of(LIFETIME), NOW), observed(content(b"60", TEXT)))
    assert asked == [Request(Code.GET, ("1", "0", "1"), accept=TEXT, observe=0)]
    assert (begun.content_format, begun.samples) == (TEXT, (Sample(LIFETIME, 60, NOW),))


def test_observe_several_paths() -> None:
    subject = Subject.of(LIFETIME, Path(3, 0), composite=True)
    answer = observed(content(composite.encode_values(CBOR, {LIFETIME: 60}, MODEL), CBOR))
    begun, asked = drive(observations.observe(target(), subject, NOW), answer)
    assert (asked[0].method, asked[0].observe) == (Code.FETCH, 0)
    assert list(composite.decode_paths(CBOR, asked[0].payload)) == [LIFETIME, Path(3, 0)]
    assert begun.samples == (Sample(LIFETIME, 60, NOW),)


def test_attributes_are_written_before_1_2_and_carried_from_then_on() -> None:
    subject = Subject.of(LIFETIME, attributes=PMIN)
    _, asked = drive(
        observations.observe(target("1.1"), subject, NOW), Response(Code.CHANGED), observed(content(b"60", TEXT))
    )
    assert [(one.method, one.query, one.observe) for one in asked] == [
        (Code.PUT, ("pmin=10", "pmax=60"), None),
        (Code.GET, (), 0),
    ]
    _, asked = drive(observations.observe(target("1.2"), subject, NOW), observed(content(b"60", TEXT)))
    assert [(one.method, one.query, one.observe) for one in asked] == [(Code.GET, ("pmin=10", "pmax=60"), 0)]


def test_a_format_the_device_refuses_is_replaced() -> None:
    answer = observed(content(bytes.fromhex("c40200000000"), TLV))
    _, asked = drive(observations.observe(target(), Subject.of(Path(3, 0)), NOW), Response(Code.NOT_ACCEPTABLE), answer)
    assert [(one.accept, one.observe) for one in asked] == [(CBOR, 0), (ContentFormat.SENML_JSON, 0)]


def test_a_format_the_device_speaks_badly_is_replaced() -> None:
    answers = [observed(content(b"\xff", CBOR)), observed(content(bytes.fromhex("c40200000000"), TLV))]
    begun, asked = drive(observations.observe(target(), Subject.of(Path(3, 0)), NOW), *answers)
    assert (begun.content_format, len(asked)) == (TLV, 2)


def test_a_device_that_will_not_notify_is_told() -> None:
    with pytest.raises(NotObservable, match="read it instead"):
        drive(observations.observe(target(), Subject.of(LIFETIME), NOW), content(b"60", TEXT))


def test_what_cannot_be_observed_is_not_asked_for() -> None:
    for subject in (Subject.of(Path(3, 0, 4)), Subject.of(LIFETIME, attributes=Attributes(pmin=60, pmax=10))):
        with pytest.raises(InvalidValue):
            drive(observations.observe(target(), subject, NOW))
    with pytest.raises(InvalidValue, match="one path"):
        Subject.of(LIFETIME, Path(3))
    with pytest.raises(InvalidValue, match=r"need LwM2M 1\.1"):
        drive(observations.observe(target("1.0"), Subject.of(LIFETIME, composite=True), NOW))


def test_stored_notifications_keep_their_moments() -> None:
    history = [
        Record(LIFETIME, 60, NOW - 120),
        Record(LIFETIME, 61, -30.0),
        Record(LIFETIME, 62),
        Record(LIFETIME, 1, NOW + 9),
    ]
    payload = records.encode(CBOR, history, MODEL)
    found = observations.samples(target(), Subject.of(LIFETIME), content(payload, CBOR), TEXT, NOW)
    assert [(one.value, one.at) for one in found] == [(60, NOW - 120), (61, NOW - 30), (62, NOW), (1, NOW)]


def test_a_notification_outside_what_is_observed_is_refused() -> None:
    payload = records.encode(CBOR, [Record(Path(3, 0, 0), "x")], MODEL)
    with pytest.raises(AnswerUnusable):
        observations.samples(target(), Subject.of(LIFETIME), content(payload, CBOR), TEXT, NOW)


def test_a_notification_that_says_it_is_over() -> None:
    with pytest.raises(DeviceRefused):
        observations.samples(target(), Subject.of(LIFETIME), Response(Code.NOT_FOUND), TEXT, NOW)


@given(st.binary(max_size=64), st.none() | st.sampled_from([*ContentFormat]), st.booleans())
def test_no_notification_raises_anything_but_a_typed_error(payload: bytes, used: int | None, several: bool) -> None:
    subject = Subject.of(Path(3, 0), composite=several)
    try:
        found = observations.samples(target(), subject, content(payload, used), CBOR, NOW)
    except DeviceError:
        return
    assert all(one.at <= NOW for one in found)
    assert several or all(Path(3, 0).contains(one.path) for one in found)


def test_the_table_is_complete() -> None:
    assert set(DUTIES) == {(moment, state) for moment in Moment for state in State}
    assert {duty for (moment, _), duty in DUTIES.items() if moment is Moment.DEREGISTERED} == {Duty.END}
    assert DUTIES[Moment.HEARD, State.LIVE] is Duty.NOTHING
