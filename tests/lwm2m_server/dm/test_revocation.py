"""Revoked device certificates at the device-management role: new sessions, open ones, and registrations that exist."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import generate_private_key
from device_pki import issue
from device_pki.issue import Issuer
from device_pki.revocation import objection
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.ca.rollover import Certifier, prepare, switch
from lwm2m_server.clock import Clock
from lwm2m_server.provider_keys import read_chain
from lwm2m_server.roles import dev
from lwm2m_server.roles.dm import RunningDm, running_dm
from lwm2m_server.roles.process import EXIT_SETTINGS
from lwm2m_server.server.crl_files import CrlFileError, CrlFiles
from lwm2m_server.server.revocation import DeviceRevocation
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.settings import Address, DmSettings, SettingsError, load_settings
from secure_coap.channels.dtls import DtlsClientConfig
from secure_coap.endpoint import CoapClient
from secure_coap.errors import HandshakeFailed, TransportError
from secure_coap.numbers.codes import Code
from secure_coap.tcp_endpoint import CoapTcpClient
from tests.lwm2m_server.ca.test_cli import run
from tests.lwm2m_server.dm.test_process import SERVER
from tests.lwm2m_server.dm.test_role import VALID, tls_of
from tests.lwm2m_server.server.running import QUICK
from tests.lwm2m_server.server.test_registering import register, update
from tests.lwm2m_server.sp.device import until

ANY = Address("127.0.0.1", 0)
DAY = timedelta(days=1)


class Authority:
    """The development CA of a folder, and the list it keeps beside its certificate."""

    def __init__(self, folder: Path) -> None:
        dev.prepare(folder)
        self.folder = folder
        self.ca = CaDirectory(folder / "ca")
        self.anchor, self.file = folder / "ca" / "ca.pem", folder / "ca" / "ca.crl"
        self._number = 0
        self.publish()

    def list(self, *configs: DtlsClientConfig, until: datetime | None = None, armoured: bool = False) -> bytes:
        """The next list, which names the certificates of these devices."""
        self._number += 1
        now = datetime.now(UTC).replace(microsecond=0)
        start = now if until is None else until - DAY
        serials = {config.certificate_chain[0].serial_number: now for config in configs}
        der = issue.revocation_list(self.ca.issuer(), serials, self._number, start, until or now + DAY)
        return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) if armoured else der

    def publish(self, *configs: DtlsClientConfig, armoured: bool = False) -> None:
        """Put the next list in the place of the one before."""
        new = self.file.with_suffix(".new")
        new.write_bytes(self.list(*configs, armoured=armoured))
        os.replace(new, self.file)  # noqa: PTH105 - atomic on the same file system

    @asynccontextmanager
    async def serving(self, clock: Clock | None = None, **changes: Any) -> AsyncIterator[RunningDm]:
        values: dict[str, Any] = {"dtls_bind": ANY, "tls_bind": ANY, "admin_bind": ANY}
        values |= {"device_anchors": (self.anchor,), "device_crls": (self.file,)}
        async with running_dm(DmSettings(data=self.folder, **(values | changes)), clock) as running:
            yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "data")


@asynccontextmanager
async def connected(running: RunningDm, transport: str, config: DtlsClientConfig) -> AsyncIterator[Any]:
    assert running.dtls is not None and running.tls is not None
    client: CoapClient | CoapTcpClient
    if transport == "dtls":
        client = await CoapClient.connect(*running.dtls, dtls=config, parameters=QUICK)
    else:
        client = await CoapTcpClient.connect(*running.tls, tls=config)
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("transport", ["dtls", "tls"])
@pytest.mark.parametrize("factory", [False, True], ids=["operational", "factory"])
async def test_27_a_revoked_certificate_is_refused_in_open_sessions_and_new_ones(
    authority: Authority, transport: str, factory: bool
) -> None:
    """The list is replaced beside the running server; the device next to it stays."""
    revoked, good = tls_of(authority.ca, "revoked", factory=factory), tls_of(authority.ca, "good")
    async with (
        authority.serving() as running,
        connected(running, transport, revoked) as first,
        connected(running, transport, good) as second,
    ):
        location = (await register(first)).location_path
        elsewhere = (await register(second)).location_path
        assert await update(first, location) is Code.CHANGED
        authority.publish(revoked, armoured=factory)
        await until(lambda: not running.server.sessions.is_online("revoked"), seconds=20)
        with pytest.raises(TransportError):
            await update(first, location)
        with pytest.raises(TransportError):  # over TLS 1.3 a client is done before the server has looked
            async with connected(running, transport, revoked) as again:
                await register(again)
        assert running.server.coap_counters()["handshakes_failed"] >= 1
        assert await update(second, elsewhere) is Code.CHANGED


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_an_update_over_a_session_that_is_still_open_is_refused_and_counted(
    authority: Authority, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list counts from the moment it is taken in, not from when the sessions are looked through."""
    monkeypatch.setattr(Lwm2mServer, "end_refused", _nothing)
    config = tls_of(authority.ca, "dev-1")
    async with authority.serving() as running, connected(running, transport, config) as client:
        location = (await register(client)).location_path
        authority.publish(config)

        async def refused() -> bool:
            return await update(client, location) is Code.UNAUTHORIZED

        await until(refused, seconds=20)
        assert (await register(client)).code is Code.UNAUTHORIZED
        assert running.server.registration_counters.refused["unauthorized"] == 2


async def _nothing(*_: object) -> None:
    """Sessions stay open, so that what is asked over them can be seen."""


async def test_28_an_expired_list_closes_until_there_is_a_fresh_one(authority: Authority) -> None:
    """New sessions are refused, requests over open ones shall come again (5.03): it is not the device's fault."""
    ahead = [timedelta(0)]
    clock = Clock(lambda: (datetime.now(UTC) + ahead[0]).timestamp())
    config = tls_of(authority.ca, "dev-1")
    authority.file.write_bytes(authority.list(until=datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)))
    async with authority.serving(clock) as running, connected(running, "tls", config) as client:
        location = (await register(client)).location_path
        ahead[0] = timedelta(hours=2)
        assert await update(client, location) is Code.SERVICE_UNAVAILABLE
        with pytest.raises(HandshakeFailed):
            async with connected(running, "dtls", config):
                raise AssertionError("an expired list let somebody in")
        await until(lambda: not running.server.sessions.is_online("dev-1"), seconds=20)
        authority.publish()

        async def back() -> bool:
            try:
                async with connected(running, "dtls", config) as again:
                    return await update(again, location) is Code.CHANGED
            except HandshakeFailed:
                return False

        await until(back, seconds=20)


async def test_without_the_setting_nothing_is_revoked(authority: Authority) -> None:
    config = tls_of(authority.ca, "dev-1")
    authority.publish(config)
    async with authority.serving(device_crls=()) as running, connected(running, "dtls", config) as client:
        assert (await register(client)).code is Code.CREATED


class TestFiles:
    """What a file may hold: at the start everything else ends it, later everything else is left aside."""

    @pytest.mark.parametrize(
        ("case", "says"),
        [
            ("missing", "put the list of the CA there"),
            ("not a list", "fetch the CA's complete list again"),
            ("not PEM", "fetch the CA's complete list again"),
            ("foreign", "name the lists of the CAs in device_anchors"),
            ("expired", "fetch the CA's newest list"),
            ("another CA without one", "no revocation list of CN=other"),
        ],
    )
    async def test_the_server_does_not_start(self, authority: Authority, case: str, says: str) -> None:
        key = generate_private_key()
        other = Issuer(issue.root_ca(key, "other", VALID), key)
        anchors = [authority.anchor]
        now = datetime.now(UTC).replace(microsecond=0)
        match case:
            case "missing":
                authority.file.unlink()
            case "not a list":
                authority.file.write_bytes(b"none")
            case "not PEM":
                authority.file.write_bytes(b"-----BEGIN X509 CRL-----\nnone\n-----END X509 CRL-----\n")
            case "foreign":
                authority.file.write_bytes(issue.revocation_list(other, {}, 1, now, now + DAY))
            case "expired":
                authority.file.write_bytes(authority.list(until=now - DAY))
            case _:
                anchors.append(authority.folder / "other.pem")
                anchors[-1].write_bytes(other.certificate.public_bytes(Encoding.PEM))
        with pytest.raises(CrlFileError, match=says):
            async with authority.serving(device_anchors=tuple(anchors)):
                raise AssertionError("it started")

    def test_the_process_says_what_to_do(self, authority: Authority) -> None:
        """A relative path begins in the settings file's folder."""
        file = authority.folder / "server.toml"
        file.write_text(
            'roles = ["dm"]\n[dm]\ndata = "."\ndtls_bind = "127.0.0.1:0"\nadmin_bind = "127.0.0.1:0"\n'
            'device_anchors = ["ca/ca.pem"]\ndevice_crls = ["ca/none.crl"]\n'
        )
        command = [SERVER, "serve", "--config", str(file)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == EXIT_SETTINGS
        expected = f"device_crls: {authority.folder / 'ca' / 'none.crl'}: No such file or directory; put the list"
        assert expected in ended.stderr

    def test_lists_need_the_cas_that_sign_them(self, tmp_path: Path) -> None:
        file = tmp_path / "server.toml"
        file.write_text('roles = ["dm"]\n[dm]\ndata = "."\ndevice_crls = ["ca.crl"]\n')
        with pytest.raises(SettingsError, match="device_anchors"):
            load_settings(file)

    def test_a_file_may_hold_the_lists_of_all_keys_of_a_ca(self, authority: Authority, tmp_path: Path) -> None:
        """As `ca crl` writes them after the CA's key was replaced; also before the new anchor is known here."""
        before = read_chain(authority.anchor)
        prepare(authority.ca, Certifier(), datetime.now(UTC))
        switch(authority.ca, datetime.now(UTC))
        out = tmp_path / "lists.pem"
        run("crl", "--data", authority.ca.root, "--out", out, "-o", "json")
        assert out.read_bytes().count(b"BEGIN X509 CRL") == 2
        for anchors in (before, [*before, *read_chain(authority.anchor)]):
            revocation = DeviceRevocation(anchors, Clock())
            CrlFiles([out], revocation).load()
            assert all(revocation.check.lists.newest(anchor) is not None for anchor in anchors)
        out.write_bytes(out.read_bytes() * 3)
        with pytest.raises(CrlFileError, match="1 to 4"):
            CrlFiles([out], DeviceRevocation(before, Clock())).load()

    def test_a_running_server_keeps_the_list_it_has(self, authority: Authority) -> None:
        """Nothing that a file may become undoes a revocation, not even the CA's own older list."""
        older, revoked = authority.file.read_bytes(), tls_of(authority.ca, "dev-1")
        revocation = DeviceRevocation(read_chain(authority.anchor), Clock())
        files = CrlFiles([authority.file], revocation)
        files.load()
        assert not files.reread()
        authority.publish(revoked)
        assert files.reread()
        for content in (b"", b"none", older):
            authority.file.write_bytes(content)
            assert not files.reread()
            assert self.refused(revocation, revoked)
        authority.file.unlink()
        assert not files.reread()
        authority.publish()
        assert files.reread()
        assert not self.refused(revocation, revoked)

    @staticmethod
    def refused(revocation: DeviceRevocation, config: DtlsClientConfig) -> bool:
        path = (*config.certificate_chain, *revocation.issuers)
        return objection(revocation.check, path, datetime.now(UTC)) is not None
