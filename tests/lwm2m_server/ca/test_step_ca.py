"""The CA role in front of a real step-ca: set up by commands, a device enrolls, its certificate is revoked there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from structlog.testing import capture_logs

from cose.keys import generate_private_key
from device_pki.bag import encode_x5bag
from device_pki.fingerprints import der, fingerprint
from device_pki.issue import Validity, est_server, operational_device
from device_pki.keys import public_key
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import RevocationIndex
from device_pki.roles import Role
from enrollment.ca_client import CaApiError, Enroll
from enrollment.est.client import enroll_request, parse_certificate
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError
from lwm2m_server.ca.setup import write_certificates
from lwm2m_server.roles.ca import run_ca
from lwm2m_server.settings import StepCaSettings
from tests.device_pki.builders import Authority
from tests.enrollment.step_ca import StepCaServer, running_step_ca
from tests.lwm2m_server.ca.test_cli import run
from tests.lwm2m_server.ca.test_running import settings
from tests.lwm2m_server.ca.world import HOSTS, DeviceKeys, Provider, ca_uri, csr_for, make_ca, serving_ca


@pytest.fixture(scope="module")
def step(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StepCaServer]:
    with running_step_ca(tmp_path_factory.mktemp("step-ca") / "data") as running:
        yield running


@pytest.fixture
def ca(step: StepCaServer, tmp_path: Path) -> CaDirectory:
    """Set up as an operator does, with what step-ca's operator makes of the two requests."""
    chain = tmp_path / "chain.pem"
    write_certificates(chain, step.authority.chain)
    words = ("init", "--data", tmp_path / "ca1", "--kind", "upstream", "--name", "CA1", "--host", *HOSTS, "-o", "json")
    assert "--certificate" in run(*words[:-2], code=1)
    made = run(*words, "--certificate", chain)
    directory = CaDirectory(tmp_path / "ca1")
    assert made["request"] == f"{directory.root / 'est.csr'}, {directory.root / 'ra.csr'}"
    validity = Validity.lasting(datetime.now(UTC), timedelta(days=90))
    est, ra = (x509.load_pem_x509_csr((directory.root / name).read_bytes()) for name in ("est.csr", "ra.csr"))
    issuer = step.authority.issuer
    write_certificates(directory.est.certificate, [est_server(issuer, public_key(est), "CA1 EST", HOSTS, validity)])
    ra_certificate = operational_device(issuer, public_key(ra), ra.subject, validity)
    write_certificates(directory.ra.certificate, [ra_certificate, *step.authority.chain])
    assert run(*words)["fingerprint"] == fingerprint(step.authority.certificate).hex()
    return directory


@pytest.fixture
def step_settings(step: StepCaServer) -> StepCaSettings:
    return StepCaSettings(
        api=step.url,
        provisioner="ra",
        root=step.folder / "root.pem",
        distribution_point=step.distribution_point,
    )


async def test_a_device_enrolls_and_is_revoked_there(
    ca: CaDirectory, step: StepCaServer, step_settings: StepCaSettings, tmp_path: Path
) -> None:
    permanent, provider = make_ca(tmp_path / "permanent", "Permanent CA"), Provider.make(tmp_path / "sp", "sp1")
    factory = Authority(permanent.issuer()).device("dev-1")
    device, key, label = DeviceKeys(factory.key, factory.certificate), generate_private_key(), uuid4()
    anchor = step.authority.certificate
    more = {"step_ca": step_settings, "certificate_days": 2}
    async with serving_ca(ca, permanent, provider, **more) as running, provider.client(ca, running) as api:
        registered = await api.put_label(label, encode_x5bag([der(device.certificate)]))
        assert registered.anchors == (fingerprint(anchor),)
        async with device.session(running, [anchor]) as session:
            request = enroll_request(ca_uri(registered.ca_uri), csr_for(session, key, "dev-1"))
            certificate = parse_certificate(await session.request(request), key.public_key())
        index, now = RevocationIndex([step.distribution_point]), datetime.now(UTC)
        index.add(await api.crl(), anchor, now)
        verify_path(certificate, [], anchors=[anchor], role=Role.OPERATIONAL_DEVICE, now=now, revocation=index)
        await api.set_device(label, fingerprint(device.certificate), enroll=Enroll.CLOSED, revoke="all")
        index.add(await api.crl(), anchor, datetime.now(UTC))
    with pytest.raises(PathError) as refused:
        verify_path(certificate, [], anchors=[anchor], role=Role.OPERATIONAL_DEVICE, now=now, revocation=index)
    assert refused.value.reason is PathReason.REVOKED


async def test_it_starts_without_the_authority_and_lets_nobody_in(
    ca: CaDirectory, step_settings: StepCaSettings, tmp_path: Path
) -> None:
    away = step_settings.model_copy(update={"api": "https://127.0.0.1:9"})
    provider = Provider.make(tmp_path / "sp", "sp1")
    with capture_logs() as logs:
        async with serving_ca(ca, ca, provider, step_ca=away) as running, provider.client(ca, running) as api:
            with pytest.raises(CaApiError) as refused:
                await api.crl()
    assert refused.value.temporary
    assert any(entry["event"] == "revocation_list_not_published" for entry in logs)


async def test_what_is_missing_is_named(ca: CaDirectory, step_settings: StepCaSettings) -> None:
    words = ("crl", "--data", ca.root, "--out", ca.root / "list")
    assert "--config" in await asyncio.to_thread(run, *words, code=1)
    with pytest.raises(CaDirectoryError, match="--config"):
        await run_ca(settings(ca))
    ca.ra.certificate.unlink()
    with pytest.raises(CaDirectoryError, match=r"ra\.csr"):
        await run_ca(settings(ca, step_ca=step_settings))
