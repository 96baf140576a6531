"""Two service providers with their CAs, over real sockets in one process, and what is needed to make devices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import generate_private_key
from device_pki import issue
from device_pki.bag import encode_x5bag
from device_pki.issue import Validity
from device_pki.names import device_subject
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.ca.issuing import IssueRole
from lwm2m_server.ca.issuing import issue as certify
from lwm2m_server.ca.providers import add_provider
from lwm2m_server.fleet.partners import PartnerProfile
from lwm2m_server.provider_keys import KeyRole, certificate_path, create, install, read_chain, request_path
from lwm2m_server.roles.ca import RunningCa, running_ca
from lwm2m_server.roles.sp import RunningSp, running_sp
from lwm2m_server.settings import Address, CaClientSettings, CaSettings, CoapSettings, SpSettings
from tests.lwm2m_server.ca.world import make_ca
from tests.lwm2m_server.sp.device import DeviceIdentity, FakeDevice

ANY = Address("127.0.0.1", 0)
DAY = timedelta(days=1)
FAST = CoapSettings(ack_timeout=0.2, max_retransmit=3)
PUBLIC = {"sp1": "coaps://127.0.0.1:6001", "sp2": "coaps://127.0.0.1:6002"}
"""What templates and messages name; nothing listens there."""


@dataclass(slots=True)
class Provider:
    """One running service provider with its CA."""

    name: str
    ca: CaDirectory
    permanent: CaDirectory
    settings: SpSettings
    running_ca: RunningCa
    running: RunningSp

    def admin(self) -> httpx.AsyncClient:
        """A client of its admin API with the operator's token."""
        token = (self.settings.data / "operator.token").read_text().strip()
        host, port = self.running.admin
        return httpx.AsyncClient(
            base_url=f"http://{host}:{port}/api/v1", headers={"authorization": f"Bearer {token}"}, timeout=30
        )

    def operational(self, endpoint: str) -> DeviceIdentity:
        """A fresh operational credential of its CA."""
        return operational_identity(self.ca, endpoint)

    def device(self, endpoint: str, factory: DeviceIdentity) -> FakeDevice:
        """A device that talks to this provider's server."""
        return FakeDevice(endpoint, factory, self.running.lwm2m, self.ca_certificate)

    @property
    def ca_certificate(self) -> x509.Certificate:
        return read_chain(self.ca.certificate)[0]


def operational_identity(ca: CaDirectory, endpoint: str) -> DeviceIdentity:
    key = generate_private_key()
    issuer = ca.backend(DAY, DAY).issuer
    certificate = issue.operational_device(issuer, key.public_key(), device_subject(endpoint), _validity())
    return DeviceIdentity(key, (certificate,))


def factory_identity(permanent: CaDirectory, endpoint: str) -> DeviceIdentity:
    key = generate_private_key()
    issuer = permanent.backend(DAY, DAY).issuer
    return DeviceIdentity(key, (issue.factory_device(issuer, key.public_key(), endpoint, _validity()),))


def bag_of(*identities: DeviceIdentity) -> bytes:
    return encode_x5bag([identity.certificate.public_bytes(Encoding.DER) for identity in identities])


def _validity() -> Validity:
    return Validity.lasting(datetime.now(UTC), DAY)


def make_provider_folder(folder: Path, name: str, ca: CaDirectory, permanent: CaDirectory) -> None:
    """Keys, certified: the transfer key by the permanent CA, the others by the provider's own."""
    create(folder, name, ["127.0.0.1"])
    roles = {
        KeyRole.DTLS: (ca, IssueRole.SERVER),
        KeyRole.TRANSFER: (permanent, IssueRole.TRANSFER),
        KeyRole.DOCUMENT: (ca, IssueRole.DOCUMENT),
        KeyRole.FIRMWARE: (ca, IssueRole.FIRMWARE),
    }
    for role, (authority, what) in roles.items():
        out = folder / f"{role}.issued.pem"
        certify(authority, what, request_path(folder, role), hosts=[], out=out, now=datetime.now(UTC))
        install(folder, role, read_chain(out))


@asynccontextmanager
async def serving_provider(
    root: Path, name: str, permanent: CaDirectory, *, ocsp: bool = False, lists: bool = True, **more: Any
) -> AsyncIterator[Provider]:
    """`ocsp`: it asks its CA's responder; without `lists` its CA's API does not answer. `more`: further settings."""
    ca = make_ca(root / f"{name}-ca", f"{name}-ca")
    data = root / name
    make_provider_folder(data, name, ca, permanent)
    add_provider(ca, name, certificate_path(data, KeyRole.HTTPS))
    ca_settings = CaSettings(
        name=f"{name}-ca",
        data=ca.root,
        bind=ANY,
        public_uri=f"coaps://127.0.0.1:{7000 + int(name[-1])}",
        api_bind=ANY,
        permanent_anchors=(permanent.certificate,),
        status_bind=ANY,
        coap=FAST,
    )
    async with running_ca(ca_settings) as ca_running:
        host, port = ca_running.api
        assert ca_running.status is not None
        settings = SpSettings(
            name=name,
            data=data,
            bind=ANY,
            public_uri=PUBLIC[name],
            partner_bind=ANY,
            admin_bind=ANY,
            operational_anchors=(ca.certificate,),
            permanent_anchors=(permanent.certificate,),
            ca=CaClientSettings(
                api=f"https://{host}:{port if lists else 9}",
                ocsp=f"http://{host}:{ca_running.status[1]}/ocsp" if ocsp else "",
                certificate=ca.https.certificate,
                public_uri=ca_settings.public_uri,
                label=uuid4(),
            ),
            crl_refresh=1,
            lab=True,
            batch_delay=0.05,
            retry_max=0.5,
            coap=FAST,
        ).model_copy(update=more)
        async with running_sp(settings) as running:
            yield Provider(name, ca, permanent, settings, ca_running, running)


@dataclass(slots=True)
class World:
    """Both providers, acquainted with each other."""

    permanent: CaDirectory
    sp1: Provider
    sp2: Provider


async def profile_of(provider: Provider, *agreed_states: str) -> PartnerProfile:
    host, port = provider.running.partner
    async with provider.admin() as admin:
        answer = await admin.get(
            "/profile", params={"uri": f"https://{host}:{port}", "agreed_state": list(agreed_states)}
        )
    return PartnerProfile.parse(answer.raise_for_status().text)


@asynccontextmanager
async def serving_world(root: Path) -> AsyncIterator[World]:
    permanent = make_ca(root / "permanent", "permanent")
    async with AsyncExitStack() as stack:
        sp1 = await stack.enter_async_context(serving_provider(root, "sp1", permanent))
        sp2 = await stack.enter_async_context(serving_provider(root, "sp2", permanent))
        yield World(permanent, sp1, sp2)
