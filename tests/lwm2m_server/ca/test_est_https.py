"""A running CA's EST over HTTPS: the same labels and rules as over secure CoAP, the same certificates."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from cose.keys import generate_private_key
from device_pki.bag import encode_x5bag
from device_pki.fingerprints import der, fingerprint
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.ca_client import Enroll
from enrollment.csr import build_csr
from enrollment.est.client import enroll_request, parse_certificate
from enrollment.est.https_client import EstHttpError, EstHttpsClient
from tests.device_pki.builders import Authority
from tests.enrollment.https_world import ClientFiles, write_key, write_pem
from tests.lwm2m_server.ca.world import DeviceKeys, Provider, ca_uri, csr_for, make_ca, serving_ca


async def test_enrolling_over_both(tmp_path: Path) -> None:
    permanent = make_ca(tmp_path / "permanent", "Permanent CA")
    ca, provider = make_ca(tmp_path / "ca1", "CA1", permanent), Provider.make(tmp_path / "sp", "sp1")
    device, label, key = Authority(permanent.issuer()).device("dev-1"), uuid4(), generate_private_key()
    anchor = ca.chain()[0]
    files = ClientFiles(
        write_key(tmp_path / "device.key", device.key),
        write_pem(tmp_path / "device.pem", device.certificate),
        write_pem(tmp_path / "anchor.pem", anchor),
    )
    async with (
        serving_ca(ca, permanent, provider, est_https_bind="127.0.0.1:0") as running,
        provider.client(ca, running) as api,
    ):
        uri = ca_uri((await api.put_label(label, encode_x5bag([der(device.certificate)]))).ca_uri)
        assert running.est_https is not None
        url = f"https://{running.est_https[0]}:{running.est_https[1]}"
        async with EstHttpsClient(url, files.context(), uri.path[1]) as client:
            certificate = await client.enroll(build_csr(key, "dev-1"), key.public_key())
        now = datetime.now(UTC)
        verify_path(certificate, [], anchors=[anchor], role=Role.OPERATIONAL_DEVICE, now=now)
        async with DeviceKeys(device.key, device.certificate).session(running, [anchor]) as session:
            response = await session.request(enroll_request(uri, csr_for(session, key, "dev-1")))
            assert parse_certificate(response, key.public_key()) == certificate
        await api.set_device(label, fingerprint(device.certificate), enroll=Enroll.CLOSED, revoke="all")
        revoked = ClientFiles(
            write_key(tmp_path / "new.key", key), write_pem(tmp_path / "new.pem", certificate), files.anchor
        )
        for who in (files, revoked):
            async with EstHttpsClient(url, who.context(), None) as client:
                with pytest.raises(EstHttpError, match="403"):
                    await client.enroll(build_csr(key, "dev-1"), key.public_key(), renew=True)


async def test_the_server_shows_its_role_and_chain(tmp_path: Path) -> None:
    """Beneath an intermediate, a client that knows only the root gets what leads there."""
    permanent = make_ca(tmp_path / "permanent", "Permanent CA")
    ca = make_ca(tmp_path / "ca1", "CA1", permanent)
    device = Authority(permanent.issuer()).device("dev-1")
    context = ssl.create_default_context(cafile=str(write_pem(tmp_path / "root.pem", permanent.chain()[0])))
    context.load_cert_chain(
        write_pem(tmp_path / "device.pem", device.certificate), write_key(tmp_path / "device.key", device.key)
    )
    async with serving_ca(ca, permanent, est_https_bind="127.0.0.1:0") as running:
        assert running.est_https is not None
        async with EstHttpsClient(f"https://127.0.0.1:{running.est_https[1]}", context) as client:
            with pytest.raises(EstHttpError, match="403"):
                await client.ca_certificates()
