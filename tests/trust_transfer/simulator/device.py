"""The device: the product's machine, with an edge that keeps a disk, makes keys and talks over the bad network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from tests.trust_transfer.simulator.actor import Actor
from tests.trust_transfer.simulator.authority import Authority
from tests.trust_transfer.simulator.invariants import Monitor
from tests.trust_transfer.simulator.network import Network, Time
from tests.trust_transfer.simulator.notary import Notary
from trust_transfer.device import actions as act
from trust_transfer.device import codec, machine
from trust_transfer.device import events as ev
from trust_transfer.device.facts import Facts, Pace
from trust_transfer.device.record import UNDECIDED, DeviceRecord
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.values import SuitDigest
from trust_transfer.provider.admission import Identity

PATIENCE = 5.0
"""Seconds a device waits for an answer."""
HEARTBEAT = 30.0


class Directory:
    """Which actor is behind a URI."""

    def __init__(self) -> None:
        self.servers: dict[str, Actor] = {}
        self.authorities: dict[str, tuple[Authority, str]] = {}


class Device(Actor):
    """Durable: record, keys, secrets of providers, images. Volatile: requests under way."""

    def __init__(
        self,
        time: Time,
        network: Network,
        record: DeviceRecord,
        *,
        notary: Notary,
        directory: Directory,
        monitor: Monitor,
        image: SuitDigest,
    ) -> None:
        super().__init__(record.endpoint, time, network)
        self.record = record
        self.notary = notary
        self.directory = directory
        self.monitor = monitor
        self.keys: set[bytes] = {key for key in (record.account.credential,) if key}
        self.secrets: set[str] = {record.account.server_uri}
        self.running = image
        self.manifests: frozenset[SuitDigest] = frozenset()
        self._key_numbers = count(1)
        self._tokens = count(1)

    # ---- life -------------------------------------------------------------------------------------

    def boot(self) -> None:
        self.record = codec.decode(codec.encode(self.record), self.notary.read)
        self._plan = 0
        self._waiting: dict[int, Callable[..., ev.Event]] = {}
        self._timed_out: set[int] = set()
        self._attempt_of: dict[int, bytes] = {}
        self.renewal: bytes | None = None
        self.write(lambda: self.keys.intersection_update(self.record.referenced_keys))
        self._carry_out(machine.resume(self.record, self.now, self._facts()), ev.Restarted())
        self._heartbeat()

    def happen(self, event: ev.Event) -> act.Answer | None:
        """Give the machine an event; store, answer, act."""
        outcome = machine.handle(self.record, event, self.now, self._facts())
        self._carry_out(outcome, event)
        return outcome.answer

    def _facts(self) -> Facts:
        return Facts(
            running=self.running,
            manifests=self.manifests,
            pace=Pace(first=1.0, longest=30.0),
            read_message=self.notary.read,
        )

    def _carry_out(self, outcome: machine.Outcome, event: ev.Event) -> None:
        self.monitor.device_step(self, event, outcome)
        if outcome.record != self.record:
            self.write(lambda: self._store(outcome.record))
        if outcome.actions:
            self._plan += 1
            plan = self._plan
            for action in outcome.actions:
                self.later(action.delay, lambda one=action: self._do(one) if self._plan == plan else None)  # type: ignore[misc]
        due = machine.next_timer(self.record, self.now, self._facts())
        if due is not None:
            self.later(max(1.0, due - self.time.now), lambda: self._tick(due))

    def _store(self, record: DeviceRecord) -> None:
        self.record = record
        self.monitor.device_stored(self)

    def _tick(self, due: int) -> None:
        if machine.next_timer(self.record, self.now, self._facts()) is not None:
            self.happen(ev.Tick())

    # ---- actions ----------------------------------------------------------------------------------

    def _do(self, action: act.Action) -> None:
        handlers: dict[type[act.Action], Callable[[Any], object]] = {
            act.MakeAttemptKey: self._make_key,
            act.Reset: self._reset,
            act.Update: self._update,
            act.Enroll: self._enroll,
            act.StartAgreedImage: self._start_agreed,
            act.Register: self._register,
            act.SignReport: lambda one: self.happen(ev.ReportSigned(self.notary.sign(one.report))),
            act.SendReport: lambda one: self._send_report(),
            act.Erase: self._erase,
            act.ForgetNonce: lambda one: None,
        }
        handlers[type(action)](action)

    def _make_key(self, action: act.MakeAttemptKey) -> None:
        self.happen(ev.AttemptKeyMade(self.attempt_key()))

    def attempt_key(self) -> bytes:
        """A fresh key for each attempt."""
        return self._fresh_key()

    def _fresh_key(self) -> bytes:
        key = next(self._key_numbers).to_bytes(32)
        self.write(lambda: self.keys.add(key))
        return key

    def _reset(self, action: act.Reset) -> None:
        self.renewal = None
        self.write(self.secrets.clear)
        self.write(lambda: self.keys.intersection_update(action.keep_keys))
        bad = self.rng.random() < self.network.faults.bad_image
        self.write(lambda: self._run(SuitDigest(-16, b"\xff" * 32) if bad else action.agreed_state))
        self.happen(ev.ResetDone(self.running))

    def _run(self, image: SuitDigest) -> None:
        self.running = image

    def _start_agreed(self, action: act.StartAgreedImage) -> None:
        if self.running != action.agreed_state:
            self.write(lambda: self._run(action.agreed_state))

    def _erase(self, action: act.Erase) -> None:
        renewal = {self.renewal} - {None}
        self.write(lambda: self.keys.intersection_update(action.keep_keys | renewal))
        self.write(lambda: self.secrets.intersection_update({self.record.account.server_uri}))
        self.happen(ev.OldErased())

    def _update(self, action: act.Update) -> None:
        self.monitor.contacts_new(self)
        self._ask(
            self.directory.servers[action.uri], "on_update_session", answer=lambda: ev.StepSucceeded(State.UPDATING)
        )

    def on_update(self, token: int, image: SuitDigest) -> None:
        """SP2's update, to be installed beside the agreed image."""
        if token in self._waiting and self.record.state is State.UPDATING:
            self.write(lambda: self._run(image))
            self._answered(token)

    def _enroll(self, action: act.Enroll) -> None:
        self.monitor.contacts_new(self)
        authority, label = self.directory.authorities[action.uri]
        self._ask(authority, "on_enroll", label, action.key, answer=_issued)

    def on_certificate(self, token: int, key: bytes, certificate: bytes) -> None:
        self._answered(token, key, certificate)

    def on_enrollment_refused(self, token: int) -> None:
        self._refused(token, Result.ENROLLMENT_REFUSED)

    def _register(self, action: act.Register) -> None:
        if action.side is ev.Side.NEW:
            self.monitor.contacts_new(self)
        identity = Identity.FACTORY if action.credential is None else Identity.OPERATIONAL
        key = action.credential or b"factory"
        server = self.directory.servers[action.uri]
        side = action.side
        self._ask(
            server, "on_register", identity, key, action.certificate, answer=lambda: ev.RegistrationAccepted(side)
        )

    def on_registered(self, token: int) -> None:
        self._answered(token)

    def on_registration_refused(self, token: int) -> None:
        self._refused(token, Result.REGISTRATION_REFUSED)

    # ---- requests ---------------------------------------------------------------------------------

    def _ask(self, to: Actor, call: str, *arguments: Any, answer: Callable[..., ev.Event]) -> None:
        """Send a request; its answer becomes an event however late it comes, its absence a temporary failure."""
        token = next(self._tokens)
        step, attempt = self.record.state, self.record.attempt
        key = attempt.key if attempt else b""
        self._waiting[token] = answer
        self._attempt_of[token] = key
        self.send(to, call, self, *arguments, token)

        def give_up_waiting() -> None:
            if token in self._waiting and token not in self._timed_out:
                self._timed_out.add(token)
                self.happen(ev.StepFailed(step, final=False, result=Result.NONE))

        self.later(PATIENCE, give_up_waiting)

    def _answered(self, token: int, *arguments: Any) -> None:
        """One answer per request; the association of an attempt does not outlive the attempt."""
        make = self._waiting.pop(token, None)
        attempt = self.record.attempt
        if make is not None and self._attempt_of.get(token) in {None, attempt and attempt.key}:
            self.happen(make(*arguments))

    def _refused(self, token: int, result: Result) -> None:
        if token in self._waiting and token not in self._timed_out:
            del self._waiting[token]
            self.happen(ev.StepFailed(self.record.state, final=True, result=result))

    # ---- normal operation ---------------------------------------------------------------------------

    def _heartbeat(self) -> None:
        """Register with whatever there is, so that the server can reach the device."""
        self.later(HEARTBEAT, self._heartbeat)
        if self.record.state not in UNDECIDED:
            self._say_hello()

    def _say_hello(self) -> None:
        account = self.record.account
        identity = Identity.FACTORY if account.credential is None else Identity.OPERATIONAL
        key = account.credential or b"factory"
        server = self.directory.servers[account.server_uri]
        self.send(server, "on_register", self, identity, key, account.certificate, 0)

    def _send_report(self, pause: float = 2.0) -> None:
        if self.record.report is None:
            return
        server = self.directory.servers[self.record.account.server_uri]
        self._say_hello()
        self.send(server, "on_report", self, self.record.report)
        self.later(pause, lambda: self._send_report(min(2 * pause, 60.0)))

    # ---- requests of servers --------------------------------------------------------------------------

    def _source(self, server: Actor) -> ev.Source:
        """Whose session a request came by. SP1's old messages are let in even where no session could carry them."""
        own = self.directory.servers[self.record.account.server_uri] is server
        return ev.Source.SERVER if own else ev.Source.STRANGER

    def on_write(self, server: Actor, seq: int, raw: bytes) -> None:
        answer = self.happen(ev.TransferMessageReceived(raw, self._source(server)))
        assert answer is not None
        if answer.code is not act.AnswerCode.UNAUTHORIZED:
            self.send(server, "on_written", seq, answer.result)

    def on_cancel(self, server: Actor, seq: int) -> None:
        answer = self.happen(ev.CancelReceived(seq, self._source(server)))
        assert answer is not None
        self.send(server, "on_cancel_answered", seq, answer.success)

    def on_acknowledge(self, server: Actor, seq: int, committed: bool) -> None:
        answer = self.happen(ev.ReportAcknowledged(seq, self._source(server)))
        assert answer is not None
        self.send(server, "on_acknowledged", seq, committed, answer.success)

    def on_order_enrollment(self, server: Actor) -> None:
        """Execute 33002/x/7: enroll again at the account's CA, make before break."""
        if self._source(server) is ev.Source.SERVER and self.record.state not in UNDECIDED:
            authority, label = self.directory.authorities[self.record.account.enroll_uri]
            token = next(self._tokens)
            self._waiting[token] = partial(self._renewed, self.record.account.credential)
            self.renewal = self.renewal or self._fresh_key()
            self.send(authority, "on_enroll", self, label, self.renewal, token)

    def _renewed(self, replaces: bytes | None, key: bytes, certificate: bytes) -> ev.Event:
        if key != self.renewal:
            return ev.Tick()
        self.renewal = None
        return ev.CredentialRenewed(key, certificate, not_before=0, replaces=replaces)


def _issued(key: bytes, certificate: bytes) -> ev.Event:
    return ev.CertificateIssued(key, certificate, not_before=0)
