"""Role `dm` asks OCSP: OpenSSL's responder, a CA's own, and one that does not answer."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from device_pki.ocsp import answers
from lwm2m_server.ca.operator import opened
from lwm2m_server.demo.layout import HOST, Ports
from lwm2m_server.roles import dm as role
from lwm2m_server.roles.dm import RunningDm
from lwm2m_server.server import ocsp
from lwm2m_server.settings import OcspSettings, SettingsError, load_settings
from secure_coap.channels.dtls import DtlsClientConfig
from secure_coap.errors import HandshakeFailed, TransportError
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.ca.world import serving_ca
from tests.lwm2m_server.dm.test_revocation import Authority, connected
from tests.lwm2m_server.dm.test_role import tls_of
from tests.lwm2m_server.server.test_registering import register, update
from tests.lwm2m_server.sp.device import until


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "data")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes become tenths of seconds."""
    monkeypatch.setattr(role, "CRL_LOOK", 0.1)
    monkeypatch.setattr(role, "SESSION_LOOK", 0.2)
    monkeypatch.setattr(answers, "MAX_AGE", answers.MAX_AGE / 100)
    monkeypatch.setattr(ocsp, "PAUSE", 0.1)


@asynccontextmanager
async def serving(authority: Authority, url: str, **more: Any) -> AsyncIterator[RunningDm]:
    source = OcspSettings(issuer=authority.anchor, url=url)
    async with authority.serving(device_crls=(), device_ocsp=(source,), **more) as running:
        yield running


class OpenSslResponder:
    """`openssl ocsp` in front of a CA's database file, with the CA's key."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.folder, self.ca = folder, authority.ca
        self.index = folder / "index.txt"
        self.port = Ports().get("ocsp")
        folder.mkdir()
        self.index.touch()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    def knows(self, config: DtlsClientConfig, *, revoked: bool = False) -> None:
        serial = f"{config.certificate_chain[0].serial_number:X}"
        serial = serial if len(serial) % 2 == 0 else f"0{serial}"
        state = "R\t301231235959Z\t260101000000Z" if revoked else "V\t301231235959Z\t"
        kept = [line for line in self.index.read_text().splitlines() if f"\t{serial}\t" not in line]
        self.index.write_text("\n".join([*kept, f"{state}\t{serial}\tunknown\t/CN=device"]) + "\n")

    @contextmanager
    def running(self) -> Iterator[None]:
        ca = self.ca
        command: list[str | Path] = [
            "openssl",
            "ocsp",
            "-index",
            self.index,
            "-port",
            str(self.port),
            "-rsigner",
            ca.certificate,
        ]
        command += ["-rkey", ca.key, "-CA", ca.certificate, "-nmin", "5"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


async def comes_in(running: RunningDm, config: DtlsClientConfig) -> Code | None:
    """What the first registration over a new session is answered; None when there is no session."""
    try:
        async with connected(running, "dtls", config) as client:
            return (await register(client)).code
    except (HandshakeFailed, TransportError):
        return None


async def test_openssls_responder_tells_good_from_revoked_from_unknown(authority: Authority, tmp_path: Path) -> None:
    good, revoked, unknown = (tls_of(authority.ca, name) for name in ("good", "revoked", "unknown"))
    responder = OpenSslResponder(authority, tmp_path / "openssl")
    responder.knows(good)
    responder.knows(revoked, revoked=True)
    with responder.running():
        async with serving(authority, responder.url) as running:

            async def answered() -> bool:
                return await comes_in(running, good) is Code.CREATED

            await until(answered, seconds=20)
            assert await comes_in(running, revoked) is Code.UNAUTHORIZED
            assert await comes_in(running, revoked) is None, "from now on it is known at the handshake"
            assert await comes_in(running, unknown) is Code.UNAUTHORIZED


@pytest.mark.usefixtures("impatient")
async def test_27_a_revoked_certificate_is_refused_in_open_sessions_and_new_ones(
    authority: Authority, tmp_path: Path
) -> None:
    """By the OCSP responder of the CA role; the device next to it stays."""
    revoked, good = tls_of(authority.ca, "revoked"), tls_of(authority.ca, "good")
    for config in (revoked, good):
        authority.ca.record_issued(config.certificate_chain[0])
    async with serving_ca(authority.ca, authority.ca, status_bind="127.0.0.1:0") as ca:
        assert ca.status is not None
        async with (
            serving(authority, f"http://{ca.status[0]}:{ca.status[1]}/ocsp") as running,
            connected(running, "dtls", revoked) as first,
            connected(running, "dtls", good) as second,
        ):
            location = (await register(first)).location_path
            elsewhere = (await register(second)).location_path
            assert await update(first, location) is Code.CHANGED
            file = tmp_path / "revoked.pem"
            file.write_bytes(revoked.certificate_chain[0].public_bytes(Encoding.PEM))
            async with opened(authority.ca) as operator:
                await operator.revoke(await operator.find_certificate(str(file)))
            await until(lambda: not running.server.sessions.is_online("revoked"), seconds=20)
            with pytest.raises(HandshakeFailed):
                async with connected(running, "dtls", revoked):
                    raise AssertionError("a revoked certificate was let in")
            assert await update(second, elsewhere) is Code.CHANGED


@pytest.mark.usefixtures("impatient")
async def test_28_a_responder_that_is_away_closes_until_it_is_back(authority: Authority, tmp_path: Path) -> None:
    """Requests shall come again (5.03), sessions end; it is not the device's fault."""
    config, responder = tls_of(authority.ca, "dev-1"), OpenSslResponder(authority, tmp_path / "openssl")
    responder.knows(config)
    async with serving(authority, responder.url) as running:
        assert await comes_in(running, config) is Code.SERVICE_UNAVAILABLE

        async def back() -> bool:
            return await comes_in(running, config) is Code.CREATED

        with ExitStack() as responding:
            responding.enter_context(responder.running())
            await until(back, seconds=20)
            async with connected(running, "dtls", config) as client:
                await register(client)
                assert running.server.sessions.is_online("dev-1")
                responding.close()
                await until(lambda: not running.server.sessions.is_online("dev-1"), seconds=20)
        assert await comes_in(running, config) is Code.SERVICE_UNAVAILABLE


async def test_28_an_undelegated_responder_counts_for_nothing(authority: Authority, tmp_path: Path) -> None:
    config, other = tls_of(authority.ca, "dev-1"), Authority(tmp_path / "other")
    responder = OpenSslResponder(authority, tmp_path / "openssl")
    responder.ca = other.ca
    responder.knows(config)
    with responder.running():
        async with serving(authority, responder.url) as running:
            assert await comes_in(running, config) is Code.SERVICE_UNAVAILABLE


async def test_a_soft_policy_lets_in_whom_nobody_knows(authority: Authority) -> None:
    config = tls_of(authority.ca, "dev-1")
    async with serving(authority, f"http://{HOST}:9/", revocation_failure="soft") as running:
        assert await comes_in(running, config) is Code.CREATED
    authority.publish(config)
    async with authority.serving(revocation_failure="soft") as running:
        assert await comes_in(running, config) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('device_ocsp = [{issuer = "ca.pem", url = "http://127.0.0.1/"}]', "device_anchors"),
        ('device_anchors = ["ca.pem"]\ndevice_ocsp = [{issuer = "ca.pem", url = "ldap://x"}]', "url"),
        ('revocation_failure = "never"', "hard"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "server.toml"
    file.write_text(f'roles = ["dm"]\n[dm]\ndata = "."\n{line}\n')
    with pytest.raises(SettingsError, match=says):
        load_settings(file)
