"""Revocation at a service provider beside its CA's list: by OCSP, and of factory certificates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from device_pki.ocsp import answers
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.ca.operator import opened
from lwm2m_server.ca.rollover import Certifier, prepare, switch
from lwm2m_server.server import factory_revocation
from lwm2m_server.server.crl_files import CrlFileError
from secure_coap.errors import HandshakeFailed
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.ca.world import make_ca
from tests.lwm2m_server.sp.device import DeviceIdentity, until
from tests.lwm2m_server.sp.world import Provider, factory_identity, serving_provider


@pytest.fixture
def permanent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaDirectory:
    monkeypatch.setattr(factory_revocation, "LOOK", 0.1)
    monkeypatch.setattr(answers, "MAX_AGE", answers.MAX_AGE / 100)
    return make_ca(tmp_path / "permanent", "Permanent CA")


@asynccontextmanager
async def serving(folder: Path, permanent: CaDirectory, **more: Any) -> AsyncIterator[Provider]:
    async with serving_provider(folder, "sp1", permanent, **more) as provider:
        yield provider


async def revoke(ca: CaDirectory, identity: DeviceIdentity, folder: Path) -> None:
    file = folder / "revoked.pem"
    file.write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    async with opened(ca) as operator:
        await operator.revoke(await operator.find_certificate(str(file)))


async def list_of(ca: CaDirectory, file: Path) -> Path:
    async with opened(ca) as operator:
        file.write_bytes(await operator.crl())
    return file


async def comes_in(provider: Provider, identity: DeviceIdentity) -> Code | None:
    """What a device that is nobody's is answered, 4.03, if its certificate counts; None without a session."""
    device = provider.device("dev-1", factory_identity(provider.permanent, "dev-1"))
    try:
        await device.connect(identity)
        return (await device.register()).code
    except HandshakeFailed:
        return None
    finally:
        await device.close()


async def test_without_its_cas_list_the_responder_is_asked(permanent: CaDirectory, tmp_path: Path) -> None:
    async with serving(tmp_path, permanent, lists=False, ocsp=True) as provider:
        known, unknown = provider.operational("dev-1"), provider.operational("dev-2")
        provider.ca.record_issued(known.certificate)
        assert await comes_in(provider, known) is Code.FORBIDDEN
        assert await comes_in(provider, unknown) is Code.UNAUTHORIZED, "a serial number its CA never issued"
        await revoke(provider.ca, known, tmp_path)

        async def refused() -> bool:
            return await comes_in(provider, known) in {None, Code.UNAUTHORIZED}

        await until(refused, seconds=20)


async def test_without_either_nobody_gets_in(permanent: CaDirectory, tmp_path: Path) -> None:
    async with serving(tmp_path, permanent, lists=False) as provider:
        assert await comes_in(provider, provider.operational("dev-1")) is None


async def test_a_factory_certificate_is_revoked_by_its_cas_list(permanent: CaDirectory, tmp_path: Path) -> None:
    file = await list_of(permanent, tmp_path / "permanent.crl")
    async with serving(tmp_path, permanent, permanent_crls=(file,)) as provider:
        factory = factory_identity(permanent, "dev-1")
        assert await comes_in(provider, factory) is Code.FORBIDDEN
        await revoke(permanent, factory, tmp_path)
        await list_of(permanent, file)

        async def refused() -> bool:
            return await comes_in(provider, factory) is None

        await until(refused, seconds=20)


async def test_a_list_that_is_missing_is_named(permanent: CaDirectory, tmp_path: Path) -> None:
    with pytest.raises(CrlFileError, match="permanent_crls"):
        async with serving(tmp_path, permanent, permanent_crls=(tmp_path / "none.crl",)):
            raise AssertionError("it started")


async def test_devices_of_both_keys_come_while_a_ca_is_replaced(permanent: CaDirectory, tmp_path: Path) -> None:
    """The provider has both anchors; each key's list says who is good, and who is not."""
    async with serving(tmp_path, permanent) as provider:
        old, revoked = provider.operational("dev-1"), provider.operational("dev-1")
        assert await comes_in_soon(provider, old) is Code.FORBIDDEN
    ca, before = provider.ca, provider.ca.chain()[0]
    prepare(ca, Certifier(), datetime.now(UTC))
    switch(ca, datetime.now(UTC))
    await revoke(ca, revoked, tmp_path)
    both = (ca.certificate, ca.earlier_folder(before).certificate)
    async with serving(tmp_path, permanent, operational_anchors=both) as provider:
        assert await comes_in_soon(provider, old) is Code.FORBIDDEN
        assert await comes_in(provider, provider.operational("dev-1")) is Code.FORBIDDEN
        assert await comes_in(provider, revoked) is None


async def comes_in_soon(provider: Provider, identity: DeviceIdentity) -> Code | None:
    """The same once the provider has fetched its CA's lists."""
    await until(lambda: provider.running.provider.revocation.check.lists.newest(provider.ca_certificate) is not None)
    return await comes_in(provider, identity)
