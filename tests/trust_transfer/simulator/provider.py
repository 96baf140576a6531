"""A provider: the product's book and duties, with an edge that keeps the book and talks over the bad network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.trust_transfer.simulator.actor import Actor
from tests.trust_transfer.simulator.authority import Authority
from tests.trust_transfer.simulator.invariants import Monitor
from tests.trust_transfer.simulator.network import Network, Time
from tests.trust_transfer.simulator.notary import Notary
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.values import SuitDigest
from trust_transfer.provider import admission, codec, duties, new, old
from trust_transfer.provider.book import BookEntry, BookError, SignedReport

ROUND = 10.0
"""Seconds between two rounds of duties."""
FACTORY = "factory"
"""Name of the label every provider has for devices that begin with it."""


class Provider(Actor):
    """Durable: the device's book entry. Volatile: the device's session."""

    device: Actor
    partner: Provider

    def __init__(
        self,
        name: str,
        time: Time,
        network: Network,
        entry: BookEntry,
        *,
        notary: Notary,
        authority: Authority,
        monitor: Monitor,
    ) -> None:
        super().__init__(name, time, network)
        self.entry = entry
        self.notary = notary
        self.authority = authority
        self.monitor = monitor
        self.uri = f"coaps://{name.lower()}.example"
        self.refuses_fallback = False
        """Hostile: the device it gave away is not taken back."""
        self.silent = False

    def boot(self) -> None:
        self.entry = codec.decode(codec.encode(self.entry))
        self.session: admission.Kind | None = None
        self._round()

    def _round(self) -> None:
        self.later(ROUND, self._round)
        self.work()

    # ---- the book -----------------------------------------------------------------------------------

    def book(self, change: Callable[..., BookEntry], *arguments: Any, **named: Any) -> bool:
        """Store what an event makes of the entry; False when the event does not fit the book."""
        try:
            entry = change(self.entry, *arguments, **named)
        except BookError:
            return False
        if entry != self.entry:
            self.write(lambda: self._store(entry))
        return True

    def _store(self, entry: BookEntry) -> None:
        self.entry = entry
        self.monitor.book_stored(self)

    def work(self) -> None:
        """One round of duties."""
        for duty in duties.duties(self.entry, self.now):
            self._do(duty)

    def _do(self, duty: duties.Duty) -> None:
        connected = self.session is not None
        match duty:
            case duties.Deliver(seq, message) if connected:
                self.send(self.device, "on_write", self, seq, message)
            case duties.Cancel(seq) if connected:
                self.send(self.device, "on_cancel", self, seq)
            case duties.AcknowledgeReport(seq, committed) if connected:
                self.send(self.device, "on_acknowledge", self, seq, committed)
            case duties.OrderEnrollment() if connected:
                self.send(self.device, "on_order_enrollment", self)
            case duties.SendReceipt(report=report):
                self.send(self.partner, "on_receipt", report)
            case duties.SendRelease(report=report):
                self.send(self.partner, "on_release", report)
            case duties.CloseAndRevoke(epoch=epoch):
                self.send(self.authority, "on_close_and_revoke", self, self.label(epoch), epoch)
            case duties.RevokeAttemptKey(transfer_id=transfer_id, key=key):
                self.send(self.authority, "on_revoke_key", self, transfer_id.hex(), key)
            case _:
                pass

    def label(self, epoch: int) -> str:
        for tenure in self.entry.tenures:
            if tenure.epoch == epoch and tenure.arrival is not None:
                return tenure.arrival.transfer_id.hex()
        return FACTORY

    # ---- the device calls ---------------------------------------------------------------------------

    def on_register(
        self, device: Actor, identity: admission.Identity, key: bytes, certificate: bytes | None, token: int
    ) -> None:
        operational = identity is admission.Identity.OPERATIONAL
        if self.silent or (operational and not self.authority.accepts(certificate or b"")):
            return
        kind = self._admitted(identity, key, certificate)
        if kind is admission.Kind.REFUSED:
            self.session = None
            self.send(device, "on_registration_refused", token)
            return
        self.session = kind
        self.send(device, "on_registered", token)
        self.work()

    def _admitted(self, identity: admission.Identity, key: bytes, certificate: bytes | None) -> admission.Kind:
        """Decide, and store what has to be stored before the answer."""
        if identity is admission.Identity.FACTORY and self.refuses_fallback:
            return admission.Kind.REFUSED
        kind = admission.admit(self.entry, identity, key).kind
        stored = True
        if kind is admission.Kind.PROVISIONAL:
            stored = self.book(new.registered, key)
        elif kind is admission.Kind.OPERATIONAL:
            stored = self.book(old.registered, issued_at=self.authority.issued_at(certificate or b""))
        elif kind is admission.Kind.UPDATE_SESSION:
            stored = False
        return kind if stored else admission.Kind.REFUSED

    def on_update_session(self, device: Actor, token: int) -> None:
        if not self.silent and admission.admit(self.entry, admission.Identity.FACTORY, b"").kind is (
            admission.Kind.UPDATE_SESSION
        ):
            self.send(device, "on_update", token, SuitDigest(-16, self.name.encode().ljust(32)))

    def on_report(self, device: Actor, raw: bytes) -> None:
        if self.session is None or self.silent:
            return
        signed = self._verified(raw)
        if signed is None:
            return
        if signed.report.state is State.COMMITTED:
            self.book(new.committed, signed, self.now)
        else:
            self.book(old.fell_back, signed, self.now)
        self.work()

    def _verified(self, raw: bytes) -> SignedReport | None:
        try:
            return self.notary.verify(raw)
        except MessageError:
            return None

    # ---- answers of the device ----------------------------------------------------------------------

    def on_written(self, seq: int, result: Result) -> None:
        self.book(old.delivered, seq, result)

    def on_cancel_answered(self, seq: int, success: bool) -> None:
        if success:
            self.book(old.cancelled, seq, self.now)

    def on_acknowledged(self, seq: int, committed: bool, success: bool) -> None:
        if success:
            self.book(new.report_acknowledged if committed else old.report_acknowledged, seq)

    # ---- the partner and the CA ---------------------------------------------------------------------

    def on_receipt(self, raw: bytes) -> None:
        signed = self._verified(raw)
        if signed is not None and self.book(old.received_receipt, signed, self.now):
            self.send(self.partner, "on_receipt_stored", signed.report.seq)
            self.work()

    def on_receipt_stored(self, seq: int) -> None:
        self.book(new.receipt_acknowledged, seq)

    def on_release(self, raw: bytes) -> None:
        signed = self._verified(raw)
        if signed is not None and self.book(new.received_release, signed):
            self.send(self.partner, "on_release_stored", signed.report.seq)
            self.work()

    def on_release_stored(self, seq: int) -> None:
        self.book(old.release_acknowledged, seq)

    def on_closed(self, epoch: int) -> None:
        self.book(old.revocation_confirmed, epoch)

    def on_key_refused(self, key: bytes) -> None:
        self.book(new.key_revocation_confirmed, key)

    # ---- operators ----------------------------------------------------------------------------------

    def book_offer(self, message: Callable[[int], bytes], **offer: Any) -> bool:
        """Build and book a message for the next seq; duties deliver it."""
        try:
            seq = old.next_seq(self.entry)
        except BookError:
            return False
        return self.book(partial(old.offer, seq=seq, message=message(seq), now=self.now, **offer))
