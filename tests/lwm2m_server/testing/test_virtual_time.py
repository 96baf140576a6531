"""The virtual clock and the lossy network."""

from __future__ import annotations

import doctest

from lwm2m_server.testing import clock as clock_module
from lwm2m_server.testing.clock import VirtualClock
from lwm2m_server.testing.network import Conditions, LossyNetwork


def test_examples() -> None:
    assert doctest.testmod(clock_module).failed == 0


def test_equal_moments_run_in_order_and_time_never_goes_back() -> None:
    clock, seen = VirtualClock(10.0), []
    for name in "abc":
        clock.call_at(11.0, lambda name=name: seen.append((name, clock.now)))  # type: ignore[misc]
    clock.call_at(5.0, lambda: seen.append(("past", clock.now)))
    clock.advance(0.5)
    assert seen == [("past", 10.0)]
    clock.advance(1.0)
    assert seen[1:] == [("a", 11.0), ("b", 11.0), ("c", 11.0)]
    assert clock.now == 11.5


def test_waiting_for_a_condition_ends_at_the_limit() -> None:
    clock = VirtualClock()
    assert not clock.run_until(lambda: False, limit=10.0)
    clock.call_later(5.0, lambda: None)
    assert clock.run_until(lambda: clock.now >= 5.0, limit=10.0)
    clock.call_later(50.0, lambda: None)
    assert not clock.run_until(lambda: clock.now >= 55.0, limit=10.0)


def deliveries(seed: int, conditions: Conditions) -> tuple[list[bytes], LossyNetwork]:
    clock = VirtualClock()
    network = LossyNetwork(clock, seed=seed, conditions=conditions)
    received: list[bytes] = []
    network.attach("b", lambda datagram, source: received.append(datagram))
    for number in range(1000):
        network.send(number.to_bytes(2, "big"), "a", "b")
        clock.advance(0.01)
    clock.advance(10.0)
    return received, network


def test_a_calm_network_delivers_all_in_order() -> None:
    received, network = deliveries(1, Conditions(jitter=0.0))
    assert received == sorted(received)
    assert (len(received), network.counts.lost) == (1000, 0)


def test_a_storm_loses_repeats_and_reorders_its_share() -> None:
    received, network = deliveries(1, Conditions(loss=0.2, duplicate=0.1, reorder=0.3))
    assert 150 < network.counts.lost < 250
    assert len(received) == 1000 - network.counts.lost + network.counts.duplicated
    assert received != sorted(received)
    assert received == deliveries(1, Conditions(loss=0.2, duplicate=0.1, reorder=0.3))[0]
    assert received != deliveries(2, Conditions(loss=0.2, duplicate=0.1, reorder=0.3))[0]


def test_what_is_sent_to_a_detached_address_vanishes() -> None:
    clock = VirtualClock()
    network = LossyNetwork(clock, seed=1, conditions=Conditions())
    received: list[bytes] = []
    network.attach("b", lambda datagram, source: received.append(datagram))
    network.send(b"x", "a", "b")
    network.detach("b")
    clock.advance(1.0)
    assert received == []
