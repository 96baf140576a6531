"""The CA as a process sees it: start, what makes it refuse to start, pins that come and go, who gets in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from structlog.testing import capture_logs

from device_pki.path import PathError, PathReason
from device_pki.roles import Role
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError
from lwm2m_server.ca.operator import opened
from lwm2m_server.ca.providers import ProviderPins, add_provider
from lwm2m_server.roles.ca import run_ca
from lwm2m_server.roles.ca_est import DeviceVerifier
from lwm2m_server.settings import CaSettings
from tests.device_pki.builders import Authority, Device
from tests.enrollment.world import CountingCa
from tests.lwm2m_server.ca.world import Provider, make_ca, serving_ca


@pytest.fixture
def ca(tmp_path: Path) -> CaDirectory:
    return make_ca(tmp_path / "ca1", "CA1")


def settings(ca: CaDirectory, **more: object) -> CaSettings:
    return CaSettings.model_validate(
        {
            "name": "CA1",
            "data": ca.root,
            "bind": "127.0.0.1:0",
            "api_bind": "127.0.0.1:0",
            "public_uri": "coaps://127.0.0.1:5685",
            **more,
        }
    )


async def test_it_runs_until_cancelled(ca: CaDirectory) -> None:
    with capture_logs() as logs:
        task = asyncio.create_task(run_ca(settings(ca)))
        while not any(entry["event"] == "ca_ready" for entry in logs):
            assert not task.done(), task
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def remove(*names: str) -> Callable[[CaDirectory], None]:
    def change(ca: CaDirectory) -> None:
        for name in names:
            (ca.root / name).unlink()

    return change


def swap_keys(ca: CaDirectory) -> None:
    ca.est.key.replace(ca.key)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (remove("ca.pem"), "ca init"),
        (remove("ca.key"), "ca.key"),
        (remove("est.pem"), "ca init"),
        (lambda ca: ca.key.chmod(0o640), "ca.key"),
        (swap_keys, "not the key"),
        (lambda ca: ca.certificate.write_text("nonsense"), "no usable PEM"),
        (lambda ca: ca.certificate.write_bytes(bytes(70_000)), "larger than"),
        (lambda ca: (ca.providers / "sp1.pem").write_text("nonsense"), "sp1.pem"),
    ],
)
async def test_a_damaged_folder_is_named(ca: CaDirectory, change: Callable[[CaDirectory], object], text: str) -> None:
    change(ca)
    with pytest.raises(CaDirectoryError, match=text):
        await run_ca(settings(ca))


async def test_a_taken_port_is_an_error(ca: CaDirectory, tmp_path: Path) -> None:
    async with serving_ca(ca, ca) as running:
        with pytest.raises(OSError, match="in use"):
            await run_ca(settings(ca, api_bind=f"127.0.0.1:{running.api[1]}"))


async def test_a_provider_added_to_a_running_ca_gets_in(ca: CaDirectory, tmp_path: Path) -> None:
    provider = Provider.make(tmp_path, "sp1")
    async with serving_ca(ca, ca) as running:
        add_provider(ca, "sp1", provider.certificate)
        deadline = asyncio.get_running_loop().time() + 10
        while True:
            async with provider.client(ca, running) as api:
                try:
                    await api.crl()
                    break
                except httpx.TransportError:
                    assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.1)


def test_pins_come_from_folder_and_settings(ca: CaDirectory, tmp_path: Path) -> None:
    first, second = Provider.make(tmp_path, "first"), Provider.make(tmp_path, "second")
    add_provider(ca, "sp1", first.certificate)
    pins = ProviderPins(ca, {"sp2": second.certificate})
    for _ in range(2):
        pins.refresh()
        assert sorted(pins.names.values()) == ["sp1", "sp2"]
    (ca.providers / "sp1.pem").unlink()
    pins.refresh()
    assert list(pins.names.values()) == ["sp2"]
    assert pins.name_of(bytes(32)) is None


class TestDeviceVerifier:
    """Two classes of certificates, told apart by their issuer."""

    @pytest.fixture
    def permanent(self, tmp_path: Path) -> Authority:
        return Authority(make_ca(tmp_path / "permanent", "Permanent CA").issuer())

    @staticmethod
    def verifier(permanent: Authority, ca: Authority) -> DeviceVerifier:
        class Service:
            """What the verifier reads of a CA's service."""

            def __init__(self) -> None:
                from device_pki.issue import revocation_list
                from device_pki.revocation import RevocationIndex

                self.permanent_anchors = [permanent.certificate]
                self.ca = CountingCa(ca)
                now = datetime.now(UTC).replace(microsecond=0)
                self.clock = lambda: now
                self.publisher = self
                self.index = RevocationIndex()
                end = ca.certificate.not_valid_after_utc
                self.index.add(revocation_list(ca.issuer, {}, 1, now, end), ca.certificate, now)

        return DeviceVerifier(Service())  # type: ignore[arg-type]

    def test_both_classes_get_in(self, permanent: Authority) -> None:
        ca1 = permanent.sub("CA1")
        verify = self.verifier(permanent, ca1)
        device = permanent.device("dev-1")
        operational = ca1.operational(device)
        assert verify([device.certificate]).role is Role.FACTORY_DEVICE
        for presented in ([operational.certificate], [operational.certificate, ca1.certificate]):
            identity = verify(presented)
            assert (identity.role, identity.endpoint) == (Role.OPERATIONAL_DEVICE, "dev-1")

    @pytest.mark.parametrize(
        ("present", "reason"),
        [
            (lambda permanent, device: [], PathReason.NO_CERTIFICATE),
            (lambda permanent, device: [permanent.certificate], PathReason.LEAF_IS_CA),
            (lambda permanent, device: [permanent.sub("CA2").operational(device).certificate], PathReason.NO_PATH),
        ],
    )
    def test_others_do_not(
        self,
        permanent: Authority,
        present: Callable[[Authority, Device], list[x509.Certificate]],
        reason: PathReason,
    ) -> None:
        verify = self.verifier(permanent, permanent.sub("CA1"))
        with pytest.raises(PathError) as refused:
            verify(present(permanent, permanent.device("dev-1")))
        assert refused.value.reason is reason


async def test_a_tls_key_others_can_read(ca: CaDirectory) -> None:
    """Security test 45 for the key that OpenSSL would read by itself."""
    ca.https.key.chmod(0o644)
    with pytest.raises(CaDirectoryError, match="chmod 600"):
        await run_ca(settings(ca))


async def test_a_bad_pin_does_not_stop_the_revocation_list(ca: CaDirectory, tmp_path: Path) -> None:
    permanent = make_ca(tmp_path / "permanent", "permanent")
    provider = Provider.make(tmp_path, "sp1")
    with capture_logs() as logs:
        async with serving_ca(ca, permanent, provider), opened(ca) as operator:
            (ca.providers / "broken.pem").write_text("nothing")
            while not any(entry["event"] == "providers_not_pinned" for entry in logs):
                await asyncio.sleep(0.01)
            before = await operator.register.published_list()
            await operator.register.revoke_serial(7, datetime.now(UTC) + timedelta(days=1), datetime.now(UTC))
            while (after := await operator.register.published_list()) == before:
                await asyncio.sleep(0.01)
    assert before is not None
    assert after is not None
    assert after.number == before.number + 1
