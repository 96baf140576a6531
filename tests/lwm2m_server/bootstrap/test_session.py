"""Sessions: the order that keeps the old accounts whole, formats found, refusals told; whatever a device answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_server.protocol.bootstrap.interface import BootstrapRequest, PackRequest, parse
from lwm2m_server.protocol.bootstrap.pack import pack
from lwm2m_server.protocol.bootstrap.session import BootstrapSession, Outcome
from objects.formats import Format, composite
from objects.model import MODEL
from objects.path import Path
from secure_coap.errors import BadRequest, CoapError, MethodNotAllowed, NotAcceptable, NotFound
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.bootstrap.samples import Device, account, profile

OLD = {Path(0, 0): None, Path(0, 1): 101, Path(1, 0): 101, Path(3, 0): None, Path(33001, 0): None}


def run(session: BootstrapSession, device: Device) -> Outcome:
    for _ in range(200):
        if session.outcome is not None:
            return session.outcome
        session.answered(device.handle(session.request))
    raise AssertionError("the session does not end")


def test_new_accounts_are_written_before_old_ones_go() -> None:
    device = Device(OLD)
    assert run(BootstrapSession(profile(), MODEL), device) == Outcome(success=True)
    methods = [request.method for request in device.asked]
    assert methods == [Code.GET, Code.PUT, Code.PUT, Code.DELETE, Code.DELETE, Code.POST]
    assert device.written.keys() == {Path(0, 2), Path(1, 1)}
    assert device.present.keys() == {Path(0, 0), Path(3, 0), Path(33001, 0)}
    assert device.finished


@pytest.mark.parametrize("readable", [Format.TLV, Format.SENML_CBOR, Format.SENML_JSON, Format.LWM2M_CBOR])
@pytest.mark.parametrize("preferred", [None, Format.SENML_CBOR])
def test_the_format_the_device_reads_is_found(readable: Format, preferred: Format | None) -> None:
    device = Device(OLD, (readable,))
    assert run(BootstrapSession(profile(), MODEL, preferred), device).success
    assert len(device.written) == 2


def test_a_device_that_reads_nothing_and_one_that_lists_nothing() -> None:
    outcome = run(BootstrapSession(profile(), MODEL), Device(OLD, ()))
    assert not outcome.success
    assert outcome.detail.startswith("write: /0/2: the device answered 4.15")
    silent = Device(OLD, answer=lambda request: Response(Code.NOT_FOUND) if not request.path else None)
    assert run(BootstrapSession(profile(), MODEL), silent).success
    assert silent.written.keys() == {Path(0, 1), Path(1, 0)}


def test_a_refused_write_leaves_everything_as_it_was() -> None:
    device = Device(
        OLD, answer=lambda request: Response(Code.BAD_REQUEST, b"no") if request.path[:1] == ("1",) else None
    )
    outcome = run(BootstrapSession(profile(), MODEL), device)
    assert outcome == Outcome(success=False, detail="write: /1/1: the device answered 4.00 no")
    assert device.present == OLD
    assert not device.finished


def test_a_refused_finish_is_told() -> None:
    device = Device(OLD, answer=lambda request: Response(Code.NOT_ACCEPTABLE) if request.path == ("bs",) else None)
    assert "4.06" in run(BootstrapSession(profile(), MODEL), device).detail


CODES = st.sampled_from([code for code in Code if code.is_response])
ANSWERS = st.builds(Response, CODES, st.binary(max_size=60) | st.just(b"</0/0>,</0/7>;ssid=3,</1/70000>,<//>"))


@given(st.lists(ANSWERS, max_size=40))
def test_whatever_a_device_answers_the_session_ends_or_goes_on(answers: list[Response]) -> None:
    session = BootstrapSession(profile(account(), account(102)), MODEL)
    for answer in answers:
        if session.outcome is not None:
            break
        assert session.request.method in {Code.GET, Code.PUT, Code.DELETE, Code.POST}
        assert session.request.path[:1] not in {("33001",), ("33002",), ("33003",)}
        session.answered(answer)


def test_requests_of_devices() -> None:
    assert parse(Request(Code.POST, ("bs",), ("ep=a", "pct=112"))) == BootstrapRequest("a", Format.SENML_CBOR)
    assert parse(Request(Code.POST, ("bs",), ("ep=a", "pct=60"))) == BootstrapRequest("a", None)
    assert parse(Request(Code.POST, ("bs",))) == BootstrapRequest(None, None)
    assert parse(Request(Code.GET, ("bspack",), ("ep=a",), accept=110)) == PackRequest("a", Format.SENML_JSON)
    wrong: list[tuple[Request, type[CoapError]]] = [
        (Request(Code.GET, ("bs",)), MethodNotAllowed),
        (Request(Code.POST, ("bspack",)), MethodNotAllowed),
        (Request(Code.POST, ("bs", "x")), NotFound),
        (Request(Code.POST, ("bs",), ("ep=a", "ep=b")), BadRequest),
        (Request(Code.POST, ("bs",), tuple(f"q{i}" for i in range(20))), BadRequest),
        (Request(Code.GET, ("bspack",), accept=11542), NotAcceptable),
    ]
    for request, error in wrong:
        with pytest.raises(error):
            parse(request)


@pytest.mark.parametrize("content_format", [Format.SENML_CBOR, Format.SENML_JSON, Format.LWM2M_CBOR])
def test_a_pack_holds_everything(content_format: Format) -> None:
    values = composite.decode_values(content_format, pack(profile(), content_format, MODEL), MODEL)
    assert values[Path(0, 1, 0)] == "coaps://dm.example:5681"
    assert values[Path(1, 0, 0)] == 101
    assert {path.object for path in values} == {0, 1}
