"""Every CA of the four hierarchies renewed and replaced: devices with old and new truststores keep enrolling."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography import x509

from cose.keys import generate_private_key
from device_pki.bag import encode_x5bag
from device_pki.fingerprints import der, fingerprint
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import RevocationIndex
from device_pki.roles import Role
from enrollment.ca_client import CaClient, Enroll
from enrollment.est.client import enroll_request, parse_certificate, reenroll_request
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError, read_certificates
from lwm2m_server.ca.operator import opened
from lwm2m_server.ca.rollover import Certifier, prepare, renew_ca, switch
from lwm2m_server.demo.hierarchy import HIERARCHIES, PERMANENT, Hierarchy
from lwm2m_server.roles.ca import RunningCa
from tests.device_pki.builders import Authority
from tests.lwm2m_server.ca.test_cli import request, run
from tests.lwm2m_server.ca.world import DeviceKeys, Provider, ca_uri, csr_for, make_ca, serving_ca
from tests.tokens import Token


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class World:
    """The CAs above and including CA1, whose devices come and go."""

    hierarchy: Hierarchy
    folder: Path
    provider: Provider
    permanent_anchors: list[Path] = field(default_factory=list)
    named: int = 0

    @classmethod
    def make(cls, letter: str, folder: Path) -> World:
        world = cls(HIERARCHIES[letter], folder, Provider.make(folder / "sp", "sp1"))
        for name, issuer in world.hierarchy.issuers:
            make_ca(folder / name, name, None if issuer is None else CaDirectory(folder / issuer))
        world.know_permanent()
        return world

    def ca(self, name: str) -> CaDirectory:
        return CaDirectory(self.folder / name)

    @property
    def ca1(self) -> CaDirectory:
        return self.ca("ca1")

    @property
    def anchor(self) -> x509.Certificate:
        """What a device that is made now has in its truststore."""
        return self.ca1.chain()[0]

    def lineage(self) -> list[str]:
        """The CAs above CA1 and itself, from the top."""
        issuers, names = dict(self.hierarchy.issuers), ["ca1"]
        while (above := issuers[names[0]]) is not None:
            names.insert(0, above)
        return names if PERMANENT in names else [PERMANENT, *names]

    def certifier(self, name: str) -> Certifier:
        issuer = dict(self.hierarchy.issuers)[name]
        return Certifier(None if issuer is None else self.ca(issuer))

    def know_permanent(self) -> None:
        """Those who check factory certificates get another anchor."""
        path = self.folder / f"permanent-{len(self.permanent_anchors)}.pem"
        path.write_bytes(self.ca(PERMANENT).certificate.read_bytes())
        self.permanent_anchors.insert(0, path)

    def below(self, name: str) -> list[str]:
        names = self.lineage()
        issuers = dict(self.hierarchy.issuers)
        found = []
        for one in names[names.index(name) + 1 :]:
            if issuers[one] == name or issuers[one] in found:
                found.append(one)
        return found

    def renew(self, name: str) -> None:
        renew_ca(self.ca(name), self.certifier(name), now())
        self._tell(name)

    def replace(self, name: str) -> None:
        prepare(self.ca(name), self.certifier(name), now())
        switch(self.ca(name), now())
        self._tell(name)

    def _tell(self, name: str) -> None:
        """Nobody but servers and CAs beneath is told."""
        for one in self.below(name):
            renew_ca(self.ca(one), self.certifier(one), now())
        if name == PERMANENT:
            self.know_permanent()

    def serving(self) -> AbstractAsyncContextManager[RunningCa]:
        return serving_ca(self.ca1, self.ca(PERMANENT), self.provider, permanent_anchors=tuple(self.permanent_anchors))

    def factory(self) -> DeviceKeys:
        self.named += 1
        made = Authority(self.ca(PERMANENT).issuer()).device(f"dev-{self.named}")
        return DeviceKeys(made.key, made.certificate)


@dataclass
class LivingDevice:
    """A device: what it was made with, and what it has now."""

    factory: DeviceKeys
    anchors: Sequence[x509.Certificate]
    operational: DeviceKeys | None = None
    label: UUID = field(default_factory=uuid4)

    @property
    def endpoint(self) -> str:
        return self.factory.certificate.subject.rdns[0].rfc4514_string().removeprefix("CN=")

    async def enroll(self, running: RunningCa, api: CaClient) -> x509.Certificate:
        """For the first time with its factory certificate, then with its operational one."""
        uri = ca_uri((await api.put_label(self.label, encode_x5bag([der(self.factory.certificate)]))).ca_uri)
        key = generate_private_key()
        own, order = (
            (self.factory, enroll_request) if self.operational is None else (self.operational, reenroll_request)
        )
        async with own.session(running, self.anchors) as session:
            answer = await session.request(order(uri, csr_for(session, key, self.endpoint)))
        self.operational = DeviceKeys(key, parse_certificate(answer, key.public_key()))
        return self.operational.certificate


async def check(world: World, old: LivingDevice) -> None:
    """The old device, the same after a truststore update, and one that is made now: all of them enroll."""
    new = LivingDevice(world.factory(), [world.anchor])
    updated = LivingDevice(old.factory, [*old.anchors, world.anchor], old.operational, old.label)
    async with world.serving() as running, world.provider.client(world.ca1, running) as api:
        fallen_back = LivingDevice(old.factory, old.anchors)
        for device in (old, updated, new, fallen_back):
            certificate = await device.enroll(running, api)
            verify_path(certificate, [], anchors=[world.anchor], role=Role.OPERATIONAL_DEVICE, now=now())


async def revoked(world: World, certificate: x509.Certificate, anchor: x509.Certificate, old: LivingDevice) -> None:
    """A certificate of before is on a list that its own issuer's anchor verifies."""
    anchors = [anchor, world.anchor]
    async with world.serving() as running, world.provider.client(world.ca1, running) as api:
        for expected in (False, True):
            index = RevocationIndex()
            for issuer, crl in zip([world.anchor, anchor], await api.crls(), strict=True):
                index.add(crl, issuer, now())
            try:
                verify_path(certificate, [], anchors=anchors, role=Role.OPERATIONAL_DEVICE, now=now(), revocation=index)
                assert not expected
            except PathError as error:
                assert expected and error.reason is PathReason.REVOKED
            name = fingerprint(old.factory.certificate)
            await api.set_device(old.label, name, enroll=Enroll.OPEN, revoke="all")


@pytest.mark.parametrize("letter", HIERARCHIES)
async def test_every_ca_is_replaced_and_devices_keep_enrolling(letter: str, tmp_path: Path) -> None:
    """From the top down; the device of before gets no truststore update at all."""
    world = World.make(letter, tmp_path)
    before, old = world.anchor, LivingDevice(world.factory(), [world.anchor])
    async with world.serving() as running, world.provider.client(world.ca1, running) as api:
        first = await old.enroll(running, api)
    for name in world.lineage():
        world.replace(name)
        await check(world, old)
    assert world.anchor.public_key() != before.public_key()
    await revoked(world, first, before, old)


@pytest.mark.parametrize("letter", ["a", "d"])
async def test_every_ca_is_renewed_and_devices_keep_enrolling(letter: str, tmp_path: Path) -> None:
    world = World.make(letter, tmp_path)
    before, old = world.anchor, LivingDevice(world.factory(), [world.anchor])
    async with world.serving() as running, world.provider.client(world.ca1, running) as api:
        await old.enroll(running, api)
    for name in world.lineage():
        world.renew(name)
    assert world.anchor != before and world.anchor.public_key() == before.public_key()
    await check(world, old)
    assert old.operational is not None
    verify_path(old.operational.certificate, [], anchors=[before], role=Role.OPERATIONAL_DEVICE, now=now())


def test_it_is_done_by_commands(tmp_path: Path, token: Token) -> None:
    """Also beneath a CA elsewhere, and into a token."""
    parent, data, out = make_ca(tmp_path / "root", "Root"), tmp_path / "ca1", tmp_path / "made.pem"
    ca = make_ca(data, "CA1", parent)
    before = ca.chain()[0]
    assert "ca roll" in run("roll", "--data", data, "--switch", code=1)
    asked = run("roll", "--data", data, "--key", token.uri(), "-o", "json")
    assert asked == {"request": str(data / "next" / "ca.csr")}
    run("issue", "--data", parent.root, "--role", "ca", "--csr", asked["request"], "--out", out, "-o", "json")
    prepared = run("roll", "--data", data, "--certificate", out, "-o", "json")
    assert run("roll", "--data", data, "-o", "json") == prepared, "repeating changes nothing"
    assert ca.chain()[0] == before, "until the switch"
    switched = run("roll", "--data", data, "--switch", "-o", "json")
    assert switched["fingerprint"] == prepared["fingerprint"] != fingerprint(before).hex()
    assert not ca.key.exists() and ca.key_uri.exists() and not (data / "next").exists()
    assert [one.certificate for one in ca.earlier()] == [before]
    renewed = run("renew", "--data", data, "--issuer", parent.root, "-o", "json")
    assert renewed["fingerprint"] == fingerprint(ca.chain()[0]).hex() != switched["fingerprint"]
    assert run("renew", "--data", data, "-o", "json") == {"request": str(data / "ca.csr")}


@pytest.mark.parametrize("step", ["write_certificates", "_copy_key", "install", "_renew_est"])
def test_a_switch_that_was_cut_short_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Before each thing it does; the old key is never lost."""
    ca = make_ca(tmp_path / "ca1", "CA1")
    before = ca.issuer()
    prepared = prepare(ca, Certifier(), now())

    def cut(*_: object) -> None:
        raise OSError("no power")

    with monkeypatch.context() as patched:
        patched.setattr(f"lwm2m_server.ca.rollover.{step}", cut)
        with pytest.raises(OSError, match="no power"):
            switch(ca, now())
    assert switch(ca, now()) == prepared == ca.issuer().certificate
    [kept] = ca.earlier()
    assert kept.certificate == before.certificate
    assert kept.private_key.public_key() == before.private_key.public_key()
    verify_path(
        read_certificates(ca.est.certificate)[0],
        ca.crossed(),
        anchors=[before.certificate],
        role=Role.EST_SERVER,
        now=now(),
        host="127.0.0.1",
    )


def test_cross_certificates_bridge_both_ways(tmp_path: Path) -> None:
    """Whoever has only the new anchor believes what the old key issued, and the reverse; also without room below."""
    run("init", "--data", tmp_path / "ca", "--name", "CA", "--path-length", 0, "-o", "json")
    ca = CaDirectory(tmp_path / "ca")
    old = Authority(ca.issuer())
    prepare(ca, Certifier(), now())
    new_by_old, old_by_new = read_certificates(ca.following.cross)
    new = Authority(ca.following.issuer())
    for issuer, bridge, anchor in ((old, old_by_new, new), (new, new_by_old, old)):
        leaf = issuer.operational(issuer.device("dev-1")).certificate
        verify_path(leaf, [bridge], anchors=[anchor.certificate], role=Role.OPERATIONAL_DEVICE, now=now())


async def test_an_earlier_key_still_certifies_where_only_it_is_believed(tmp_path: Path) -> None:
    """An endorser, for devices whose permanent anchor is the earlier one; and both can be revoked."""
    ca = make_ca(tmp_path / "permanent", "Permanent CA")
    before = ca.chain()[0]
    prepare(ca, Certifier(), now())
    switch(ca, now())
    out, csr = tmp_path / "transfer.pem", request(tmp_path / "transfer.csr", "SP2")
    earlier = ca.earlier_folder(before).root
    words = ("--role", "transfer", "--csr", csr, "--out", out, "-o", "json")
    await asyncio.to_thread(run, "issue", "--data", earlier, *words)
    [leaf, *_] = read_certificates(out)
    verify_path(leaf, [], anchors=[before], role=Role.TRANSFER_SIGNER, now=now())
    assert ca.has_issued(leaf.serial_number)
    async with opened(ca) as operator:
        await operator.revoke(await operator.find_certificate(str(out)))
    assert leaf.serial_number in {entry.serial_number for entry in x509.load_der_x509_crl(await current(ca))}


async def current(ca: CaDirectory) -> bytes:
    async with opened(ca) as operator:
        return await operator.crl()


def test_a_ca_with_another_kind_of_name_is_not_renewed(tmp_path: Path) -> None:
    ca = make_ca(tmp_path / "ca", "CA")
    ca.certificate.write_bytes(ca.est.certificate.read_bytes())
    with pytest.raises(CaDirectoryError):
        renew_ca(ca, Certifier(), now())
