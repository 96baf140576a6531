"""The profiles "EDHOC, C509": OSCORE with keys from EDHOC, EST over it with C509 requests, LwM2M over OSCORE.

*compact* uses what standards and drafts say and nothing else: both sides sign (method 0), the device names its factory
certificate, CA2 names or shows its own. In *lean* both sides use static Diffie-Hellman (method 3), and CA2's key is the
one the device's TransferMessage has pinned. The device is our own CoAP client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from device_pki.c509 import encode_certificate
from device_pki.directory import CertificateDirectory
from device_pki.roles import Role
from enrollment.c509_csr import Possession, build_c509_csr
from enrollment.credentials import CERTIFICATE_EXPECTED, CertificateResolver, certificate_identity, resolve_pinned
from enrollment.est.client import c509_enroll_request, parse_certificate
from enrollment.est.paths import CaUri
from lwm2m_server.ca.directory import read_certificates
from lwm2m_server.fleet.factory_certificates import Carriage
from lwm2m_server.fleet.profiles import Profile
from lwm2m_server.sizes.checks import device_check, server_check
from lwm2m_server.sizes.column import Column, Message, Operation
from lwm2m_server.sizes.conditions import CA_HOST, SP1_HOST
from lwm2m_server.sizes.messages import device_list, transfer_messages
from lwm2m_server.sizes.nominal import until_nominal
from lwm2m_server.sizes.parties import Holder, Parties, new_key
from lwm2m_server.sizes.servers import delivering, exchange, new_label, serving_ca, take_anything
from lwm2m_server.sizes.tap import Datagram, Tap
from secure_coap.channels.oscore import EdhocClientConfig, EdhocServerConfig, OscoreClientConfig, OscoreServerConfig
from secure_coap.edhoc import CredentialResolver, EdhocIdentity, IdCred, Method, ResolvedCredential
from secure_coap.endpoint import CoapClient

_CARRIAGE: Final = {Profile.COMPACT: Carriage.C509, Profile.LEAN: Carriage.C5B}
_TITLES: Final = {Profile.COMPACT: "EDHOC, C509, standards only", Profile.LEAN: "EDHOC, C509, leanest"}
_COMMON: Final = (
    "EDHOC cipher suite 2, OSCORE with AES-CCM-16-64-128; message 3 with the first request (RFC 9668)",
    "the device's factory certificate by c5t",
    "EST over OSCORE: C509 requests without a name, with a MAC under the responder's ephemeral key; C509 certificates",
    "LwM2M Write of an opaque resource over the association that registered",
)
_OPTIONS: Final = {
    Profile.COMPACT: (
        *_COMMON,
        "method 0; CA2's EST certificate by c5t too, which the device was given as a trust anchor",
        "by value: message 1 is padded to a third of the answer, which saves an Echo round",
        "device list: C509 certificates in it (kind 1)",
    ),
    Profile.LEAN: (
        *_COMMON,
        "method 3; CA2's key pinned by the TransferMessage (36 bytes of it)",
        "neither path nor label nor Accept in the request: the device is registered under one label only",
        "device list: fingerprints (kind 2), the bag sent apart",
    ),
}


async def measure(parties: Parties, profile: Profile) -> Column:
    """Run every operation of `COMPACT` or `LEAN`, and count."""
    messages = transfer_messages(parties, profile)
    counted = await _enrolled(parties, profile, by_reference=not profile.pins_key)
    by_value = None if profile.pins_key else await _enrolled(parties, profile, by_reference=False)
    delivery, endorser = await _deliver(parties, messages.endorsed)
    return Column(
        name=profile,
        title=_TITLES[profile],
        options=_OPTIONS[profile],
        factory_certificate=len(encode_certificate(parties.device.certificate)),
        transfer_message_plain=len(messages.plain),
        transfer_message=len(messages.endorsed),
        delivery=delivery,
        handshake=counted.handshake,
        enrollment=exchange(counted.second, "POST /sen", "2.04 Changed"),
        endorser=endorser,
        device_list=device_list(parties, _CARRIAGE[profile]),
        by_value=None if by_value is None else by_value.handshake,
    )


# ---- handshake and enrollment with CA2 --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Enrolled:
    """Two enrollments in one association, and the datagrams they took. The first request brought message 3."""

    opening: Sequence[Datagram]
    first: Sequence[Datagram]
    second: Sequence[Datagram]

    @property
    def is_nominal(self) -> bool:
        """Whether the CA answered at once."""
        return len(self.opening) == 2 and len(self.first) == len(self.second) == 2

    @property
    def handshake(self) -> Operation:
        """Messages 1 and 2, and what message 3 adds to the request it travels with (RFC 9668)."""
        names = ("message 2", "message 1")
        opening = [Message(names[one.sent], len(one.data), one.sent) for one in self.opening]
        added = len(self.first[0].data) - len(self.second[0].data)
        return Operation([*opening, Message("message 3, in the first request", added, True)])


async def _enrolled(parties: Parties, profile: Profile, *, by_reference: bool) -> _Enrolled:
    async with serving_ca(parties, by_reference=by_reference) as taps:
        device = _Device(parties, taps.oscore, edhoc_of(parties, profile, by_reference=by_reference))
        return await until_nominal(lambda: device.enroll_twice(lean=profile.pins_key), lambda one: one.is_nominal)


class _Device:
    """The device towards CA2."""

    def __init__(self, parties: Parties, tap: Tap, edhoc: EdhocClientConfig) -> None:
        self._parties = parties
        self._tap = tap
        self._config = OscoreClientConfig(edhoc=edhoc)

    async def enroll_twice(self, *, lean: bool) -> _Enrolled:
        """Enroll with two fresh keys, one after the other; `lean`: without what the server knows anyhow."""
        uri = await new_label(self._parties)
        if lean:
            uri = replace(uri, path=())
        await self._tap.take()
        client = await CoapClient.connect(*self._tap.address, oscore=self._config)
        opening = await self._tap.take()
        await self._enroll(client, uri, terse=lean)
        first = await self._tap.take()
        await self._enroll(client, uri, terse=lean)
        counted = _Enrolled(opening, first, await self._tap.take())
        await client.close()
        return counted

    async def _enroll(self, client: CoapClient, uri: CaUri, *, terse: bool) -> None:
        """As the emulated device does: the session says who asks, so the request need not."""
        key = new_key()
        csr = build_c509_csr(key, Possession.of(client.association))
        parse_certificate(await client.request(c509_enroll_request(uri, csr, terse=terse)), key.public_key())


def edhoc_of(parties: Parties, profile: Profile, *, by_reference: bool) -> EdhocClientConfig:
    """How the device shows itself to CA2, and how it knows it; `by_reference`: by the certificate it holds."""
    own = certificate_identity(parties.device.key, [parties.device.certificate], by_reference=True)
    if profile.pins_key:
        return EdhocClientConfig(own, _Pinned(parties.pinned_key), Method.STATIC_STATIC)
    held = CertificateDirectory()
    if by_reference:
        held.add(read_certificates(parties.ca2.est.certificate)[0])
    check = CertificateResolver(server_check(parties.ca2.chain()[:1], Role.EST_SERVER, CA_HOST), held)
    return EdhocClientConfig(own, check, padded_to=0 if by_reference else CERTIFICATE_EXPECTED)


@dataclass(frozen=True, slots=True)
class _Pinned(CredentialResolver):
    """Knows one server by its key."""

    key: bytes

    def resolve(self, id_cred: IdCred, now: datetime) -> ResolvedCredential:
        """Raises `UnknownCredential` for any other server."""
        return resolve_pinned(id_cred, self.key)


# ---- delivery by SP1 -----------------------------------------------------------------------------------


async def _deliver(parties: Parties, message: bytes) -> tuple[Operation, Operation]:
    anchors, known = parties.ca1.chain()[:1], CertificateDirectory()
    verify = CertificateResolver(device_check(anchors, Role.OPERATIONAL_DEVICE), known)
    server = EdhocServerConfig([_by_value(parties.sp1_server)], verify)
    async with delivering(oscore=OscoreServerConfig(server)) as sp1:
        check = CertificateResolver(server_check(anchors, Role.SERVER, SP1_HOST), known)
        device = OscoreClientConfig(edhoc=EdhocClientConfig(_by_value(parties.operational), check))
        client = await CoapClient.connect(*sp1.tap.address, oscore=device, handler=take_anything)
        try:
            return await sp1.write(client, message, parties.endorser.der)
        finally:
            await client.close()


def _by_value(holder: Holder) -> EdhocIdentity:
    return certificate_identity(holder.key, [holder.certificate], by_reference=False)
