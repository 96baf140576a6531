"""The queue of one device: rules one by one, then all of them under loss, reordering, sleep and crashes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_server.protocol.orders import Operation, Order
from lwm2m_server.protocol.queue import (
    AWAKE_TIME,
    Answer,
    Deliver,
    DeviceQueue,
    Entry,
    EntryState,
    Limits,
    QueueFull,
    Store,
)
from lwm2m_server.testing.clock import VirtualClock
from lwm2m_server.testing.network import Conditions, LossyNetwork
from objects.path import Path
from secure_coap.numbers.codes import Code

READ = Order(Operation.READ, (Path(3, 0, 0),))
EXECUTE = Order(Operation.EXECUTE, (Path(3, 0, 4),))
DELETE = Order(Operation.DELETE, (Path(3, 0),))
DONE = Answer(Code.CHANGED)


def entry(number: int, order: Order = READ, *, priority: int = 0, expires_at: float = 1000.0) -> Entry:
    return Entry(number, order, priority, 0.0, expires_at)


def delivered(actions: Any) -> list[int]:
    return [action.entry.id for action in actions if isinstance(action, Deliver)]


def stored(actions: Any) -> list[tuple[int, EntryState]]:
    return [(action.entry.id, action.entry.state) for action in actions if isinstance(action, Store)]


def test_by_priority_then_by_age_and_one_at_a_time() -> None:
    queue = DeviceQueue([entry(1), entry(2, priority=5), entry(3, priority=5)])
    first = queue.heard(0, AWAKE_TIME, 0)
    assert first == (Store(queue.in_flight), Deliver(queue.in_flight))  # type: ignore[arg-type]
    assert delivered(first) == [2]
    assert queue.heard(1, AWAKE_TIME, 1) == ()
    assert delivered(queue.answered(2, DONE, 2)) == [3]
    assert delivered(queue.answered(3, DONE, 3)) == [1]
    assert stored(queue.answered(1, DONE, 4)) == [(1, EntryState.DONE)]
    assert len(queue) == 0


def test_a_device_in_queue_mode_sleeps_after_its_awake_time() -> None:
    queue = DeviceQueue()
    queue.heard(0, AWAKE_TIME, 0)
    assert delivered(queue.add(entry(1), 92.9)) == [1]
    queue.answered(1, DONE, 92.9)
    assert queue.is_awake(92.9 + 92.9)
    assert delivered(queue.add(entry(2), 92.9 + 93)) == []
    assert delivered(queue.heard(500, AWAKE_TIME, 500)) == [2]


def test_a_device_without_queue_mode_gets_its_orders_at_once() -> None:
    queue = DeviceQueue()
    queue.heard(0, None, 0)
    assert delivered(queue.add(entry(1, expires_at=1e9), 86_400)) == [1]


def test_nothing_is_delivered_once_expired() -> None:
    queue = DeviceQueue([entry(1, expires_at=10), entry(2, expires_at=20)])
    assert queue.next_timer() == 10
    assert stored(queue.timer(10)) == [(1, EntryState.EXPIRED)]
    assert stored(queue.heard(20, None, 20)) == [(2, EntryState.EXPIRED)]
    assert queue.next_timer() is None


def test_a_lost_answer_to_what_may_be_repeated() -> None:
    queue = DeviceQueue([entry(1)])
    queue.heard(0, None, 0)
    assert stored(queue.unanswered(1, 93)) == [(1, EntryState.WAITING)]
    assert delivered(queue.add(entry(2), 100)) == []
    assert delivered(queue.heard(200, None, 200)) == [1]


def test_a_lost_answer_to_what_may_not_be_repeated() -> None:
    queue = DeviceQueue([entry(1, EXECUTE)])
    queue.heard(0, None, 0)
    assert stored(queue.unanswered(1, 93)) == [(1, EntryState.UNKNOWN)]
    assert delivered(queue.heard(200, None, 200)) == []


def test_a_device_heard_while_its_answer_was_lost_is_awake() -> None:
    queue = DeviceQueue([entry(1)])
    queue.heard(0, None, 0)
    queue.heard(50, None, 50)
    assert delivered(queue.unanswered(1, 93)) == [1]


def test_what_was_surely_not_sent_waits_on() -> None:
    queue = DeviceQueue([entry(1, EXECUTE)])
    queue.heard(0, None, 0)
    assert stored(queue.not_sent(1, 1)) == [(1, EntryState.WAITING)]
    again = queue.heard(2, None, 2)
    assert delivered(again) == [1]
    assert again[0].entry.attempts == 1


def test_a_crash_with_an_order_in_flight() -> None:
    flying = [
        Entry(number, order, 0, 0.0, 1000.0, EntryState.IN_FLIGHT, 1) for number, order in enumerate((READ, EXECUTE))
    ]
    assert stored(DeviceQueue(flying[:1]).restarted(50)) == [(0, EntryState.WAITING)]
    assert stored(DeviceQueue(flying[1:]).restarted(50)) == [(1, EntryState.UNKNOWN)]


def test_a_delete_that_arrived_although_its_answer_did_not() -> None:
    queue = DeviceQueue([entry(1, DELETE), entry(2, DELETE)])
    queue.heard(0, None, 0)
    queue.unanswered(1, 93)
    queue.heard(100, None, 100)
    assert stored(queue.answered(1, Answer(Code.NOT_FOUND), 101))[0] == (1, EntryState.DONE)
    assert stored(queue.answered(2, Answer(Code.NOT_FOUND), 102)) == [(2, EntryState.REFUSED)]


def test_only_what_waits_can_be_cancelled() -> None:
    queue = DeviceQueue([entry(1), entry(2)])
    queue.heard(0, None, 0)
    assert queue.cancel(1, 1) == queue.cancel(9, 1) == ()
    assert stored(queue.cancel(2, 1)) == [(2, EntryState.CANCELLED)]


def test_bounds() -> None:
    queue = DeviceQueue([entry(1), entry(2)], Limits(entries=3, octets=3 * READ.size))
    queue.check_room(READ)
    with pytest.raises(QueueFull, match="cancel some"):
        queue.check_room(Order(Operation.WRITE, (Path(3, 0, 0),), bytes(100)))
    queue.add(entry(3), 0)
    with pytest.raises(QueueFull):
        queue.check_room(READ)


paths = st.builds(Path, st.integers(0, 65534), st.integers(0, 65534), st.integers(0, 65534))
orders = st.builds(
    Order,
    st.sampled_from(Operation),
    st.lists(paths, min_size=1, max_size=3).map(tuple),
    st.binary(max_size=40),
    st.dictionaries(st.integers(0, 9), st.none() | st.text(max_size=5), max_size=3),
    st.text(max_size=10),
)


@given(orders)
def test_an_order_survives_the_store(order: Order) -> None:
    assert Order.from_json(order.to_json()) == order


# --- all rules at once ---------------------------------------------------------------------------


@dataclass
class World:
    """A server that may crash between any two actions, a device that sleeps, a network that does what networks do."""

    clock: VirtualClock
    network: LossyNetwork
    store: dict[int, Entry] = field(default_factory=dict)
    queue: DeviceQueue = field(default_factory=DeviceQueue)
    life: int = 0
    crash_after: int = -1
    """Actions until the next crash; negative: none."""
    sent: list[tuple[float, int]] = field(default_factory=list)
    acted: list[int] = field(default_factory=list)
    answers: dict[bytes, bytes] = field(default_factory=dict)
    awake_until: float = 0.0

    def __post_init__(self) -> None:
        self.network.attach("device", self.device_receives)
        self.network.attach("server", self.server_receives)

    # the device

    def wake(self) -> None:
        self.awake_until = self.clock.now + AWAKE_TIME
        self.network.send(b"update", "device", "server")

    def device_receives(self, datagram: bytes, source: Any) -> None:
        if self.clock.now >= self.awake_until:
            return
        self.awake_until = self.clock.now + AWAKE_TIME
        if datagram not in self.answers:
            self.acted.append(int(datagram.split()[1]))
            self.answers[datagram] = datagram
        self.network.send(datagram, "device", source)

    # the server

    def server_receives(self, datagram: bytes, source: Any) -> None:
        now = self.clock.now
        if datagram == b"update":
            self.carry_out(self.queue.heard(now, AWAKE_TIME, now))
            return
        life, number, attempt = map(int, datagram.split())
        flying = self.queue.in_flight
        if life == self.life and flying is not None and (flying.id, flying.attempts) == (number, attempt):
            self.carry_out(self.queue.answered(number, DONE, now))

    def carry_out(self, actions: Any) -> None:
        for action in actions:
            if self.crash_after == 0:
                self.crash()
                return
            self.crash_after -= 1
            if isinstance(action, Store):
                self.store[action.entry.id] = action.entry
            else:
                self.deliver(action.entry)

    def deliver(self, flying: Entry) -> None:
        assert self.store[flying.id].state is EntryState.IN_FLIGHT, "durable before it is sent"
        assert [one.state for one in self.store.values()].count(EntryState.IN_FLIGHT) == 1
        assert self.clock.now < flying.expires_at
        waiting = [one for one in self.store.values() if one.state is EntryState.WAITING]
        open_ones = [one for one in waiting if one.expires_at > self.clock.now]
        assert all((-flying.priority, flying.id) < (-one.priority, one.id) for one in open_ones), "in order"
        self.sent.append((self.clock.now, flying.id))
        datagram = f"{self.life} {flying.id} {flying.attempts}".encode()
        for delay in (0, 2, 6, 14, 30):
            self.clock.call_later(delay, lambda: self.retransmit(datagram))
        self.clock.call_later(AWAKE_TIME, lambda: self.give_up(datagram))

    def retransmit(self, datagram: bytes) -> None:
        life, number, attempt = map(int, datagram.split())
        flying = self.queue.in_flight
        if life == self.life and flying is not None and (flying.id, flying.attempts) == (number, attempt):
            self.network.send(datagram, "server", "device")

    def give_up(self, datagram: bytes) -> None:
        life, number, attempt = map(int, datagram.split())
        flying = self.queue.in_flight
        if life == self.life and flying is not None and (flying.id, flying.attempts) == (number, attempt):
            self.carry_out(self.queue.unanswered(number, self.clock.now))

    def crash(self) -> None:
        self.life += 1
        self.crash_after = -1
        self.queue = DeviceQueue([one for one in self.store.values() if one.state.open])
        self.carry_out(self.queue.restarted(self.clock.now))

    def enqueue(self, order: Order, priority: int, lifetime: float) -> None:
        now = self.clock.now
        new = Entry(len(self.store), order, priority, now, now + lifetime)
        self.store[new.id] = new
        self.carry_out(self.queue.add(new, now))


happenings = st.one_of(
    st.tuples(st.just("wake")),
    st.tuples(st.just("crash"), st.integers(0, 3)),
    st.tuples(
        st.just("enqueue"), st.sampled_from((READ, EXECUTE)), st.integers(0, 2), st.floats(1, 1000, allow_nan=False)
    ),
    st.tuples(st.just("pass"), st.floats(0.01, 200, allow_nan=False)),
)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0, 0.5),
    st.lists(happenings, max_size=25),
)
def test_under_loss_reordering_sleep_and_crashes(seed: int, loss: float, script: list[Any]) -> None:
    clock = VirtualClock()
    world = World(clock, LossyNetwork(clock, seed=seed, conditions=Conditions(loss=loss, duplicate=0.2, reorder=0.3)))
    for happening in script:
        match happening:
            case ("wake",):
                world.wake()
            case ("crash", after):
                world.crash_after = after
            case ("enqueue", order, priority, lifetime):
                world.enqueue(order, priority, lifetime)
            case ("pass", seconds):
                clock.advance(seconds)
                world.carry_out(world.queue.timer(clock.now))
    world.crash_after = -1
    world.network.conditions = Conditions()
    for _ in range(2 * len(world.store) + 2):
        world.wake()
        clock.advance(2 * AWAKE_TIME)
        world.carry_out(world.queue.timer(clock.now))
    assert not [one for one in world.store.values() if one.state.open], "nothing is lost: every entry has its outcome"
    for one in world.store.values():
        if one.state is EntryState.DONE:
            assert one.id in world.acted
        if not one.order.operation.idempotent:
            assert world.acted.count(one.id) <= 1, "what must not be repeated is not"
        if one.state is EntryState.EXPIRED and not one.attempts:
            assert one.id not in world.acted
