"""Limits of the registration interface, and that their own tables stay small."""

from __future__ import annotations

from lwm2m_server.protocol.registration_limits import PerMinute, Refusal, RegistrationGuard, RegistrationLimits


def test_so_many_a_minute() -> None:
    rate = PerMinute(10)
    assert all(rate.admit("dev-1", float(second)) for second in range(10))
    assert not rate.admit("dev-1", 10.0)
    assert rate.admit("dev-2", 10.0)
    assert rate.admit("dev-1", 60.0)
    assert rate._counts == {"dev-1": 1}


def test_nothing_is_counted_without_a_limit() -> None:
    rate = PerMinute(0)
    assert all(rate.admit("dev-1", 0.0) for _ in range(100))
    assert not rate._counts
    guard = RegistrationGuard(RegistrationLimits(0, 0, 0, 0))
    guard.began("192.0.2.1")
    assert guard.refusal("dev-1", "192.0.2.1", 10**9, 0.0) is None
    assert not guard._per_address


def test_an_address_has_so_many_devices_and_newcomers() -> None:
    guard = RegistrationGuard(RegistrationLimits(100, 3, 2, 0))
    address = "192.0.2.1"
    for name in ("a", "b"):
        assert guard.refusal(name, address, 0, 0.0) is None
        guard.began(address)
    assert guard.refusal("c", address, 2, 0.0) is Refusal.ADDRESS_FULL
    assert guard.refusal("c", "192.0.2.2", 2, 0.0) is None
    assert guard.refusal("a", address, None, 0.0) is None  # a device that is known may always come again
    guard.moved(address, "192.0.2.3")
    assert guard.refusal("c", address, 2, 0.0) is None
    guard.ended(address)
    assert guard.refusal("d", address, 1, 0.0) is Refusal.ADDRESS_RATE
    assert guard.refusal("d", address, 1, 60.0) is None
    guard.ended("192.0.2.3")
    assert not guard._per_address


def test_a_full_server_knows_its_devices() -> None:
    guard = RegistrationGuard(RegistrationLimits(max_registrations=2))
    assert guard.refusal("new", "192.0.2.1", 1, 0.0) is None
    assert guard.refusal("newer", "192.0.2.1", 2, 0.0) is Refusal.SERVER_FULL
    assert guard.refusal("known", "192.0.2.1", None, 0.0) is None


def test_refused_names_leave_nothing() -> None:
    guard = RegistrationGuard(RegistrationLimits(max_registrations=1))
    assert all(guard.refusal(f"x{n}", f"192.0.2.{n % 250}", 1, 0.0) is Refusal.SERVER_FULL for n in range(1000))
    assert not guard._identities._counts
    assert not guard._newcomers._counts
