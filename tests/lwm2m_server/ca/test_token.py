"""A CA whose key stays in a PKCS#11 token: made, serving, and what an operator is told when the token is not there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from cose.keys import generate_private_key
from device_pki.bag import encode_x5bag
from device_pki.fingerprints import der, fingerprint
from device_pki.revocation import parse_crl
from enrollment.ca_client import Enroll
from enrollment.est.client import enroll_request, parse_certificate
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError, read_certificates
from tests.device_pki.builders import Authority
from tests.lwm2m_server.ca.test_cli import run
from tests.lwm2m_server.ca.world import DeviceKeys, Provider, ca_uri, csr_for, make_ca, serving_ca
from tests.tokens import Token


@pytest.fixture
def ca(token: Token, tmp_path: Path) -> CaDirectory:
    return make_ca(tmp_path / "ca1", "CA1", key_uri=token.uri())


async def test_a_device_enrolls_and_is_revoked(ca: CaDirectory, tmp_path: Path) -> None:
    permanent, provider = make_ca(tmp_path / "permanent", "Permanent CA"), Provider.make(tmp_path / "sp", "sp1")
    factory = Authority(permanent.issuer()).device("dev-1")
    device, key, label = DeviceKeys(factory.key, factory.certificate), generate_private_key(), uuid4()
    anchor = ca.chain()[0]
    async with serving_ca(ca, permanent, provider) as running, provider.client(ca, running) as api:
        registered = await api.put_label(label, encode_x5bag([der(device.certificate)]))
        async with device.session(running, [anchor]) as session:
            request = enroll_request(ca_uri(registered.ca_uri), csr_for(session, key, "dev-1"))
            certificate = parse_certificate(await session.request(request), key.public_key())
        await api.set_device(label, fingerprint(device.certificate), enroll=Enroll.CLOSED, revoke="all")
        published = parse_crl(await api.crl(), anchor, datetime.now(UTC))
    assert published.serials == {certificate.serial_number}


def test_it_is_made_and_used_by_commands(token: Token, tmp_path: Path) -> None:
    data, out = tmp_path / "ca", tmp_path / "list.crl"
    words = ("init", "--data", data, "--name", "CA", "--key", token.uri("object=large"), "-o", "json")
    made = run(*words)
    assert run(*words) == made, "repeating changes nothing"
    assert not (data / "ca.key").exists()
    assert run(*words, "--dry-run") == {"data": str(data), "missing": []}
    assert oct((data / "ca.uri").stat().st_mode & 0o777) == "0o600"
    run("crl", "--data", data, "--out", out, "-o", "json")
    [certificate] = read_certificates(Path(made["certificate"]))
    parse_crl(out.read_bytes(), certificate, datetime.now(UTC))


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("pkcs11:token=signing;object=none?module-path=/usr/lib/softhsm/libsofthsm2.so", "cannot be used"),
        ("pkcs11:token=signing;object=firmware?module-path=/nowhere.so", "cannot be used"),
        ("pkcs11:token=signing;object=firmware?pin-value=4321", "must not stand in the URI"),
        ("ca.key", "ca.key"),
    ],
)
def test_a_key_that_is_not_there_makes_no_ca(token: Token, tmp_path: Path, key: str, says: str) -> None:
    assert says in run("init", "--data", tmp_path / "ca", "--key", key, code=1)
    assert not (tmp_path / "ca" / "ca.pem").exists()
    run("init", "--data", tmp_path / "ca", "--key", token.uri(), "-o", "json")


def test_a_ca_keeps_its_key(token: Token, tmp_path: Path) -> None:
    run("init", "--data", tmp_path / "ca", "-o", "json")
    assert "is the CA's key already" in run("init", "--data", tmp_path / "ca", "--key", token.uri(), code=1)


def test_a_pin_that_others_may_read_is_named(ca: CaDirectory, token: Token) -> None:
    token.pin.chmod(0o644)
    try:
        with pytest.raises(CaDirectoryError, match="chmod 600"):
            ca.issuer()
    finally:
        token.pin.chmod(0o600)


def test_another_key_of_the_token_is_not_the_cas(ca: CaDirectory, token: Token) -> None:
    ca.key_uri.write_text(token.uri("object=large"))
    with pytest.raises(CaDirectoryError, match="not the key of"):
        ca.issuer()
