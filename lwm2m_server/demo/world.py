"""Before the story begins: five organisations make their keys, certify each other and start their servers.

Each organisation has its own directory, database and processes; what one hands to another goes through `exchange/`.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lwm2m_server.demo.hierarchy import PERMANENT, Hierarchy
from lwm2m_server.demo.layout import HOST, Layout, write_toml
from lwm2m_server.demo.processes import Supervisor, program, run

SERVER = program("lwm2m-server")
PROVIDERS: Mapping[str, str] = {"sp1": "ca1", "sp2": "ca2"}
"""Each service provider and the operational CA it works with."""
AUTHORITIES = (PERMANENT, "ca1", "ca2")
"""The CAs that run as servers; intermediates only sign."""
COAP = {"ack_timeout": 0.2, "max_retransmit": 4}
"""For a loopback network: a lost peer is noticed after some eight seconds instead of a minute and a half."""
START_SECONDS = 30.0


class StartFailed(Exception):
    """A server did not answer in time; the message names its log."""


@dataclass(frozen=True, slots=True)
class World:
    """The organisations of one run."""

    layout: Layout
    hierarchy: Hierarchy
    supervisor: Supervisor
    loss: float
    seed: int

    async def build(self) -> None:
        """Keys, certificates and settings of everybody."""
        self.layout.make()
        for name, issuer in self.hierarchy.issuers:
            await self._make_authority(name, issuer)
        await asyncio.gather(*(self._make_provider(name, ca) for name, ca in PROVIDERS.items()))
        for name in AUTHORITIES:
            self._configure_authority(name)
        for name, ca in PROVIDERS.items():
            self._configure_provider(name, ca)

    # ---- certificates ---------------------------------------------------------------------------

    def certificate(self, authority: str) -> Path:
        """The certificate of a CA, as everybody may have it."""
        return self.layout.organisation(authority) / "ca.pem"

    async def _make_authority(self, name: str, issuer: str | None) -> None:
        data = self.layout.organisation(name)
        argv = [SERVER, "ca", "init", "--data", str(data), "--name", name, "--host", HOST]
        if issuer is not None:
            argv += ["--kind", "intermediate", "--issuer", str(self.layout.organisation(issuer))]
        await run(argv)

    async def _make_provider(self, name: str, ca: str) -> None:
        data = self.layout.organisation(name)
        await run([SERVER, "init", "--role", "sp", "--name", name, "--host", HOST, "--data", str(data)])
        # An endorser comes from the permanent CA in every hierarchy: old providers' devices believe nobody else.
        signers = {"dtls": ("server", ca), "transfer": ("transfer", PERMANENT), "document": ("document", ca)}
        signers["firmware"] = ("firmware", ca)
        await asyncio.gather(*(self._certify(name, key, role, by) for key, (role, by) in signers.items()))

    async def _certify(self, provider: str, key: str, role: str, authority: str) -> None:
        data = self.layout.organisation(provider)
        request = self.layout.exchange / f"{provider}-{key}-request.pem"
        chain = self.layout.exchange / f"{provider}-{key}.pem"
        shutil.copyfile(data / "requests" / f"{key}.pem", request)
        argv = [SERVER, "ca", "issue", "--data", str(self.layout.organisation(authority)), "--role", role]
        await run([*argv, "--csr", str(request), "--out", str(chain)])
        await run([SERVER, "install-certificate", key, str(chain), "--data", str(data)])

    # ---- settings -------------------------------------------------------------------------------

    def https_certificate(self, organisation: str) -> Path:
        """The pinned certificate of an organisation's HTTPS side."""
        data = self.layout.organisation(organisation)
        return data / "certificates" / "https.pem" if organisation in PROVIDERS else data / "https.pem"

    def _configure_authority(self, name: str) -> None:
        # SP1 buys the factory certificates, so the permanent CA serves it as well.
        clients = ["sp1"] if name == PERMANENT else [sp for sp, ca in PROVIDERS.items() if ca == name]
        section = {
            "name": name,
            "data": str(self.layout.organisation(name)),
            "bind": f"{HOST}:{self.layout.coap_bind(name)}",
            "public_uri": self.layout.coap_uri(name),
            "oscore_bind": f"{HOST}:{self.layout.oscore_bind(name)}",
            "oscore_uri": self.layout.oscore_uri(name),
            "api_bind": f"{HOST}:{self.layout.ports.get(f'{name}/https')}",
            "permanent_anchors": [str(self.certificate(PERMANENT))],
            "coap": COAP,
            "peers": {client: str(self.https_certificate(client)) for client in clients},
        }
        write_toml(self.layout.config(name), {"roles": ["ca"], "ca": section})

    def _configure_provider(self, name: str, ca: str) -> None:
        section = {
            "name": name,
            "data": str(self.layout.organisation(name)),
            "bind": f"{HOST}:{self.layout.coap_bind(name)}",
            "public_uri": self.layout.coap_uri(name),
            "oscore_bind": f"{HOST}:{self.layout.oscore_bind(name)}",
            "oscore_uri": self.layout.oscore_uri(name),
            "partner_bind": f"{HOST}:{self.layout.ports.get(f'{name}/https')}",
            "admin_bind": f"{HOST}:{self.layout.ports.get(f'{name}/admin')}",
            "operational_anchors": [str(self.certificate(ca))],
            "permanent_anchors": [str(self.certificate(PERMANENT))],
            "lab": True,
            "crl_refresh": 5,
            "batch_delay": 0.2,
            "retry_max": 3,
            "coap": COAP,
            "ca": {
                "api": self.layout.https_uri(ca),
                "certificate": str(self.https_certificate(ca)),
                "public_uri": self.layout.coap_uri(ca),
                "oscore_uri": self.layout.oscore_uri(ca),
                "label": str(uuid.uuid4()),
            },
        }
        write_toml(self.layout.config(name), {"roles": ["sp"], "sp": section})

    # ---- processes ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the servers, and the lossy relays before them if datagrams are to get lost."""
        names = (*AUTHORITIES, *PROVIDERS)
        for name in names:
            await self.supervisor.start(name, [SERVER, "serve", "--config", str(self.layout.config(name))])
        if self.loss:
            for index, name in enumerate(names):
                public, bound = self.layout.coap_public(name), self.layout.coap_bind(name)
                await self.supervisor.start(f"{name}-relay", self._relay(public, bound, index))
                public, bound = self.layout.oscore_public(name), self.layout.oscore_bind(name)
                await self.supervisor.start(f"{name}-oscore-relay", self._relay(public, bound, len(names) + index))
        await asyncio.gather(*(self._wait_for(name) for name in names))

    def _relay(self, public: int, bound: int, index: int) -> list[str]:
        return [
            program("python"),
            "-m",
            "lwm2m_server.testing.relay",
            "--listen",
            f"{HOST}:{public}",
            "--to",
            f"{HOST}:{bound}",
            "--loss",
            str(self.loss),
            "--seed",
            str(self.seed + index),
        ]

    async def _wait_for(self, name: str) -> None:
        port = self.layout.ports.get(f"{name}/https")
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                self.supervisor.check()
                if asyncio.get_running_loop().time() > deadline:
                    log = self.layout.logs / f"{name}.log"
                    raise StartFailed(f"{name} did not start within {START_SECONDS:.0f} s; see {log}") from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
