"""Pauses, renewal and updates: computed times, no waiting."""

from __future__ import annotations

import random

import pytest

from device_client.emulator.life.renewal import MAX_WAIT, Renewal, Validity
from device_client.emulator.life.updates import Updates
from device_client.emulator.settings import Pauses, RunSettings


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def pauses() -> Pauses:
    return Pauses(0.2, 1.0, random.Random(1))


def test_pauses_grow_to_their_bound_and_begin_again() -> None:
    growing = pauses()
    values = [growing.next() for _ in range(6)]
    for value, whole in zip(values, [0.2, 0.4, 0.8, 1.0, 1.0, 1.0], strict=True):
        assert whole / 2 <= value <= whole
    growing.reset()
    assert growing.next() <= 0.2


def test_an_update_is_due_half_a_lifetime_after_the_last_contact_whatever_else_happens() -> None:
    clock = Clock()
    updates = Updates(lambda: 20, pauses(), clock)
    updates.contacted()
    clock.now += 6
    assert updates.due_in(None) == 4.0
    clock.now += 3
    assert updates.due_in(None) == 1.0
    clock.now += 5
    assert updates.due_in(None) == 0.0


def test_a_report_is_announced_at_once_and_then_after_growing_pauses() -> None:
    clock = Clock()
    updates = Updates(lambda: 20, pauses(), clock)
    updates.contacted()
    assert updates.due_in(b"report") == 0.0
    updates.contacted()
    first = updates.due_in(b"report")
    clock.now += first
    assert 0.1 <= first <= 0.2 and updates.due_in(b"report") == 0.0
    updates.contacted()
    assert 0.2 <= updates.due_in(b"report") <= 0.4
    assert updates.due_in(None) == 10.0
    assert updates.due_in(b"another") == 0.0


def test_a_failed_renewal_rests_and_an_order_ends_the_rest() -> None:
    clock = Clock()
    renewal = Renewal(lambda: 0.0, pauses(), clock)
    assert renewal.due_in() == 0.0
    renewal.failed()
    rest = renewal.due_in()
    assert rest is not None and 0.1 <= rest <= 0.2
    renewal.order()
    assert renewal.due_in() == 0.0
    assert Renewal(lambda: None, pauses(), clock).due_in() is None


def test_a_ca_that_asks_for_time_gets_it_within_reason() -> None:
    clock = Clock()
    renewal = Renewal(lambda: 0.0, pauses(), clock)
    renewal.failed(30.0)
    assert renewal.due_in() == 30.0
    renewal.failed(1e9)
    assert renewal.due_in() == MAX_WAIT
    renewal.done()
    assert renewal.due_in() == 0.0


DAY = 86400


@pytest.mark.parametrize("share", [0.1, 0.5, 2 / 3, 0.9])
def test_renewal_begins_at_its_share_of_the_lifetime_at_most_a_sixteenth_earlier(share: float) -> None:
    times = {Validity(1000, 1000 + 90 * DAY, bytes([n])).renewal_time(share, None) for n in range(64)}
    latest = 1000 + int(90 * DAY * share)
    earliest = 1000 + max(90 * DAY // 4, int(90 * DAY * share) - 90 * DAY // 16)
    assert all(earliest - 1 <= time <= max(latest, earliest) for time in times)
    assert len(times) > 32 or share == 0.1


def test_the_server_may_say_how_long_before_the_end_but_not_all_the_time() -> None:
    validity = Validity(0, 90 * DAY, b"a device")
    assert 70 * DAY <= validity.renewal_time(2 / 3, 10 * DAY) <= 80 * DAY
    assert validity.renewal_time(2 / 3, 0) <= 90 * DAY
    assert validity.renewal_time(2 / 3, 10**9) == 90 * DAY // 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"ack_timeout": 0},
        {"max_retransmit": -1},
        {"retry_min": 2.0, "retry_max": 1.0},
        {"lifetime": 0},
        {"renew_at": 1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        RunSettings(**wrong)  # type: ignore[arg-type]
