"""Security tests of the service provider (docs/reference/security-tests.md), by their numbers.

14, 22 and 42 are with the partner API's other refusals in tests/lwm2m_server/sp/test_partner_api.py. Of 45, an unlisted
plugin cannot be tested yet: the server loads no plugins at all; the audit chain comes with the audit log.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.serialization import Encoding

from cose.cbor import decode
from device_pki.identity import PeerIdentity
from device_pki.path import PathError
from device_pki.roles import Role
from lwm2m_server.ca.operator import opened
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.evidence import safe_name
from lwm2m_server.fleet.trust import DeviceTrust
from lwm2m_server.provider_keys import KeyRole, KeysError, ProviderKeys, key_path, read_chain
from lwm2m_server.server.revocation import DeviceRevocation
from secure_coap.errors import AssociationLost, RequestTimeout
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.ca.world import make_ca
from tests.lwm2m_server.sp.device import FakeDevice, until
from tests.lwm2m_server.sp.world import (
    Provider,
    bag_of,
    factory_identity,
    make_provider_folder,
    serving_provider,
)


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Provider]:
    permanent = make_ca(tmp_path / "permanent", "permanent")
    async with serving_provider(tmp_path, "sp1", permanent) as running:
        await until(lambda: (running.settings.data / "crls.cbor").exists())
        yield running


async def owned(provider: Provider, *names: str) -> list[FakeDevice]:
    """Devices of the provider's, connected with operational certificates."""
    factories = [factory_identity(provider.permanent, name) for name in names]
    async with provider.admin() as admin:
        assert (await admin.post("/groups/meters/devices", content=bag_of(*factories))).is_success
    devices = [provider.device(name, factory) for name, factory in zip(names, factories, strict=True)]
    for device in devices:
        await device.connect(provider.operational(device.endpoint))
    return devices


class TestEndpointNames:
    """36: victim's ep under own certificate; its handle -> 4.03/4.04, victim stays."""

    async def test_another_devices_name_and_handle(self, provider: Provider) -> None:
        victim, attacker = await owned(provider, "victim", "attacker")
        assert (await victim.register()).code is Code.CREATED
        assert (await attacker.register(endpoint="victim")).code is Code.FORBIDDEN
        attacker.location = victim.location
        assert (await attacker.update()).code is Code.NOT_FOUND
        assert (await attacker.ask(Code.DELETE, *victim.location)).code is Code.NOT_FOUND
        assert (await victim.update()).code is Code.CHANGED
        await asyncio.gather(victim.close(), attacker.close())

    async def test_handles_cannot_be_guessed(self, provider: Provider) -> None:
        (device,) = await owned(provider, "dev-1")
        first = (await device.register()).location_path
        second = (await device.register()).location_path
        assert len(urlsafe_b64decode(first[1])) >= 16
        assert first != second
        device.location = first
        assert (await device.update()).code is Code.NOT_FOUND
        await device.close()

    async def test_a_device_that_was_never_added(self, provider: Provider) -> None:
        """Never trust on first use: a good certificate alone lets nobody register."""
        factory = factory_identity(provider.permanent, "unknown")
        device = provider.device("unknown", factory)
        for identity in (factory, provider.operational("unknown")):
            await device.connect(identity)
            assert (await device.register()).code is Code.FORBIDDEN
        await device.close()

    async def test_another_factory_certificate_for_a_known_name(self, provider: Provider) -> None:
        (device,) = await owned(provider, "dev-1")
        await device.connect(factory_identity(provider.permanent, "dev-1"))
        assert (await device.register()).code is Code.FORBIDDEN
        await device.close()

    async def test_the_factory_certificate_without_an_open_offer(self, provider: Provider) -> None:
        """Registry, "Logging in at a server": only around a transfer."""
        (device,) = await owned(provider, "dev-1")
        await device.connect(device.factory)
        assert (await device.register()).code is Code.FORBIDDEN
        await device.close()


class TestRevocation:
    """27: revoked certificate, open session too -> refused within 60 s."""

    async def test_an_open_session_ends(self, provider: Provider, tmp_path: Path) -> None:
        (device,) = await owned(provider, "dev-1")
        assert (await device.register()).code is Code.CREATED
        session = provider.running.provider.server.sessions.session("dev-1")
        assert session is not None and isinstance(session.peer, PeerIdentity)
        certificate = tmp_path / "dev-1.pem"
        certificate.write_bytes(session.peer.certificate.public_bytes(Encoding.PEM))
        async with opened(provider.ca) as operator:
            await operator.revoke(await operator.find_certificate(str(certificate)))
        await until(lambda: not provider.running.provider.server.sessions.is_online("dev-1"), seconds=20)
        with pytest.raises((AssociationLost, RequestTimeout)):
            await device.update()
        await device.close()

    async def test_without_a_fresh_list_nobody_gets_in(self, provider: Provider, tmp_path: Path) -> None:
        """24 and 28: no list, or a stale one, is closed; a factory certificate needs none."""
        identity = provider.operational("dev-1")
        clock = Clock()
        late = Clock(lambda: clock.now() + 5 * 86400)
        [listed] = decode((provider.settings.data / "crls.cbor").read_bytes(), max_size=4096, max_depth=2)
        permanent = read_chain(provider.permanent.certificate)
        for when, crl in ((clock, None), (late, listed)):
            operational = DeviceRevocation([provider.ca_certificate], when)
            trust = DeviceTrust(operational, permanent, tmp_path / "crls.cbor", when)
            if crl is not None:
                trust.update(crl)
            with pytest.raises(PathError):
                trust.verify(identity.chain)
        operational = DeviceRevocation([provider.ca_certificate], clock)
        trust = DeviceTrust(operational, permanent, tmp_path / "crls.cbor", clock)
        trust.update(listed)
        assert trust.verify(identity.chain).role is Role.OPERATIONAL_DEVICE
        factory = factory_identity(provider.permanent, "dev-1")
        assert trust.verify(factory.chain).role is Role.FACTORY_DEVICE


class TestKeyFiles:
    """45: key 0644 -> no start."""

    @pytest.mark.parametrize("role", list(KeyRole))
    def test_a_key_others_can_read(self, tmp_path: Path, role: KeyRole) -> None:
        permanent = make_ca(tmp_path / "permanent", "permanent")
        make_provider_folder(tmp_path / "sp1", "sp1", permanent, permanent)
        ProviderKeys.load(tmp_path / "sp1")
        path = key_path(tmp_path / "sp1", role)
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)
        with pytest.raises(KeysError, match="chmod 600"):
            ProviderKeys.load(tmp_path / "sp1")

    def test_the_process_does_not_start(self, tmp_path: Path) -> None:
        permanent = make_ca(tmp_path / "permanent", "permanent")
        make_provider_folder(tmp_path / "sp1", "sp1", permanent, permanent)
        key_path(tmp_path / "sp1", KeyRole.TRANSFER).chmod(0o644)
        config = tmp_path / "sp1.toml"
        config.write_text(
            'roles = ["sp"]\n[sp]\nname = "sp1"\ndata = "sp1"\nbind = "127.0.0.1:0"\n'
            'partner_bind = "127.0.0.1:0"\nadmin_bind = "127.0.0.1:0"\npublic_uri = "coaps://127.0.0.1:5684"\n'
            'operational_anchors = ["permanent/ca.pem"]\npermanent_anchors = ["permanent/ca.pem"]\n'
            '[sp.ca]\napi = "https://127.0.0.1:1"\ncertificate = "permanent/https.pem"\n'
            'public_uri = "coaps://127.0.0.1:2"\nlabel = "6c1f0a70-6b6a-4f7e-8f1e-1f2a3b4c5d6e"\n'
        )
        server = Path(sys.executable).parent / "lwm2m-server"
        ended = subprocess.run([server, "serve", "--config", config], capture_output=True, text=True, timeout=60)
        assert ended.returncode != 0
        assert "chmod 600" in ended.stderr


class TestDeviceStrings:
    """39, as far as there are places where they show: file names of exported evidence, tables of the command line."""

    @pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", ".hidden", "urn:dev:1", "a\x00b", "x\ny"])
    def test_names_are_no_paths(self, name: str) -> None:
        safe = safe_name(name)
        assert "/" not in safe
        assert not safe.startswith(".")
        assert safe.isprintable()

    def test_names_are_shown_literally(self, capsys: pytest.CaptureFixture[str]) -> None:
        from lwm2m_server.cli.common import Output, show

        names = ["<img onerror>", "[/]", "=cmd()", "[link=http://evil]x[/link]", "\x1b[31mred", "two\nlines"]
        show(Output.TABLE, [{"endpoint": name} for name in names])
        printed = capsys.readouterr().out
        assert "\x1b" not in printed
        for name in names[:4]:
            assert name in printed
        assert len(printed.splitlines()) == 1 + len(names)

    def test_errors_are_shown_literally(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A refusal carries the device's own words to the operator's terminal."""
        from lwm2m_server.cli.common import Exit, fail

        with pytest.raises(typer.Exit):
            fail(Exit.DEVICE, "4.00 \x1b]0;owned\x07 \x9b31m\nsecond line")
        printed = capsys.readouterr().err
        assert all(line.isprintable() for line in printed.splitlines())
        assert len(printed.splitlines()) == 2
