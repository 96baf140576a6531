"""The backend for step-ca keeps the contract with a real step-ca, and takes nothing from it but what was ordered."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cose.keys import generate_private_key
from device_pki.names import device_subject
from device_pki.revocation import CrlError, parse_crl
from enrollment.ca.backend import CaBackendError
from enrollment.ca.step_ca import StepCa
from enrollment.csr import CheckedCsr
from lwm2m_server.testing.ca_contract import CaBackendContract, request
from tests.device_pki.builders import root
from tests.enrollment.step_ca import StepCaServer, running_step_ca


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StepCaServer]:
    with running_step_ca(tmp_path_factory.mktemp("step-ca") / "data") as running:
        yield running


@pytest.fixture
async def ca(server: StepCaServer) -> AsyncIterator[StepCa]:
    async with server.backend() as backend:
        yield backend


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class TestStepCa(CaBackendContract):
    async def test_a_serial_is_revoked_once(self, ca: StepCa) -> None:
        issued = await ca.issue_operational(request(), device_subject("dev-1"), now())
        await ca._revoke(issued.serial_number, now())
        await ca._revoke(issued.serial_number, now())
        listed = parse_crl(await ca.revocation_list({}, 1, now()), ca.chain[0], now(), points=ca.points)
        assert issued.serial_number in listed.serials


async def test_its_list_counts_only_by_its_name(ca: StepCa) -> None:
    """A list of one distribution point could be a part; only the operator knows that this one is not."""
    der = await ca.revocation_list({}, 1, now())
    for points in ((), ("https://127.0.0.1/other",)):
        with pytest.raises(CrlError, match="critical"):
            parse_crl(der, ca.chain[0], now(), points=points)


async def test_the_subject_is_the_ordered_one_whatever_the_request_says(ca: StepCa) -> None:
    """The device's request names it; what the certificate says is the factory certificate's subject."""
    with pytest.raises(CaBackendError, match="common name"):
        await ca.issue_operational(_renamed(request("dev-2")), device_subject("dev-1"), now())


def _renamed(csr: CheckedCsr) -> CheckedCsr:
    return CheckedCsr("dev-1", csr.public_key, csr.key_thumbprint, csr.pkcs10)


async def test_a_request_in_another_form_is_not_sent(ca: StepCa) -> None:
    key = generate_private_key().public_key()
    with pytest.raises(CaBackendError, match="PKCS#10"):
        await ca.issue_operational(CheckedCsr("dev-1", key, bytes(32)), device_subject("dev-1"), now())


async def test_factory_certificates_are_for_permanent_cas(ca: StepCa) -> None:
    with pytest.raises(CaBackendError, match="permanent CA"):
        await ca.issue_factory(request(), now())


async def test_a_stranger_is_no_registration_authority(server: StepCaServer) -> None:
    stranger = root("Step Root")
    async with server.backend(ra=stranger.operational(stranger.device("ra"))) as ca:
        with pytest.raises(CaBackendError, match="401"):
            await ca.issue_operational(request(), device_subject("dev-1"), now())
        with pytest.raises(CaBackendError, match="401"):
            await ca.revocation_list({7: now()}, 1, now())


async def test_a_lifetime_beyond_the_provisioners_is_refused(server: StepCaServer) -> None:
    async with server.backend(days=100) as ca:
        with pytest.raises(CaBackendError, match="duration"):
            await ca.issue_operational(request(), device_subject("dev-1"), now())


async def test_another_authoritys_answer_is_not_taken(server: StepCaServer) -> None:
    async with server.backend() as ca:
        other = StepCa(
            ca.http, ca.provisioner, ca.authority, root("Step CA").chain, ca.certificate_lifetime, ca.distribution_point
        )
        with pytest.raises(CaBackendError, match="cannot use"):
            await other.issue_operational(request(), device_subject("dev-1"), now())
        with pytest.raises(CaBackendError, match="wrong issuer"):
            await other.revocation_list({}, 1, now())


async def test_an_authority_that_is_away_is_named(server: StepCaServer, ca: StepCa, tmp_path: Path) -> None:
    context = ssl.create_default_context()
    async with httpx.AsyncClient(base_url="https://127.0.0.1:9", verify=context, trust_env=False) as http:
        away = StepCa(http, "ra", ca.authority, ca.chain, ca.certificate_lifetime, ca.distribution_point)
        with pytest.raises(CaBackendError, match="cannot be reached"):
            await away.issue_operational(request(), device_subject("dev-1"), now())
    async with httpx.AsyncClient(base_url=server.url, verify=context, trust_env=False) as http:
        untrusted = StepCa(http, "ra", ca.authority, ca.chain, ca.certificate_lifetime, ca.distribution_point)
        with pytest.raises(CaBackendError, match="cannot be reached"):
            await untrusted.revocation_list({}, 1, now())
