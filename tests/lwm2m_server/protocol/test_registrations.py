"""The table of registrations against a model that keeps a plain list and looks through all of it each time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lwm2m_server.protocol.registrations import Registration, RegistrationTable
from secure_coap.association import Transport

NAMES = [f"dev-{number}" for number in range(6)]
LIFETIMES = st.integers(1, 20)
LINKS = "</3/0>"


def registration(endpoint: str, handle: str, lifetime: int, now: float) -> Registration:
    return Registration(
        endpoint, handle, "", b"", ("127.0.0.1", 1), Transport.UDP, lifetime, "1.1", "U", False, LINKS, now, now
    )


class TableAgainstList(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.table = RegistrationTable()
        self.listed: list[tuple[Registration, float]] = []  # each with the moment it ends
        self.now = 1000.0
        self.handles = 0

    def known(self, endpoint: str) -> Registration | None:
        return next((one for one, _ in self.listed if one.endpoint == endpoint), None)

    def keep(self, one: Registration, ends: float) -> None:
        self.listed = [(other, end) for other, end in self.listed if other is not one] + [(one, ends)]

    @rule(endpoint=st.sampled_from(NAMES), lifetime=LIFETIMES)
    def register(self, endpoint: str, lifetime: int) -> None:
        self.handles += 1
        new = registration(endpoint, f"handle-{self.handles}", lifetime, self.now)
        former = self.known(endpoint)
        assert self.table.put(new) is former
        self.listed = [(one, ends) for one, ends in self.listed if one is not former]
        self.keep(new, self.now + lifetime)
        if former is not None:
            assert self.table.by_handle(former.handle) is None
            assert not self.table.remove(former)

    @rule(endpoint=st.sampled_from(NAMES))
    def touch(self, endpoint: str) -> None:
        if (one := self.known(endpoint)) is not None:
            self.table.touch(one, self.now)
            self.keep(one, self.now + one.lifetime)

    @rule(endpoint=st.sampled_from(NAMES), lifetime=st.none() | LIFETIMES, links=st.none() | st.just("</5/0>"))
    def update(self, endpoint: str, lifetime: int | None, links: str | None) -> None:
        if (one := self.known(endpoint)) is None:
            return
        before = (one.lifetime, one.links, one.binding, one.queue_mode)
        self.table.update(one, self.now, lifetime, None, None, links)
        expected = (lifetime or before[0], links or before[1], *before[2:])
        assert (one.lifetime, one.links, one.binding, one.queue_mode) == expected
        self.keep(one, self.now + one.lifetime)

    @rule(endpoint=st.sampled_from(NAMES))
    def remove(self, endpoint: str) -> None:
        if (one := self.known(endpoint)) is not None:
            assert self.table.remove(one)
            assert not self.table.remove(one)
            self.listed = [(other, ends) for other, ends in self.listed if other is not one]

    @rule(seconds=st.floats(0, 8))
    def expire(self, seconds: float) -> None:
        self.now += seconds
        ended = self.table.expire(self.now)
        due = [one for one, ends in self.listed if ends < self.now]
        assert {one.handle for one in ended} == {one.handle for one in due}
        self.listed = [(one, ends) for one, ends in self.listed if one not in due]

    @invariant()
    def both_know_the_same(self) -> None:
        assert len(self.table) == len(self.listed)
        assert {one.handle for one in self.table} == {one.handle for one, _ in self.listed}
        for one, ends in self.listed:
            assert self.table.get(one.endpoint) is one
            assert self.table.by_handle(one.handle) is one
            assert one.expires_at == ends


TestTableAgainstList = TableAgainstList.TestCase
TestTableAgainstList.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_the_table_is_looked_through_only_when_something_may_have_ended() -> None:
    """A fleet that updates in time costs nothing."""

    class Counting(RegistrationTable):
        looks = 0

        def __iter__(self):  # type: ignore[no-untyped-def]
            self.looks += 1
            return super().__iter__()

    table = Counting()
    one = registration("dev-1", "h", 60, 0.0)
    table.put(one)
    for now in range(59):
        assert table.expire(float(now)) == []
    assert table.looks == 0
    table.touch(one, 59.0)
    assert table.expire(61.0) == []  # the one look it takes to learn that
    looks = table.looks
    assert table.expire(100.0) == []
    assert table.looks == looks
    assert table.expire(119.5) == [one]
