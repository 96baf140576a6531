"""Revoked factory certificates at a CA: by the permanent CA's list in a file, and by its OCSP responder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import generate_private_key
from device_pki.bag import encode_x5bag
from device_pki.fingerprints import der
from device_pki.ocsp import answers
from enrollment.est.client import enroll_request
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.ca.operator import opened
from lwm2m_server.roles.ca import RunningCa
from lwm2m_server.server import factory_revocation
from lwm2m_server.server.crl_files import CrlFileError
from lwm2m_server.settings import OcspSettings
from secure_coap.errors import HandshakeFailed
from secure_coap.numbers import Code
from tests.device_pki.builders import Authority
from tests.lwm2m_server.ca.world import DeviceKeys, Provider, ca_uri, csr_for, make_ca, serving_ca


@dataclass
class World:
    """A permanent CA, and an operational one beneath it."""

    permanent: CaDirectory
    ca: CaDirectory
    provider: Provider
    folder: Path

    def device(self) -> DeviceKeys:
        made = Authority(self.permanent.issuer()).device("dev-1")
        self.permanent.record_issued(made.certificate)
        return DeviceKeys(made.key, made.certificate)

    async def revoke(self, device: DeviceKeys) -> None:
        file = self.folder / "revoked.pem"
        file.write_bytes(device.certificate.public_bytes(Encoding.PEM))
        async with opened(self.permanent) as operator:
            await operator.revoke(await operator.find_certificate(str(file)))

    async def list(self) -> Path:
        """The permanent CA's list, in its file."""
        file = self.folder / "permanent.crl"
        async with opened(self.permanent) as operator:
            file.write_bytes(await operator.crl())
        return file

    async def enrolls(self, running: RunningCa, device: DeviceKeys) -> Code | None:
        """What an enrollment is answered; None when there is no session."""
        async with self.provider.client(self.ca, running) as api:
            uri = ca_uri((await api.put_label(uuid4(), encode_x5bag([der(device.certificate)]))).ca_uri)
        try:
            async with device.session(running, [self.ca.chain()[0]]) as session:
                request = enroll_request(uri, csr_for(session, generate_private_key(), "dev-1"))
                return (await session.request(request)).code
        except HandshakeFailed:
            return None


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(factory_revocation, "LOOK", 0.1)
    monkeypatch.setattr(answers, "MAX_AGE", answers.MAX_AGE / 100)
    permanent = make_ca(tmp_path / "permanent", "Permanent CA")
    yield World(permanent, make_ca(tmp_path / "ca1", "CA1", permanent), Provider.make(tmp_path / "sp", "sp1"), tmp_path)


async def until_refused(world: World, running: RunningCa, device: DeviceKeys, code: Code | None) -> None:
    deadline = asyncio.get_running_loop().time() + 20
    while await world.enrolls(running, device) is not code:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


async def test_by_the_list_of_the_permanent_ca(world: World) -> None:
    device = world.device()
    crl = await world.list()
    async with serving_ca(world.ca, world.permanent, world.provider, permanent_crls=(crl,)) as running:
        assert await world.enrolls(running, device) is Code.CHANGED
        async with device.session(running, [world.ca.chain()[0]]) as open_session:
            await world.revoke(device)
            await world.list()
            await until_refused(world, running, device, None)
            uri = ca_uri("coaps://ca1.example/est/" + "x" * 22)
            late = enroll_request(uri, csr_for(open_session, generate_private_key(), "dev-1"))
            assert (await open_session.request(late)).code is Code.UNAUTHORIZED


async def test_by_the_responder_of_the_permanent_ca(world: World) -> None:
    device, stranger = world.device(), Authority(world.permanent.issuer()).device("dev-2")
    async with serving_ca(world.permanent, world.permanent, status_bind="127.0.0.1:0") as permanent:
        assert permanent.status is not None
        url = f"http://{permanent.status[0]}:{permanent.status[1]}/ocsp"
        source = OcspSettings(issuer=world.permanent.certificate, url=url)
        async with serving_ca(world.ca, world.permanent, world.provider, permanent_ocsp=(source,)) as running:
            assert await world.enrolls(running, device) is Code.CHANGED
            unknown = DeviceKeys(stranger.key, stranger.certificate)
            assert await world.enrolls(running, unknown) is Code.UNAUTHORIZED
            await world.revoke(device)
            await until_refused(world, running, device, Code.UNAUTHORIZED)
    source = OcspSettings(issuer=world.permanent.certificate, url="http://127.0.0.1:9/")
    async with serving_ca(world.ca, world.permanent, world.provider, permanent_ocsp=(source,)) as running:
        assert await world.enrolls(running, device) is Code.SERVICE_UNAVAILABLE, "nobody can tell: closed"


async def test_a_list_that_is_missing_is_named(world: World) -> None:
    with pytest.raises(CrlFileError, match=r"permanent_crls: .*none\.crl"):
        async with serving_ca(world.ca, world.permanent, permanent_crls=(world.folder / "none.crl",)):
            raise AssertionError("it started")
