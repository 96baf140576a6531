"""The whole world of one device between two providers, and the operations people do in it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial

from tests.trust_transfer.simulator.actor import Actor
from tests.trust_transfer.simulator.authority import Authority
from tests.trust_transfer.simulator.device import Device, Directory
from tests.trust_transfer.simulator.invariants import Monitor
from tests.trust_transfer.simulator.network import Faults, Network, Time
from tests.trust_transfer.simulator.notary import DEVICE, Notary, Symbolic, Wanted, authority_of
from tests.trust_transfer.simulator.provider import FACTORY, Provider
from trust_transfer.device.events import AnchorsWritten, FallBackRequested, Source
from trust_transfer.device.minimum import Minimum
from trust_transfer.device.record import Account, DeviceRecord, Endorser
from trust_transfer.messages.numbers import AnchorRole
from trust_transfer.messages.values import (
    Anchor,
    Authorities,
    Destination,
    EnrollmentProfile,
    Limits,
    SuitDigest,
)
from trust_transfer.provider import new, old
from trust_transfer.provider.book import BookEntry, from_factory

NAMES = ("SP1", "SP2")
PROFILE = EnrollmentProfile(0, 0, 0)
FINGERPRINT = b"f" * 32
PERMANENT = b"p" * 32
AGREED = SuitDigest(-16, b"agreed".ljust(32))
FACTORY_IMAGE = SuitDigest(-16, b"factory".ljust(32))
SETTLING = 4000.0
"""Seconds without disturbances after which everything must be in order."""


def anchors_of(name: str, beneath: bool = True) -> tuple[Anchor, ...]:
    """The anchor a provider's server and CA are known by."""
    flag = AnchorRole.BENEATH_PERMANENT if beneath else AnchorRole(0)
    return (Anchor(AnchorRole.ENROLL | AnchorRole.UPDATE | flag, name.encode().ljust(32)),)


def authorities_of(name: str) -> Authorities:
    return Authorities(authority_of(name), authority_of(f"{name} firmware"))


@dataclass(frozen=True)
class Terms:
    """How one transfer is meant."""

    delay: int = 20
    length: int = 400
    update_first: bool = False
    beneath: bool = True
    attempts: int = 6


class World:
    """Device at SP1, enrolled and in normal operation; everything that happens is drawn from one seed."""

    def __init__(self, seed: int, notary: Notary | None = None, faults: Faults | None = None) -> None:
        self.rng = random.Random(seed)
        self.time = Time()
        self.network = Network(self.time, self.rng, faults or Faults())
        self.notary = notary or Symbolic()
        self.monitor = Monitor()
        self.directory = Directory()
        self._transfers = 0
        self.authorities = {name: Authority(f"CA{name[-1]}", self.time, self.network) for name in NAMES}
        self.providers = {name: self._provider(name) for name in NAMES}
        self.device = self._device()
        self._connect()

    def _provider(self, name: str) -> Provider:
        begins_here = name == NAMES[0]
        entry = from_factory(DEVICE, FINGERPRINT, 0) if begins_here else BookEntry(DEVICE, FINGERPRINT)
        authority = self.authorities[name]
        return Provider(
            name, self.time, self.network, entry, notary=self.notary, authority=authority, monitor=self.monitor
        )

    def _device(self) -> Device:
        owner, authority = self.providers[NAMES[0]], self.authorities[NAMES[0]]
        key, certificate = b"k" * 32, b"the first certificate"
        authority.labels = {}
        self.authorities[NAMES[1]].labels = {}
        self._open_label(NAMES[0], FACTORY)
        authority.labels[FACTORY].certificates[key] = certificate
        record = DeviceRecord(
            endpoint=DEVICE,
            permanent_anchor=PERMANENT,
            minimum=Minimum(),
            account=Account(
                server_uri=owner.uri,
                enroll_uri=self._enroll_uri(NAMES[0], FACTORY),
                profile=PROFILE,
                authorities=authorities_of(NAMES[0]),
                anchors=anchors_of(NAMES[0]),
                credential=key,
                certificate=certificate,
            ),
            fallback_uri=owner.uri,
            endorsers=tuple(Endorser(authority_of(name), 2**40) for name in NAMES),
        )
        return Device(
            self.time,
            self.network,
            record,
            notary=self.notary,
            directory=self.directory,
            monitor=self.monitor,
            image=FACTORY_IMAGE,
        )

    def _connect(self) -> None:
        one, two = self.providers.values()
        one.partner, two.partner = two, one
        for provider in (one, two):
            provider.device = self.device
            self.directory.servers[provider.uri] = provider
        self.device.manifests = frozenset({AGREED})
        self.monitor.device = self.device
        self.monitor.providers = (one, two)
        for actor in (one, two, self.device):
            actor.run(actor.boot)

    def _enroll_uri(self, name: str, label: str) -> str:
        return f"coaps://ca{name[-1]}.example/est/{label}"

    def _open_label(self, name: str, label: str) -> None:
        authority = self.authorities[name]
        authority.open_label(label)
        self.directory.authorities[self._enroll_uri(name, label)] = (authority, label)

    # ---- what people do ---------------------------------------------------------------------------------

    def owner(self) -> Provider | None:
        """A provider that owns the device by its own book."""
        return next((one for one in self.providers.values() if one.entry.tenure is not None and one.up), None)

    def transfer(self, terms: Terms) -> None:
        """The owner by its book and the other provider agree; the owner offers. May fail like any human plan."""
        owner = self.owner()
        if owner is None or not owner.partner.up:
            return
        self._transfers += 1
        transfer_id = self._transfers.to_bytes(16)
        taker = owner.partner
        expected = False

        def expect() -> None:
            nonlocal expected
            expected = taker.book(new.expect, transfer_id, terms.update_first)

        self._open_label(taker.name, transfer_id.hex())
        taker.run(expect)
        if expected:
            owner.run(lambda: self._offer(owner, transfer_id, terms))

    def offer_again(self, terms: Terms) -> None:
        """The owner offers once more for a transfer the other provider still expects."""
        owner = self.owner()
        if owner is not None and owner.up and owner.partner.entry.awaited:
            expected = owner.partner.entry.awaited[-1]
            owner.run(lambda: self._offer(owner, expected.transfer_id, terms))

    def _offer(self, owner: Provider, transfer_id: bytes, terms: Terms) -> None:
        not_before = owner.now + terms.delay
        not_after = not_before + terms.length
        destination = self._destination(owner.partner, transfer_id, terms)
        wanted = partial(
            Wanted,
            old=owner.name,
            new=owner.partner.name,
            transfer_id=transfer_id,
            not_before=not_before,
            not_after=not_after,
            destination=destination,
            fallback_uri=owner.uri,
            limits=Limits(terms.attempts, 300),
            endpoint=DEVICE,
        )
        if not terms.beneath:
            for anchor in destination.anchors:
                self.device.run(partial(self.device.happen, AnchorsWritten((anchor.fingerprint,))))
        owner.book_offer(
            lambda seq: self.notary.message(wanted(seq=seq)),
            transfer_id=transfer_id,
            not_before=not_before,
            not_after=not_after,
        )

    def _destination(self, taker: Provider, transfer_id: bytes, terms: Terms) -> Destination:
        return Destination(
            enroll_uri=self._enroll_uri(taker.name, transfer_id.hex()),
            update_uri=taker.uri,
            update_first=terms.update_first,
            ra_uri=None,
            agreed_state=AGREED,
            anchors=anchors_of(taker.name, terms.beneath),
            profile=PROFILE,
            authorities=authorities_of(taker.name),
        )

    def withdraw(self) -> None:
        """The owner takes every open offer back."""
        owner = self.owner()
        if owner is None or owner.entry.tenure is None:
            return
        tenure = owner.entry.tenure
        for offer in tenure.open_offers:
            owner.run(partial(owner.book, old.withdraw, tenure.seq(offer)))

    def refuse(self) -> None:
        """The receiving provider and its CA no longer want the device, as far as they still may."""
        for provider in self.providers.values():
            if provider.up and provider.entry.tenure is None and not provider.entry.provisional:
                for expected in provider.entry.awaited:
                    if self.rng.random() < 0.5:
                        provider.run(partial(provider.book, new.refuse, expected.transfer_id))
                    else:
                        self.authorities[provider.name].refuse(expected.transfer_id.hex())

    def fall_back(self) -> None:
        """Somebody at the device gives the transfer up."""
        self.device.run(lambda: self.device.happen(FallBackRequested(Source.LOCAL)))

    def switch_off(self, seconds: float) -> None:
        """Anybody loses power."""
        self.rng.choice(self.actors).switch_off(seconds)

    @property
    def actors(self) -> list[Actor]:
        return [self.device, *self.providers.values(), *self.authorities.values()]

    def actor(self, name: str) -> Actor:
        """The device, a provider or a CA by name."""
        return next(one for one in self.actors if one.name in {name, DEVICE if name == "device" else name})

    def disturb(self, faults: Faults) -> None:
        """From now on the world is this bad."""
        self.network.faults = faults

    # ---- running ------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.time.run_until(self.time.now + seconds)

    def settle(self) -> None:
        """End the disturbances, wait, and check that everything is in order."""
        self.disturb(Faults())
        self.run(SETTLING)
        self.monitor.check_end()
