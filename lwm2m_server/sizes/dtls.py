"""The profile "DTLS, X.509": DTLS 1.2 with certificates both ways, EST-coaps, LwM2M over DTLS.

The device is our own CoAP client.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from device_pki.roles import Role
from enrollment.csr import build_csr
from enrollment.est.client import enroll_request, parse_certificate
from lwm2m_server.fleet.factory_certificates import Carriage
from lwm2m_server.fleet.profiles import Profile
from lwm2m_server.sizes.checks import device_check, server_check
from lwm2m_server.sizes.column import Column, Message, Operation
from lwm2m_server.sizes.conditions import CA_HOST, ENDPOINT, SP1_HOST
from lwm2m_server.sizes.messages import device_list, transfer_messages
from lwm2m_server.sizes.nominal import SIGNATURE, is_nominal, until_nominal
from lwm2m_server.sizes.parties import Parties, new_key
from lwm2m_server.sizes.servers import delivering, exchange, new_label, serving_ca, take_anything
from lwm2m_server.sizes.tap import Datagram, Tap
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig
from secure_coap.channels.dtls.records import (
    HANDSHAKE_HEADER,
    RECORD_HEADER,
    ContentType,
    HandshakeType,
    Record,
    split_records,
)
from secure_coap.endpoint import CoapClient

OPTIONS: Final = (
    "DTLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, P-256, extended master secret, no tickets, no resumption",
    "cookies of 8 bytes",
    "factory certificate and CA2's EST certificate by value, each issued by a root",
    "EST-coaps: PKCS#10 (286) bound to the session by its tls-unique, the bare certificate (287) as the answer",
    "LwM2M Write of an opaque resource over the open session",
    "device list: certificates in it (kind 0)",
)

_FLIGHTS: Final = 6
_SIGNED: Final = {
    HandshakeType.SERVER_KEY_EXCHANGE: HANDSHAKE_HEADER + 4 + 65 + 4 + SIGNATURE,
    HandshakeType.CERTIFICATE_VERIFY: HANDSHAKE_HEADER + 4 + SIGNATURE,
}
"""Bytes of the messages that hold a signature (RFC 8422 section 5.4, RFC 5246 section 7.4.8)."""


async def measure(parties: Parties) -> Column:
    """Run every operation, and count."""
    messages = transfer_messages(parties, Profile.DTLS)
    async with serving_ca(parties) as taps:
        device = _Device(parties, taps.dtls)
        flights = await until_nominal(device.shake_hands, _is_nominal)
        enrolled = await until_nominal(device.enroll, lambda one: one.is_nominal)
    delivery, endorser = await _deliver(parties, messages.endorsed)
    return Column(
        name=Profile.DTLS,
        title="DTLS 1.2, X.509",
        options=OPTIONS,
        factory_certificate=len(parties.device.der),
        transfer_message_plain=len(messages.plain),
        transfer_message=len(messages.endorsed),
        delivery=delivery,
        handshake=Operation([Message(_contents(one), len(one.data), one.sent) for one in flights]),
        enrollment=exchange(enrolled.passed, "POST /sen", "2.04 Changed"),
        endorser=endorser,
        device_list=device_list(parties, Carriage.X509),
    )


# ---- handshake and enrollment with CA2 --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Enrolled:
    """A certificate, and the datagrams it took to get it."""

    request: x509.CertificateSigningRequest
    certificate: x509.Certificate
    passed: Sequence[Datagram]

    @property
    def is_nominal(self) -> bool:
        """Whether request and certificate have their most common size, and the CA answered at once."""
        return len(self.request.signature) == SIGNATURE and is_nominal(self.certificate) and len(self.passed) == 2


class _Device:
    """The device towards CA2."""

    def __init__(self, parties: Parties, tap: Tap) -> None:
        self._parties = parties
        self._tap = tap
        check = server_check(parties.ca2.chain()[:1], Role.EST_SERVER, CA_HOST)
        self._config = DtlsClientConfig([parties.device.certificate], parties.device.key, check)

    async def shake_hands(self) -> Sequence[Datagram]:
        """The flights of a handshake."""
        await self._tap.take()
        client = await CoapClient.connect(*self._tap.address, dtls=self._config)
        flights = await self._tap.take()
        await client.close()
        return flights

    async def enroll(self) -> _Enrolled:
        """Enroll with a fresh key."""
        client = await CoapClient.connect(*self._tap.address, dtls=self._config)
        key, uri = new_key(), await new_label(self._parties)
        request = build_csr(key, ENDPOINT, client.association.channel_binding)
        await self._tap.take()
        certificate = parse_certificate(await client.request(enroll_request(uri, request)), key.public_key())
        passed = await self._tap.take()
        await client.close()
        return _Enrolled(x509.load_der_x509_csr(request), certificate, passed)


def _is_nominal(flights: Sequence[Datagram]) -> bool:
    sizes = {kind: len(record.data) - RECORD_HEADER for one in flights for kind, record in _plain_messages(one)}
    return len(flights) == _FLIGHTS and all(sizes[kind] == size for kind, size in _SIGNED.items())


def _plain_messages(flight: Datagram) -> Iterator[tuple[HandshakeType, Record]]:
    """The handshake messages that are not protected yet; each has a record to itself."""
    for record in split_records(flight.data):
        if record.epoch == 0 and record.type == ContentType.HANDSHAKE:
            yield HandshakeType(record.data[RECORD_HEADER]), record


def _contents(flight: Datagram) -> str:
    """The messages in a flight with the bytes of their records."""
    named = [f"{_name(kind)} {len(record.data)}" for kind, record in _plain_messages(flight)]
    rest = [record for record in split_records(flight.data) if record.epoch or record.type != ContentType.HANDSHAKE]
    names = {ContentType.CHANGE_CIPHER_SPEC: "ChangeCipherSpec", ContentType.HANDSHAKE: "Finished"}
    return ", ".join([*named, *(f"{names[ContentType(record.type)]} {len(record.data)}" for record in rest)])


def _name(kind: HandshakeType) -> str:
    """As RFC 5246 writes it."""
    return kind.name.title().replace("_", "")


# ---- delivery by SP1 -----------------------------------------------------------------------------------


async def _deliver(parties: Parties, message: bytes) -> tuple[Operation, Operation]:
    anchors, server, device = parties.ca1.chain()[:1], parties.sp1_server, parties.operational
    async with delivering(
        DtlsServerConfig([server.certificate], server.key, device_check(anchors, Role.OPERATIONAL_DEVICE))
    ) as sp1:
        check = server_check(anchors, Role.SERVER, SP1_HOST)
        config = DtlsClientConfig([device.certificate], device.key, check)
        client = await CoapClient.connect(*sp1.tap.address, dtls=config, handler=take_anything)
        try:
            return await sp1.write(client, message, parties.endorser.der)
        finally:
            await client.close()
