"""What must hold at every moment of every run, and what must hold when the disturbances have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trust_transfer.device import events as ev
from trust_transfer.device.machine import Outcome
from trust_transfer.device.record import UNDECIDED, WORKING, DeviceRecord
from trust_transfer.messages.numbers import State
from trust_transfer.messages.values import seq_parts
from trust_transfer.provider.book import Status, Tenure
from trust_transfer.provider.duties import duties

if TYPE_CHECKING:
    from tests.trust_transfer.simulator.device import Device
    from tests.trust_transfer.simulator.provider import Provider


class Violation(AssertionError):
    """An invariant does not hold."""


def ensure(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Violation(otherwise)


class Monitor:
    """Looks at every stored record and entry; knows the whole world, as no party does."""

    def __init__(self) -> None:
        self.device: Device
        self.providers: tuple[Provider, ...] = ()
        self.decisions: dict[int, State] = {}
        self.last_accepted = -1
        self._before: DeviceRecord | None = None

    # ---- the device -----------------------------------------------------------------------------------

    def device_step(self, device: Device, event: ev.Event, outcome: Outcome) -> None:
        """Before anything of an outcome is stored or sent."""
        record, after = device.record, outcome.record
        answer = outcome.answer
        if answer is not None and not answer.success:
            ensure(after == record and not outcome.actions, "a rejected request changed something")
        if isinstance(event, ev.CancelReceived) and seq_parts(event.seq).epoch != record.epoch:
            ensure(after == record, "a Cancel of another epoch changed something")
        if record.state is State.ACCEPTED and after.state in WORKING:
            assert record.order is not None
            inside = record.order.not_before <= device.now < record.order.not_after
            ensure(inside, "a reset began outside the window")

    def device_stored(self, device: Device) -> None:
        """Right after the device's one write."""
        before, record = self._before, device.record
        self._before = record
        if before is not None:
            self._check_order(before, record)
            self._check_report(before, record)
        self._check_decision(record)
        if record.state in UNDECIDED:
            ensure(record.attempt is not None, "a transfer works without an attempt key")
        self._check_books()

    def _check_order(self, before: DeviceRecord, record: DeviceRecord) -> None:
        ensure((record.epoch, record.burned) >= (before.epoch, before.burned), "epoch or burned went down")
        newly = record.accepted is not None and record.accepted != before.accepted
        if newly and record.order is not None:
            ensure(record.order.seq > self.last_accepted, f"seq {record.order.seq} accepted after {self.last_accepted}")
            ensure(before.state not in UNDECIDED, "a running transfer was replaced")
            self.last_accepted = record.order.seq

    def _check_report(self, before: DeviceRecord, record: DeviceRecord) -> None:
        if before.report is None or record.report is not None:
            return
        tenures = [tenure for provider in self.providers for tenure in provider.entry.tenures]
        arrived = {tenure.arrival.report for tenure in tenures if tenure.arrival is not None}
        fell_back = {one.report for tenure in tenures for one in tenure.fell_back}
        ensure(before.report in arrived | fell_back, "a report was dropped before anybody had stored it")

    def _check_decision(self, record: DeviceRecord) -> None:
        if record.state not in {State.COMMITTED, State.FELL_BACK} or record.order is None:
            return
        decided = self.decisions.setdefault(record.order.seq, record.state)
        ensure(decided is record.state, "a decision was undone")
        committed = record.account.authorities == record.order.destination.authorities
        ensure(committed == (record.state is State.COMMITTED), "the decision and the authorities do not agree")

    def contacts_new(self, device: Device) -> None:
        """The device is about to talk to SP2 or CA2."""
        record = device.record
        ensure(not device.secrets, "SP1's secrets are still there when SP2 is contacted")
        ensure(record.attempt is not None, "SP2 is contacted without an attempt")
        assert record.order is not None and record.attempt is not None
        ensure(device.keys <= {record.attempt.key}, "a key of SP1 is still there when SP2 is contacted")
        if (
            record.state in {State.ATTESTING, State.UPDATING, State.ENROLLING}
            and not record.order.destination.update_first
        ):
            ensure(device.running == record.order.destination.agreed_state, "another image than the agreed one runs")

    # ---- the books ------------------------------------------------------------------------------------

    def book_stored(self, provider: Provider) -> None:
        """Right after a provider's one write."""
        self._check_books()

    def _check_books(self) -> None:
        for provider in self.providers:
            for tenure in provider.entry.tenures:
                self._check_tenure(provider, tenure)
            self._check_released(provider)
        self._check_certificate()

    def _check_tenure(self, provider: Provider, tenure: Tenure) -> None:
        record = self.device.record
        if not tenure.open:
            ensure(record.epoch > tenure.epoch, f"{provider.name} closed a device that had not committed")
            return
        ensure(record.epoch >= tenure.epoch, f"{provider.name} owns a device that has not committed to it")
        running = record.accepted is not None and record.state not in {State.COMMITTED, State.FELL_BACK}
        live = record.order.seq if running and record.order is not None else None
        open_seqs = {tenure.seq(offer) for offer in tenure.open_offers}
        if record.epoch == tenure.epoch:
            ensure(live is None or live in open_seqs, f"{provider.name} settled an offer its device still follows")
        else:
            ensure(bool(open_seqs), f"{provider.name} is sure to own a device that has left: owned by both")

    def _check_released(self, provider: Provider) -> None:
        attempt = self.device.record.attempt
        if attempt is not None and self.device.record.state is not State.FELL_BACK:
            released = {one.key for one in provider.entry.released}
            ensure(attempt.key not in released, f"{provider.name} released the key of a running attempt")

    def _check_certificate(self) -> None:
        certificate = self.device.record.account.certificate
        if certificate is not None:
            accepted = any(provider.authority.accepts(certificate) for provider in self.providers)
            ensure(accepted, "the certificate of the device's own provider is revoked")

    # ---- the end ----------------------------------------------------------------------------------------

    def check_end(self) -> None:
        """The disturbances are over: one provider manages the device and everybody knows it."""
        record = self.device.record
        owner = next(one for one in self.providers if one.uri == record.account.server_uri)
        other = next(one for one in self.providers if one is not owner)
        ensure(record.state is State.IDLE, f"orphaned: still {record.state.name} after the disturbances")
        ensure(not record.erase_pending, "what is left of the other provider is not erased")
        ensure(record.account.credential is not None, f"orphaned: no operational certificate at {owner.name}")
        ensure(self.device.keys - {self.device.renewal} == record.referenced_keys, "keys nobody refers to are left")
        tenure = owner.entry.tenure
        ensure(tenure is not None and tenure.epoch == record.epoch, f"books: {owner.name} does not own its device")
        assert tenure is not None
        ensure(tenure.status(owner.now) is Status.OWNED, f"books: {owner.name} says {tenure.status(owner.now).name}")
        ensure(owner.session is not None, f"orphaned: not connected to {owner.name}")
        ensure(not owner.entry.provisional and not other.entry.provisional, "books: a provisional entry is left over")
        ensure(other.entry.tenure is None, f"books: {other.name} thinks it owns the device too")
        for provider in self.providers:
            due = duties(provider.entry, provider.now)
            ensure(not due, f"{provider.name} has duties left: {due}")
            self._check_revoked(provider)
        ensure(self.device.running != other_image(other.name), "the other provider's image runs")

    def _check_revoked(self, provider: Provider) -> None:
        for tenure in provider.entry.tenures:
            label = provider.authority.labels[provider.label(tenure.epoch)]
            if not tenure.open:
                ensure(not label.open, f"{provider.authority.name} still enrolls a device that has left")
                ensure(label.revoked >= set(label.certificates.values()), "certificates of a past stay are not revoked")
        for released in provider.entry.released:
            label = provider.authority.labels[released.transfer_id.hex()]
            ensure(label.certificates.get(released.key) in label.revoked | {None}, "a released key's certificate lives")


def other_image(name: str) -> object:
    """The image a provider installs in an update session."""
    from trust_transfer.messages.values import SuitDigest

    return SuitDigest(-16, name.encode().ljust(32))
