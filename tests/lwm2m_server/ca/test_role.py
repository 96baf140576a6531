"""The CA role over real sockets: batches, labels, enrollment, re-enrollment, closing, revocation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from cryptography import x509

from cose.keys import generate_private_key, thumbprint
from device_pki.bag import encode_x5bag
from device_pki.fingerprints import der, fingerprint
from device_pki.keys import public_key
from device_pki.path import verify_path
from device_pki.revocation import RevocationIndex, RevocationStatus
from device_pki.roles import Role
from enrollment.ca_client import CaApiError, Enroll
from enrollment.csr import build_csr
from enrollment.est.client import crts_request, enroll_request, parse_certificate, parse_crts, reenroll_request
from enrollment.register import LabelPolicy
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.roles.ca import RunningCa
from secure_coap.errors import Forbidden, HandshakeFailed, NotFound
from secure_coap.exchange import Request
from secure_coap.numbers import Code
from tests.lwm2m_server.ca.world import DeviceKeys, Provider, ca_uri, csr_for, make_ca, serving_ca


class World:
    def __init__(self, permanent: CaDirectory, ca: CaDirectory, running: RunningCa, providers: list[Provider]) -> None:
        self.permanent, self.ca, self.running, self.providers = permanent, ca, running, providers
        self.anchor = ca.chain()[0]

    async def device(self, endpoint: str) -> DeviceKeys:
        """Certify a device's own key, as a batch of one, at the permanent CA."""
        key = generate_private_key()
        async with (
            serving_ca(self.permanent, self.permanent, self.providers[0]) as running,
            self.providers[0].client(self.permanent, running) as client,
        ):
            [certificate] = await client.certify_batch([build_csr(key, endpoint)])
        return DeviceKeys(key, certificate)


@pytest.fixture
def permanent(tmp_path: Path) -> CaDirectory:
    return make_ca(tmp_path / "permanent", "Permanent CA")


@pytest.fixture
async def world(tmp_path: Path, permanent: CaDirectory) -> AsyncIterator[World]:
    ca = make_ca(tmp_path / "ca1", "CA1", permanent)
    providers = [Provider.make(tmp_path / "sp", name) for name in ("sp1", "sp2")]
    async with serving_ca(ca, permanent, *providers) as running:
        yield World(permanent, ca, running, providers)


async def test_the_life_of_a_device_at_a_ca(world: World) -> None:
    device = await world.device("dev-1")
    label, name = uuid4(), fingerprint(device.certificate)
    async with world.providers[0].client(world.ca, world.running) as api:
        registered = await api.put_label(label, encode_x5bag([der(device.certificate)]))
        assert registered.accepted == (name,) and registered.refused == ()
        assert registered.anchors == (fingerprint(world.anchor),)
        uri = ca_uri(registered.ca_uri)

        # initial enrollment with the factory certificate
        key = generate_private_key()
        async with device.session(world.running, [world.anchor]) as session:
            authorities = parse_crts(await session.request(crts_request(uri)))
            assert world.anchor in authorities
            request = enroll_request(uri, csr_for(session, key, "dev-1"))
            certificate = parse_certificate(await session.request(request), key.public_key())
            again = parse_certificate(await session.request(request), key.public_key())
        assert certificate == again
        now = datetime.now(UTC)
        verify_path(certificate, [], anchors=[world.anchor], role=Role.OPERATIONAL_DEVICE, now=now)
        assert certificate.subject == device.certificate.subject
        operational = DeviceKeys(key, certificate)

        # re-enrollment with the operational certificate
        second = generate_private_key()
        async with operational.session(world.running, [world.anchor]) as session:
            request = reenroll_request(uri, csr_for(session, second, "dev-1"))
            renewed = parse_certificate(await session.request(request), second.public_key())
        assert public_key(renewed) == second.public_key()

        # completion: entry closed, everything revoked, list published
        for _ in range(2):
            await api.set_device(label, name, enroll=Enroll.CLOSED, revoke="all")
        index = RevocationIndex()
        index.add(await api.crl(), world.anchor, datetime.now(UTC))
        for old in (certificate, renewed):
            assert index.status(old, datetime.now(UTC)) is RevocationStatus.REVOKED
        async with device.session(world.running, [world.anchor]) as session:
            with pytest.raises(Forbidden):
                request = enroll_request(uri, csr_for(session, generate_private_key(), "dev-1"))
                parse_certificate(await session.request(request), key.public_key())
        with pytest.raises(HandshakeFailed):
            async with operational.session(world.running, [world.anchor]) as session:
                pass


async def test_a_released_key_is_refused_and_others_are_not(world: World) -> None:
    device = await world.device("dev-1")
    label, name = uuid4(), fingerprint(device.certificate)
    first, second = generate_private_key(), generate_private_key()
    async with world.providers[0].client(world.ca, world.running) as api:
        uri = ca_uri((await api.put_label(label, encode_x5bag([der(device.certificate)]))).ca_uri)
        await api.set_device(label, name, enroll=Enroll.OPEN, revoke=thumbprint(first.public_key()))
        async with device.session(world.running, [world.anchor]) as session:
            with pytest.raises(Forbidden):
                (await session.request(enroll_request(uri, csr_for(session, first, "dev-1")))).raise_for_code()
            response = await session.request(enroll_request(uri, csr_for(session, second, "dev-1")))
            parse_certificate(response, second.public_key())


async def test_a_closed_entry_is_not_opened_by_a_repeated_bag(world: World) -> None:
    device = await world.device("dev-1")
    label, bag = uuid4(), encode_x5bag([der(device.certificate)])
    async with world.providers[0].client(world.ca, world.running) as api:
        first = await api.put_label(label, bag)
        await api.set_device(label, fingerprint(device.certificate), enroll=Enroll.CLOSED)
        assert await api.put_label(label, bag) == first
        async with device.session(world.running, [world.anchor]) as session:
            request = enroll_request(ca_uri(first.ca_uri), csr_for(session, generate_private_key(), "dev-1"))
            assert (await session.request(request)).code is Code.FORBIDDEN


async def test_another_providers_label_is_unknown(world: World) -> None:
    device = await world.device("dev-1")
    label = uuid4()
    async with (
        world.providers[0].client(world.ca, world.running) as own,
        world.providers[1].client(world.ca, world.running) as foreign,
    ):
        await own.put_label(label, encode_x5bag([der(device.certificate)]))
        answers = []
        for uuid in (label, uuid4()):
            with pytest.raises(CaApiError) as refused:
                await foreign.set_device(uuid, fingerprint(device.certificate), enroll=Enroll.CLOSED, revoke="all")
            answers.append((refused.value.status, refused.value.problem))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404


async def test_a_provider_sets_what_its_label_allows(world: World) -> None:
    device = await world.device("dev-1")
    label, bag = uuid4(), encode_x5bag([der(device.certificate)])
    policy = LabelPolicy(
        max_devices=0, max_keys=3, not_after=datetime(2030, 1, 1, tzinfo=UTC), server_keys=True, label_rate=5
    )
    async with (
        world.providers[0].client(world.ca, world.running) as own,
        world.providers[1].client(world.ca, world.running) as foreign,
    ):
        await own.set_policy(label, policy)
        assert await own.policy(label) == policy
        with pytest.raises(CaApiError, match="at most 0 devices") as full:
            await own.put_label(label, bag)
        assert full.value.status == 409
        with pytest.raises(CaApiError) as unknown:
            await foreign.policy(label)
        assert unknown.value.status == 404
        await own.set_policy(label, LabelPolicy())
        assert await own.policy(label) == LabelPolicy()
        assert (await own.put_label(label, bag)).accepted == (fingerprint(device.certificate),)


async def test_a_bag_with_a_stranger_names_it(world: World, tmp_path: Path) -> None:
    device = await world.device("dev-1")
    stranger = make_ca(tmp_path / "other", "Other CA").chain()[0]
    async with world.providers[0].client(world.ca, world.running) as api:
        result = await api.put_label(uuid4(), encode_x5bag([der(device.certificate), der(stranger)]))
        assert result.accepted == (fingerprint(device.certificate),)
        assert [(r.fingerprint, r.reason) for r in result.refused] == [(fingerprint(stranger), "leaf is a CA")]


async def test_a_batch_is_all_or_nothing(world: World, permanent: CaDirectory) -> None:
    good, bad = generate_private_key(), generate_private_key()
    sp = world.providers[0]
    async with serving_ca(permanent, permanent, sp) as running, sp.client(permanent, running) as api:
        with pytest.raises(CaApiError) as refused:
            await api.certify_batch([build_csr(good, "dev-1"), build_csr(bad, "dev-2", b"binding")])
        assert refused.value.status == 422
        first = await api.certify_batch([build_csr(good, "dev-1"), build_csr(bad, "dev-2")])
        assert await api.certify_batch([build_csr(bad, "dev-2"), build_csr(good, "dev-1")]) == first[::-1]
        with pytest.raises(CaApiError, match="422"):
            await api.certify_batch([build_csr(generate_private_key(), "dev-1")])


async def test_what_is_stored_is_there_after_a_restart(world: World, tmp_path: Path, permanent: CaDirectory) -> None:
    device = await world.device("dev-1")
    ca, sp = make_ca(tmp_path / "ca3", "CA3", permanent), world.providers[0]
    label, key, bag = uuid4(), generate_private_key(), encode_x5bag([der(device.certificate)])
    certificates: list[x509.Certificate] = []
    uris: set[str] = set()
    for _ in range(2):
        async with serving_ca(ca, permanent, sp) as running, sp.client(ca, running) as api:
            uris.add((await api.put_label(label, bag)).ca_uri)
            async with device.session(running, [ca.chain()[0]]) as session:
                request = enroll_request(ca_uri(next(iter(uris))), csr_for(session, key, "dev-1"))
                certificates.append(parse_certificate(await session.request(request), key.public_key()))
    assert len(uris) == 1
    assert certificates[0] == certificates[1]


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("PUT", "/ca/v1/labels/nonsense", b"\x40", 422),
        ("PUT", "/ca/v1/labels/{uuid}", b"\xff", 422),
        ("PUT", "/ca/v1/labels/{uuid}", b"\x40", 422),
        ("PUT", "/ca/v1/labels/{uuid}", bytes(1024 * 1024 + 1), 413),
        ("PUT", "/ca/v1/labels/{uuid}/policy", b'{"max_keys":17}', 422),
        ("PUT", "/ca/v1/labels/{uuid}/policy", b'{"max_keys":true}', 422),
        ("PUT", "/ca/v1/labels/{uuid}/policy", b'{"max_devices":-1}', 422),
        ("PUT", "/ca/v1/labels/{uuid}/policy", b'{"not_after":"2030-01-01T00:00:00"}', 422),
        ("PUT", "/ca/v1/labels/{uuid}/policy", b'{"not_after":"9999-12-31T23:59:59-10:00"}', 422),
        ("PUT", "/ca/v1/labels/{uuid}/policy", b'{"servers":true}', 422),
        ("PUT", "/ca/v1/labels/{uuid}/policy", b" " * 2000, 413),
        ("PUT", "/ca/v1/labels/{uuid}/devices/00", b"{}", 422),
        ("PUT", "/ca/v1/labels/{uuid}/devices/" + "00" * 32, b"{}", 422),
        ("PUT", "/ca/v1/labels/{uuid}/devices/" + "00" * 32, b'{"enroll":"open","revoke":"x"}', 422),
        ("PUT", "/ca/v1/labels/{uuid}/devices/" + "00" * 32, b'{"enroll":"open","x":1}', 422),
        ("PUT", "/ca/v1/labels/{uuid}/devices/" + "00" * 32, b" " * 2000, 413),
        ("PUT", "/ca/v1/labels/{uuid}/devices/" + "00" * 32, b'{"enroll":"open"}', 404),
        ("POST", "/ca/v1/batches", b"\x80", 422),
        ("POST", "/ca/v1/batches", b"\x81\x01", 422),
        ("GET", "/ca/v1/nothing", b"", 404),
        ("DELETE", "/ca/v1/crl", b"", 405),
    ],
)
async def test_bad_calls_get_a_problem(world: World, method: str, path: str, content: bytes, status: int) -> None:
    async with world.providers[0].client(world.ca, world.running) as api:
        response = await api._http.request(
            method, path.format(uuid=uuid4()), content=content, headers={"content-type": "application/cbor"}
        )
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


async def test_a_stranger_cannot_call(world: World, tmp_path: Path) -> None:
    stranger = Provider.make(tmp_path / "stranger", "stranger")
    async with stranger.client(world.ca, world.running) as api:
        with pytest.raises(httpx.TransportError):
            await api.crl()


async def test_unknown_paths_are_denied(world: World) -> None:
    device = await world.device("dev-1")
    async with device.session(world.running, [world.anchor]) as session:
        with pytest.raises(NotFound):
            (await session.request(Request(Code.GET, ("est", "x" * 22, "rv")))).raise_for_code()
