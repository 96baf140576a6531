"""The device-management role: settings, keys and certificates, metrics, its part of the admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import generate_private_key
from device_pki import issue
from device_pki.identity import PeerIdentity
from device_pki.issue import Issuer, Validity
from device_pki.names import device_subject
from device_pki.path import verify_path
from device_pki.roles import Role
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.provider_keys import KeyRole as ServerKey
from lwm2m_server.provider_keys import KeysError, certificate_path
from lwm2m_server.roles import dev
from lwm2m_server.roles.dm import RunningDm, running_dm
from lwm2m_server.settings import Address, DmSettings, RegistrationSettings, SettingsError, load_settings
from objects.errors import InvalidDefinition
from secure_coap.channels.dtls import DtlsClientConfig
from secure_coap.endpoint import CoapClient
from secure_coap.errors import HandshakeFailed
from secure_coap.numbers.codes import Code
from secure_coap.tcp_endpoint import CoapTcpClient
from tests.lwm2m_server.server.running import QUICK
from tests.lwm2m_server.server.test_registering import device, register, update
from tests.lwm2m_server.sp.device import until

ANY = Address("127.0.0.1", 0)
NOW = datetime.now(UTC)
VALID = Validity.lasting(NOW, timedelta(days=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    dev.prepare(tmp_path / "data")
    return tmp_path / "data"


@asynccontextmanager
async def running(folder: Path, **changes: Any) -> AsyncIterator[tuple[RunningDm, httpx.AsyncClient]]:
    """The role on free ports, as `serve --dev` would run it, and a client of its admin API."""
    values = {"nosec_bind": ANY, "dtls_bind": ANY, "admin_bind": ANY, "device_anchors": (folder / "ca" / "ca.pem",)}
    async with running_dm(DmSettings(data=folder, **(values | changes))) as role:
        token = (folder / "operator.token").read_text().strip()
        host, port = role.admin
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", headers=headers) as admin:
            yield role, admin


def tls_of(ca: CaDirectory, name: str, *, factory: bool = False, issuer: Issuer | None = None) -> DtlsClientConfig:
    """The configuration of a device with a certificate for `name`, by the CA unless by another issuer."""
    by, key = issuer or ca.issuer(), generate_private_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    if factory:
        certificate = issue.factory_device(by, key.public_key(), name, VALID)
    else:
        certificate = issue.operational_device(by, key.public_key(), device_subject(name), VALID)

    def verify(chain: Sequence[x509.Certificate]) -> PeerIdentity:
        anchors = [ca.issuer().certificate]
        path = verify_path(
            chain[0], chain[1:], anchors=anchors, role=Role.SERVER, now=datetime.now(UTC), host="127.0.0.1"
        )
        return PeerIdentity.of(path)

    return DtlsClientConfig([certificate], key, verify)


@asynccontextmanager
async def certified(
    role: RunningDm, ca: CaDirectory, name: str, *, factory: bool = False, issuer: Issuer | None = None
) -> AsyncIterator[CoapClient]:
    """A device with a certificate for `name`, over DTLS."""
    assert role.dtls is not None
    config = tls_of(ca, name, factory=factory, issuer=issuer)
    client = await CoapClient.connect(*role.dtls, dtls=config, parameters=QUICK)
    try:
        yield client
    finally:
        await client.close()


async def test_certificates_keys_and_neither_side_by_side(folder: Path) -> None:
    ca = CaDirectory(folder / "ca")
    async with running(folder) as (role, admin):
        assert role.nosec is not None and role.dtls is not None
        async with certified(role, ca, "by-certificate") as client:
            assert (await register(client, "ep=somebody-else")).code is Code.FORBIDDEN
            assert (await register(client)).code is Code.CREATED
        async with certified(role, ca, "factory-made", factory=True) as client:
            assert (await register(client)).code is Code.CREATED
        made = (await admin.put("/api/v1/credentials/by-key", json={})).json()
        async with device(role.dtls, key=("by-key", bytes.fromhex(made["key"]))) as client:
            assert (await register(client)).code is Code.CREATED
        async with device(role.nosec) as client:
            assert (await register(client, "ep=open")).code is Code.CREATED
            assert (await register(client, "ep=by-certificate")).code is Code.FORBIDDEN
        listed = (await admin.get("/api/v1/devices")).json()
    assert {one["endpoint"]: (one["transport"], one["identity"]) for one in listed} == {
        "by-certificate": ("dtls", "by-certificate"),
        "factory-made": ("dtls", "factory-made"),
        "by-key": ("dtls", "by-key"),
        "open": ("udp", None),
    }


async def test_over_tcp_and_tls(folder: Path) -> None:
    ca = CaDirectory(folder / "ca")
    async with running(folder, tcp_bind=ANY, tls_bind=ANY) as (role, admin):
        assert role.tcp is not None and role.tls is not None
        plain = await CoapTcpClient.connect(*role.tcp, tls=None)
        secured = await CoapTcpClient.connect(*role.tls, tls=tls_of(ca, "by-certificate"))
        location = (await register(plain, "ep=open", "lwm2m=1.1", "b=T")).location_path
        assert await update(plain, location) is Code.CHANGED
        assert (await register(plain, "ep=by-certificate")).code is Code.CREATED
        assert (await register(secured, "ep=open")).code is Code.FORBIDDEN
        assert (await register(secured)).code is Code.CREATED  # the name is its own
        assert (await register(plain, "ep=by-certificate")).code is Code.FORBIDDEN
        listed = (await admin.get("/api/v1/devices")).json()
        assert {one["endpoint"]: one["transport"] for one in listed} == {"open": "tcp", "by-certificate": "tls"}
        await secured.close()
        await until(lambda: not role.server.sessions.is_online("by-certificate"))
        await plain.close()


async def test_an_address_that_is_taken_is_named(folder: Path) -> None:
    async with running(folder) as (role, _):
        assert role.nosec is not None
        with pytest.raises(OSError, match=f"nosec_bind = 127.0.0.1:{role.nosec[1]}: "):
            async with running_dm(DmSettings(data=folder.parent / "other", nosec_bind=Address(*role.nosec))):
                raise AssertionError("two servers on one port")
        taken = DmSettings(data=folder.parent / "other", dtls_bind=ANY, admin_bind=Address(*role.admin))
        with pytest.raises(OSError, match="admin_bind"):
            async with running_dm(taken):
                raise AssertionError("two servers on one port")


async def test_tls_needs_a_certificate_of_the_server(folder: Path) -> None:
    certificate_path(folder, ServerKey.DTLS).unlink()
    with pytest.raises(KeysError, match="tls_bind"):
        async with running(folder, tls_bind=ANY):
            raise AssertionError("it started")


async def test_certificates_of_others_do_not_count(folder: Path) -> None:
    key = generate_private_key()
    stranger = Issuer(issue.root_ca(key, "another CA", VALID), key)
    async with running(folder) as (role, _):
        with pytest.raises(HandshakeFailed):
            async with certified(role, CaDirectory(folder / "ca"), "dev-1", issuer=stranger):
                raise AssertionError("a stranger got in")
    async with running(folder, device_anchors=()) as (role, _):
        with pytest.raises(HandshakeFailed):
            async with certified(role, CaDirectory(folder / "ca"), "dev-1"):
                raise AssertionError("nobody's certificate counts without an anchor")


async def test_the_admin_api_shows_what_a_device_is(folder: Path) -> None:
    async with running(folder) as (role, admin):
        assert role.nosec is not None
        async with device(role.nosec) as client:
            links = b'</>;rt="oma.lwm2m";ct=60,</1/0>,</3/0>;ver=1.2,</5>'
            await register(client, "ep=a b/c", "lwm2m=1.1", "lt=60", "b=U", "Q", links=links)
        shown = (await admin.get("/api/v1/devices/a%20b%2Fc")).json()
        assert shown["objects"] == [
            {"object": 1, "version": None, "instances": [0]},
            {"object": 3, "version": "1.2", "instances": [0]},
            {"object": 5, "version": None, "instances": []},
        ]
        assert (shown["queue_mode"], shown["lifetime"], shown["online"]) == (True, 60, True)
        assert (await admin.get("/api/v1/devices/nobody")).status_code == 404
        assert (await admin.get("/api/v1/devices", params={"after": "a"})).json()[0]["endpoint"] == "a b/c"
        assert (await admin.get("/api/v1/devices", params={"after": "b", "limit": 1})).json() == []
        assert (await admin.put("/api/v1/groups/meters/members/a%20b%2Fc")).is_success
        for group, names in (("meters", ["a b/c"]), ("others", [])):
            listed = (await admin.get("/api/v1/devices", params={"group": group})).json()
            assert [one["endpoint"] for one in listed] == names
        async with httpx.AsyncClient(base_url=admin.base_url) as stranger:
            assert (await stranger.get("/api/v1/devices")).status_code == 401


@pytest.mark.parametrize("number", ["0", "-1", "x", str(2**63), "9" * 30])
async def test_numbers_the_store_cannot_have(folder: Path, number: str) -> None:
    async with running(folder) as (_, admin):
        for path in ("devices/a/queue", "firmware/pushes"):
            assert (await admin.get(f"/api/v1/{path}/{number}")).status_code == 422
        for path in ("devices/a/queue", "devices/a/observations", "firmware/pushes"):
            answer = await admin.delete(f"/api/v1/{path}/{number}")
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_metrics_and_health_need_no_token_and_name_no_device(folder: Path) -> None:
    async with running(folder) as (role, admin):
        assert role.nosec is not None
        async with device(role.nosec) as client:
            location = (await register(client, "ep=secret-name")).location_path
            await update(client, location)
            await register(client, "ep=x", "lt=no")
            await register(client, "ep=x", "lwm2m=9")
        async with httpx.AsyncClient(base_url=admin.base_url) as anybody:
            health = (await anybody.get("/health")).json()
            text = (await anybody.get("/metrics")).text
    assert health == {"status": "ok", "registrations": 1}
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["lwm2m_registrations"] == "1.0"
    assert lines['lwm2m_requests_total{interface="rd"}'] == "4.0"
    assert lines['lwm2m_coap_events_total{event="requests"}'] == "4.0"
    assert lines['lwm2m_registration_requests_total{kind="register"}'] == "1.0"
    assert lines['lwm2m_registration_requests_total{kind="update"}'] == "1.0"
    assert lines['lwm2m_registration_refusals_total{reason="bad_request"}'] == "1.0"
    assert lines['lwm2m_registration_refusals_total{reason="precondition_failed"}'] == "1.0"
    assert "secret-name" not in text


async def test_limits_and_definitions_come_from_the_settings(folder: Path) -> None:
    (folder / "definitions" / "broken.xml").write_text("<LWM2M>")
    with pytest.raises(InvalidDefinition, match="broken"):
        async with running(folder, definitions=folder / "definitions"):
            raise AssertionError("a wrong definition was taken")
    limits = RegistrationSettings(max_registrations=1)
    async with running(folder, registration=limits) as (role, _):
        assert role.nosec is not None
        async with device(role.nosec) as client:
            assert (await register(client, "ep=a")).code is Code.CREATED
            assert (await register(client, "ep=b")).code is Code.SERVICE_UNAVAILABLE


async def test_a_key_of_another_certificate(folder: Path) -> None:
    certificate = certificate_path(folder, ServerKey.DTLS)
    certificate.write_bytes((folder / "ca" / "ca.pem").read_bytes())
    with pytest.raises(KeysError, match="not the certificate"):
        async with running(folder):
            raise AssertionError("it started")


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ('nosec_bind = "0.0.0.0:5683"', "nosec_anywhere"),
        ('admin_bind = "0.0.0.0:8080"', "loopback"),
        ('endpoint_rule = "whatever"', "certificate"),
        ("[dm.registration]\nmax_registrations = -1", "max_registrations"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, lines: str, wrong: str) -> None:
    file = tmp_path / "server.toml"
    file.write_text(f'roles = ["dm"]\n[dm]\ndata = "data"\n{lines}\n')
    with pytest.raises(SettingsError, match=wrong):
        load_settings(file)


def test_without_security_anywhere_only_if_that_is_said(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('roles = ["dm"]\n[dm]\ndata = "data"\nnosec_bind = "0.0.0.0:5683"\nnosec_anywhere = true\n')
    settings = load_settings(file).dm
    assert settings is not None
    assert settings.nosec_bind == Address("0.0.0.0", 5683)


def test_what_development_makes_is_made_once(folder: Path) -> None:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    (folder / "server.toml").write_text("changed by its owner")
    dev.prepare(folder)
    assert {path: path.read_bytes() for path in files if path.name != "server.toml"} == {
        path: data for path, data in before.items() if path.name != "server.toml"
    }
    assert (folder / "server.toml").read_text() == "changed by its owner"
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*.key"))
    assert (folder / "keys" / "dtls.pem").stat().st_mode & 0o077 == 0
