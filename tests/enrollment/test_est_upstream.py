"""The backend for an EST server keeps the contract with another project's server, and waits as it is told."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PrivateKey, generate_private_key, thumbprint
from device_pki.issue import common_name
from device_pki.keys import signature_hash
from device_pki.names import device_subject
from device_pki.revocation import parse_crl
from enrollment.ca.backend import CaBackendError
from enrollment.ca.est_upstream import EstUpstreamCa
from enrollment.csr import CheckedCsr
from enrollment.est.https_client import EstHttpsClient
from lwm2m_server.testing.ca_contract import CaBackendContract, request
from tests.device_pki.builders import root
from tests.enrollment.est_peer import EstPeer, running_est_peer


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EstPeer]:
    with running_est_peer(tmp_path_factory.mktemp("est") / "data") as running:
        yield running


@pytest.fixture
async def ca(peer: EstPeer) -> AsyncIterator[EstUpstreamCa]:
    async with peer.backend() as backend:
        yield backend


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class TestEstUpstream(CaBackendContract):
    @pytest.fixture
    async def ca(self, peer: EstPeer) -> AsyncIterator[EstUpstreamCa]:
        """With an operator over there who revokes what is asked for."""

        class Attended(EstUpstreamCa):
            async def revocation_list(self, revoked: dict[int, datetime], number: int, now: datetime) -> bytes:  # type: ignore[override]
                peer.revoked |= revoked
                return await super().revocation_list(revoked, number, now)

        async with peer.backend() as one:
            yield Attended(one.est, one.http, one.list_url, one.chain)


async def test_the_list_is_the_authoritys(peer: EstPeer, ca: EstUpstreamCa) -> None:
    """Revoked here is not revoked there: the list does not name it, and a publisher will not confirm it."""
    issued = await ca.issue_operational(request(), device_subject("dev-1"), now())
    der = await ca.revocation_list({issued.serial_number: now()}, 1, now())
    assert issued.serial_number not in parse_crl(der, ca.chain[0], now()).serials
    peer.revoked[issued.serial_number] = now()
    der = await ca.revocation_list({issued.serial_number: now()}, 1, now())
    assert issued.serial_number in parse_crl(der, ca.chain[0], now()).serials


def named(name: str, key: PrivateKey) -> CheckedCsr:
    """A request the server has an answer of its own for."""
    csr = x509.CertificateSigningRequestBuilder().subject_name(common_name(name)).sign(key, signature_hash(key))
    return CheckedCsr("dev-1", key.public_key(), thumbprint(key.public_key()), csr.public_bytes(Encoding.DER))


async def test_a_decision_that_takes_time_is_asked_for_with_the_same_request(peer: EstPeer) -> None:
    """202 with Retry-After: the device comes again with another request for its key, the first one is sent again."""
    key = generate_private_key()
    async with peer.backend(label="triggererrors") as ca:
        first = named("Trigger Error Deferred", key)
        with pytest.raises(CaBackendError) as deferred:
            await ca.issue_operational(first, device_subject("dev-1"), now())
        assert deferred.value.retry_after == 600
        with pytest.raises(CaBackendError) as again:
            await ca.issue_operational(named("dev-1", key), device_subject("dev-1"), now())
        assert again.value.retry_after == 600, "it was asked what it had been asked before"
        issued = await ca.issue_operational(named("dev-2", generate_private_key()), common_name("dev-2"), now())
        assert issued.subject == common_name("dev-2")


@pytest.mark.parametrize(("name", "says"), [("Trigger Error Forbidden", "403"), ("Trigger Error Unknown", "500")])
async def test_a_refusal_is_told(peer: EstPeer, name: str, says: str) -> None:
    async with peer.backend(label="triggererrors") as ca:
        with pytest.raises(CaBackendError, match=says) as refused:
            await ca.issue_operational(named(name, generate_private_key()), device_subject("dev-1"), now())
        assert refused.value.retry_after is None


async def test_a_certificate_may_begin_a_little_later(ca: EstUpstreamCa) -> None:
    """The order took time, or the clocks differ; by more than a minute it is not taken."""
    csr = request()
    assert await ca.issue_operational(csr, device_subject("dev-1"), now() - timedelta(seconds=30))
    with pytest.raises(CaBackendError, match="not yet valid"):
        await ca.issue_operational(csr, device_subject("dev-1"), now() - timedelta(minutes=2))


async def test_another_subject_than_ordered_is_not_taken(ca: EstUpstreamCa) -> None:
    with pytest.raises(CaBackendError, match="another subject"):
        await ca.issue_operational(request("dev-2"), device_subject("dev-1"), now())


async def test_another_server_is_not_asked(peer: EstPeer, ca: EstUpstreamCa) -> None:
    """Whose TLS certificate is beneath no root that the settings name."""
    async with EstHttpsClient(peer.url, ssl.create_default_context()) as est:
        other = EstUpstreamCa(est, ca.http, ca.list_url, ca.chain)
        with pytest.raises(CaBackendError, match="cannot be asked"):
            await other.issue_operational(request(), device_subject("dev-1"), now())


async def test_another_authoritys_certificate_is_not_taken(ca: EstUpstreamCa) -> None:
    other = EstUpstreamCa(ca.est, ca.http, ca.list_url, root("Upstream CA").chain)
    with pytest.raises(CaBackendError, match="cannot use"):
        await other.issue_operational(request(), device_subject("dev-1"), now())


async def test_a_list_that_cannot_be_had_is_named(ca: EstUpstreamCa) -> None:
    for url, says in (("http://127.0.0.1:9/ca.crl", "cannot be had"), (ca.list_url + "x", "404")):
        with pytest.raises(CaBackendError, match=says):
            await EstUpstreamCa(ca.est, ca.http, url, ca.chain).revocation_list({}, 1, now())


async def test_what_an_est_server_does_not_do_is_refused(ca: EstUpstreamCa) -> None:
    key = generate_private_key().public_key()
    with pytest.raises(CaBackendError, match="permanent CA"):
        await ca.issue_factory(request(), now())
    with pytest.raises(CaBackendError, match="PKCS#10"):
        await ca.issue_operational(CheckedCsr("dev-1", key, bytes(32)), device_subject("dev-1"), now())
