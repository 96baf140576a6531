"""The CA role in front of another project's EST server: a device enrolls; that CA's operator revokes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509

from cose.keys import generate_private_key
from device_pki.bag import encode_x5bag
from device_pki.fingerprints import der, fingerprint
from device_pki.issue import Validity, est_server, operational_device
from device_pki.keys import public_key
from device_pki.revocation import parse_crl
from enrollment.ca_client import CaApiError, Enroll
from enrollment.est.client import enroll_request, parse_certificate
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.ca.setup import write_certificates
from lwm2m_server.settings import EstUpstreamSettings, SettingsError, load_settings
from tests.device_pki.builders import Authority
from tests.enrollment.est_peer import EstPeer, running_est_peer
from tests.lwm2m_server.ca.test_cli import run
from tests.lwm2m_server.ca.world import HOSTS, DeviceKeys, Provider, ca_uri, csr_for, make_ca, serving_ca


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[EstPeer]:
    with running_est_peer(tmp_path / "est") as running:
        yield running


@pytest.fixture
def ca(peer: EstPeer, tmp_path: Path) -> CaDirectory:
    """Set up as an operator does; that CA is its own root."""
    words = ("init", "--data", tmp_path / "ca1", "--kind", "upstream", "--name", "CA1", "--host", *HOSTS, "-o", "json")
    assert "no CA certificate" in run(*words, "--certificate", peer.folder / "tls.pem", code=1)
    run(*words, "--certificate", peer.root)
    directory, issuer = CaDirectory(tmp_path / "ca1"), peer.authority.issuer
    validity = Validity.lasting(datetime.now(UTC), timedelta(days=90))
    est, ra = (x509.load_pem_x509_csr((directory.root / name).read_bytes()) for name in ("est.csr", "ra.csr"))
    write_certificates(directory.est.certificate, [est_server(issuer, public_key(est), "CA1 EST", HOSTS, validity)])
    write_certificates(directory.ra.certificate, [operational_device(issuer, public_key(ra), ra.subject, validity)])
    return directory


async def test_a_device_enrolls_and_is_revoked_there(ca: CaDirectory, peer: EstPeer, tmp_path: Path) -> None:
    permanent, provider = make_ca(tmp_path / "permanent", "Permanent CA"), Provider.make(tmp_path / "sp", "sp1")
    factory = Authority(permanent.issuer()).device("dev-1")
    device, key, label = DeviceKeys(factory.key, factory.certificate), generate_private_key(), uuid4()
    anchor = peer.authority.certificate
    async with peer.publishing() as url:
        upstream = EstUpstreamSettings(api=peer.url, root=peer.root, crl=url)
        async with (
            serving_ca(ca, permanent, provider, est_upstream=upstream) as running,
            provider.client(ca, running) as api,
        ):
            registered = await api.put_label(label, encode_x5bag([der(device.certificate)]))
            async with device.session(running, [anchor]) as session:
                request = enroll_request(ca_uri(registered.ca_uri), csr_for(session, key, "dev-1"))
                certificate = parse_certificate(await session.request(request), key.public_key())
            name = fingerprint(device.certificate)
            with pytest.raises(CaApiError) as waiting:
                await api.set_device(label, name, enroll=Enroll.CLOSED, revoke="all")
            assert waiting.value.temporary, "its operator has not revoked it yet"
            peer.revoked[certificate.serial_number] = datetime.now(UTC)
            await api.set_device(label, name, enroll=Enroll.CLOSED, revoke="all")
            listed = parse_crl(await api.crl(), anchor, datetime.now(UTC))
    assert certificate.serial_number in listed.serials


def test_one_authority_issues(tmp_path: Path) -> None:
    file = tmp_path / "ca.toml"
    step = '[ca.step_ca]\napi = "https://a"\nprovisioner = "ra"\nroot = "r.pem"\ndistribution_point = "https://a/1.0/crl"\n'
    est = '[ca.est_upstream]\napi = "https://b"\nroot = "r.pem"\ncrl = "http://b/crl"\n'
    file.write_text(f'roles = ["ca"]\n[ca]\nname = "CA1"\ndata = "."\npublic_uri = "coaps://x:1"\n{step}{est}')
    with pytest.raises(SettingsError, match="one authority"):
        load_settings(file)
