"""The objects without a network: whatever a server sends gets an answer, and nothing else happens."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from aiocoap.message import Message  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from device_client.emulator import factory
from device_client.emulator.life.links import Relation
from device_client.emulator.life.parts import Parts, Surroundings, assemble
from device_client.emulator.life.trust import Peer
from device_client.emulator.log import device_logger
from device_client.emulator.lwm2m.caller import Caller
from device_client.emulator.lwm2m.observing import Observations
from device_client.emulator.requests import MAX_BODY, MAX_PACKAGE, ServerRequests
from device_client.emulator.storage.record_file import RecordFile
from device_client.emulator.transport.coap import Origin
from device_pki.path import PathError
from device_pki.roles import Role
from objects.formats import Format, encode
from objects.model import MODEL
from objects.nodes import MultipleResource
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from tests.device_client.pki import Pki, Provider
from tests.device_client.world import (
    FIRMWARE_IMAGE,
    SETTINGS,
    TRANSFER,
    execute,
    factory_certificate,
    installed,
    read,
    write,
)
from trust_transfer.device.events import Source
from trust_transfer.device.record import MAX_ADDED_ANCHORS as MAX_ANCHORS
from trust_transfer.messages.numbers import Form

URI = "coaps://127.0.0.1:5684"
OBJECTS = ["0", "1", "3", "5", "33001", "33002", "33003", "65535", "x"]


@pytest.fixture
def parts(tmp_path: Path, pki: Pki) -> Parts:
    [csr] = factory.make(tmp_path, 1)
    certificate = factory_certificate(pki, csr)
    endpoint = factory.install(tmp_path, installed(pki, certificate, f"{URI}/est/x", URI, Form.PLAIN), FIRMWARE_IMAGE)
    outside = Surroundings(SETTINGS, device_logger(endpoint), random.Random(1))
    return assemble(factory.device_files(tmp_path, endpoint), outside)


def server_requests(parts: Parts, source: Source = Source.SERVER) -> ServerRequests:
    observations = Observations(parts.dispatcher, lambda: Caller(source), clock=time.monotonic, now=time.time)
    return ServerRequests(observations.answer, device_logger("x"))


async def ask(parts: Parts, request: Request, source: Source = Source.SERVER) -> Response:
    return await server_requests(parts, source).handle(request, Origin(b"\1", Message()))


requests = st.builds(
    Request,
    method=st.sampled_from([Code.GET, Code.PUT, Code.POST, Code.DELETE, Code.FETCH, Code.IPATCH]),
    path=st.lists(
        st.one_of(st.sampled_from(OBJECTS), st.integers(0, 20).map(str), st.text(max_size=3)), max_size=5
    ).map(tuple),
    payload=st.one_of(st.binary(max_size=64), st.just(b"0='1'"), st.just(b"1")),
    content_format=st.sampled_from([None, 0, 40, 42, 110, 112, 11542, 65000]),
    accept=st.sampled_from([None, 0, 40, 42, 112, 11542, 65000]),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(request=requests, source=st.sampled_from(Source))
def test_every_request_gets_an_answer(parts: Parts, request: Request, source: Source) -> None:
    response = parts.dispatcher.handle(request, Caller(source))
    assert response.code.is_response and response.code is not Code.INTERNAL_SERVER_ERROR


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(request=requests)
def test_a_stranger_changes_nothing(parts: Parts, request: Request) -> None:
    before = parts.host.record, parts.software_store.state, parts.preferences.now
    response = parts.dispatcher.handle(request, Caller(Source.STRANGER))
    assert (parts.host.record, parts.software_store.state, parts.preferences.now) == before
    if response.code.is_success:
        assert request.method is Code.GET and request.path[0] == "33001"


def test_the_nonce_is_fresh_at_every_read_and_untouched_by_discovery(parts: Parts) -> None:
    dispatcher = parts.dispatcher
    first = dispatcher.handle(read(TRANSFER["Nonce"]), Caller(Source.SERVER)).payload
    assert len(first) == 16
    dispatcher.handle(Request(Code.GET, ("33001",), accept=40), Caller(Source.SERVER))
    assert parts.nonce.value == first
    assert dispatcher.handle(read(TRANSFER["Nonce"]), Caller(Source.SERVER)).payload != first


@pytest.mark.parametrize(
    "payload", [b"0='1", b"0=1", b"0='1',", b"0='1',0='2'", b"x", b"0='-1'", b"0='99999999999999999999999'"]
)
def test_malformed_arguments_are_refused(parts: Parts, payload: bytes) -> None:
    cancel = execute(TRANSFER["Cancel"], 1)
    request = Request(cancel.method, cancel.path, payload=payload, content_format=0)
    assert parts.dispatcher.handle(request, Caller(Source.SERVER)).code is Code.BAD_REQUEST


def test_anchors_that_are_refused_leave_nothing_behind(parts: Parts) -> None:
    answers = [
        parts.dispatcher.handle(anchor_write(Code.POST, n), Caller(Source.SERVER)).code for n in range(MAX_ANCHORS + 3)
    ]
    assert answers == [Code.CHANGED] * MAX_ANCHORS + [Code.INTERNAL_SERVER_ERROR] * 3
    assert set(parts.vault.certificate_names()) == parts.host.record.truststore


def test_a_put_replaces_the_added_anchors_and_a_post_adds_to_them(parts: Parts) -> None:
    own = parts.host.record.truststore
    for method, added in ((Code.POST, 1), (Code.POST, 2), (Code.PUT, 1), (Code.POST, 2)):
        assert parts.dispatcher.handle(anchor_write(method, 0), Caller(Source.SERVER)).code is Code.CHANGED
        assert len(parts.host.record.truststore - own) == added and own <= parts.host.record.truststore


def anchor_write(method: Code, number: int) -> Request:
    """A Write of one anchor nobody has seen before."""
    resource = MODEL["Enrollment"]["Trust Anchors"]
    der = Provider.make(f"ca-{number}").ca.certificate.public_bytes(Encoding.DER)
    payload = encode(Format.TLV, resource.path(), MultipleResource(resource.id, {number: der}), MODEL)
    return Request(method, resource.path().segments, payload=payload, content_format=Format.TLV)


@pytest.mark.parametrize("uri", [f"{URI}/est//x", "coaps://127.0.0.1:1/a?b", "coap://127.0.0.1/est/x"])
def test_an_enroll_uri_where_nobody_can_enroll_is_refused(parts: Parts, uri: str) -> None:
    answer = parts.dispatcher.handle(write(MODEL["Enrollment"]["Enroll URI"], uri), Caller(Source.SERVER))
    assert answer.code is Code.BAD_REQUEST and answer.payload.startswith(b"16 uri")
    assert parts.host.record.account.enroll_uri == f"{URI}/est/x"


def test_an_enroll_uri_may_leave_the_path_to_the_ca(parts: Parts) -> None:
    answer = parts.dispatcher.handle(write(MODEL["Enrollment"]["Enroll URI"], URI), Caller(Source.SERVER))
    assert answer.code is Code.CHANGED and parts.host.record.account.enroll_uri == URI


REFUSED = [
    (write(TRANSFER["Transfer Message"], b"x"), Source.SERVER, "1 malformed"),
    (write(TRANSFER["Transfer Message"], b"x"), Source.STRANGER, "0 none: only the current"),
    (write(TRANSFER["Minimum"], b"x"), Source.SERVER, "1 malformed"),
    (write(MODEL["Enrollment"]["Enroll URI"], "x"), Source.SERVER, "16 uri"),
    (write(MODEL["Fallback"]["Deadline"], 900), Source.SERVER, "19 busy: limits"),
    (write(MODEL["LwM2M Server"]["Lifetime"], 0), Source.SERVER, "a lifetime is"),
    (execute(TRANSFER["Cancel"]), Source.SERVER, "the encoding does not fit"),
]


@pytest.mark.parametrize(("request_", "source", "reason"), REFUSED)
async def test_every_rejection_is_logged_once_with_its_reason(
    parts: Parts, request_: Request, source: Source, reason: str
) -> None:
    with capture_logs() as events:
        answer = await ask(parts, request_, source)
    assert answer.payload.decode().startswith(reason)
    [event] = events
    assert event["event"] == "request_refused" and event["reason"].startswith(reason)


async def test_what_cannot_be_stored_is_said_with_its_result_and_changes_nothing(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    before = parts.host.record, parts.preferences.now
    for request in (execute(TRANSFER["Cancel"], 7), write(MODEL["LwM2M Server"]["Lifetime"], 77)):
        answer = await ask(parts, request)
        assert answer.code is Code.INTERNAL_SERVER_ERROR and answer.payload.startswith(b"20 storage")
    assert (parts.host.record, parts.preferences.now) == before


async def test_a_defect_behind_a_request_is_logged_and_answered(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(request: Request, source: Source) -> None:
        raise KeyError("defect")

    monkeypatch.setattr(parts.dispatcher, "handle", defect)
    with capture_logs() as events:
        answer = await ask(parts, read(TRANSFER["State"]))
    assert answer.code is Code.INTERNAL_SERVER_ERROR and b"KeyError" not in answer.payload
    assert [event["event"] for event in events] == ["request_failed"]


def test_a_clock_set_back_makes_no_expired_server_trusted_again(parts: Parts, pki: Pki, tmp_path: Path) -> None:
    """The clock says 1970 and the certificates begin later; the time floor knows better, and no clock lowers it."""
    set_back = replace(parts.outside, now=lambda: 0)
    files = factory.device_files(tmp_path, parts.factory.endpoint)
    for floor, trusted in ((int(time.time()), True), (2**32, False)):
        RecordFile(files).save(replace(parts.host.record, time_floor=floor))
        trust = assemble(files, set_back).trust
        check = trust.server_check(Peer(URI, Role.SERVER, frozenset({pki.sp1.anchor})), "127.0.0.1")
        with nullcontext() if trusted else pytest.raises(PathError):
            check([pki.sp1.server.certificate])


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request(Code.GET, ("9", "0")), Code.NOT_FOUND),
        (Request(Code.GET, ("3", "1")), Code.NOT_FOUND),
        (Request(Code.GET, ("3", "0", "99")), Code.NOT_FOUND),
        (Request(Code.GET, ("3", "0", "0", "0")), Code.NOT_FOUND),
        (Request(Code.GET, ("3", "0", "4")), Code.METHOD_NOT_ALLOWED),
        (Request(Code.GET, ("3", "0"), accept=65000), Code.NOT_ACCEPTABLE),
        (Request(Code.GET, ("3", "0"), accept=0), Code.NOT_ACCEPTABLE),
        (Request(Code.PUT, ("1", "0", "1"), payload=b"60", content_format=65000), Code.UNSUPPORTED_CONTENT_FORMAT),
        (Request(Code.PUT, ("1", "0", "1"), payload=b"60"), Code.UNSUPPORTED_CONTENT_FORMAT),
        (Request(Code.PUT, ("1", "0", "1"), ("pmin=10",)), Code.CHANGED),
        (Request(Code.PUT, ("1", "0", "7"), ("gt=10",)), Code.BAD_REQUEST),
        (Request(Code.PUT, ("1", "0", "1"), ("pmin=x",)), Code.BAD_REQUEST),
        (Request(Code.PUT, ("1", "0", "1"), payload=b"x", content_format=0), Code.BAD_REQUEST),
        (Request(Code.PUT, ("3", "0", "0"), payload=b"x", content_format=0), Code.METHOD_NOT_ALLOWED),
        (Request(Code.PUT, ("1", "0", "1"), payload=b"60", content_format=0), Code.CHANGED),
        (Request(Code.POST, ("1", "0"), payload=b"\xc1\x01\x3c", content_format=11542), Code.CHANGED),
        (Request(Code.POST, ("1", "0", "8")), Code.CHANGED),
        (Request(Code.POST, ("3", "0", "4")), Code.CHANGED),
        (Request(Code.POST, ("3",), payload=b"", content_format=11542), Code.METHOD_NOT_ALLOWED),
        (Request(Code.DELETE, ("3", "0")), Code.METHOD_NOT_ALLOWED),
        (Request(Code.FETCH, (), payload=b"\x80", content_format=112), Code.CONTENT),
        (Request(Code.FETCH, ("3",), payload=b"\x80", content_format=112), Code.METHOD_NOT_ALLOWED),
    ],
)
def test_any_server_gets_the_standards_answers(parts: Parts, request_: Request, code: Code) -> None:
    assert parts.dispatcher.handle(request_, Caller(Source.SERVER)).code is code


@pytest.mark.parametrize(
    ("relation", "before", "after"),
    [
        (Relation.ACCOUNT, Source.SERVER, Source.STRANGER),
        (Relation.NEXT, Source.STRANGER, Source.SERVER),
        (Relation.UPDATE, Source.UPDATE_SESSION, Source.STRANGER),
    ],
)
def test_a_session_opened_before_the_commit_counts_by_whose_device_it_is_now(
    parts: Parts, relation: Relation, before: Source, after: Source
) -> None:
    speaks = parts.links.source(relation, parts.host.record.epoch)
    assert speaks() is before
    parts.host.record = replace(parts.host.record, epoch=parts.host.record.epoch + 1)
    assert speaks() is after


def test_bodies_are_bounded_by_their_path(parts: Parts) -> None:
    requests_of = server_requests(parts)
    assert requests_of.body_limit(("33001", "0", "0")) == 1024
    assert requests_of.body_limit(("5", "0", "0")) == MAX_PACKAGE
    assert requests_of.body_limit(("33002", "0", "6")) == MAX_BODY
    assert requests_of.too_large(("33001", "0", "0")).payload.startswith(b"2 too_large")


def test_the_registration_lists_every_object_with_its_version(parts: Parts) -> None:
    targets = {link.target: link.attributes for link in parts.dispatcher.links()}
    for number in (1, 3, 5, 33001, 33002, 33003):
        assert f"/{number}/0" in targets
        if MODEL[number].version != "1.0":
            assert targets[f"/{number}"]["ver"] == MODEL[number].version


def test_the_command_line_imports_nothing_but_typer_before_a_command_runs() -> None:
    code = "import device_client.emulator.cli, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert not {"asyncio", "cryptography", "aiocoap", "OpenSSL", "structlog", "rich"} & set(loaded)
