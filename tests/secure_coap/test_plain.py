"""Associations without security: places, and who gives way."""

from __future__ import annotations

from secure_coap.channels.plain import PlainAssociation, PlainAssociations


def filled(limit: int, *, kept_for: float = 10.0) -> PlainAssociations:
    table = PlainAssociations(limit, kept_for=kept_for)
    for number in range(limit):
        table.add(("192.0.2.1", number), float(number))
    return table


def idle(_: PlainAssociation) -> bool:
    return False


def test_while_there_is_room_nobody_gives_way() -> None:
    table = PlainAssociations(2, kept_for=10.0)
    table.add(("192.0.2.1", 1), 0.0)
    assert table.must_give_way(100.0, idle) == (True, None)


def test_the_one_silent_for_longest_gives_way_unless_it_is_busy() -> None:
    table = filled(3)
    first, second, _ = table.by_address.values()
    assert table.must_give_way(100.0, lambda association: association is first) == (True, second)


def test_nobody_heard_of_lately_gives_way() -> None:
    assert filled(3, kept_for=1000.0).must_give_way(100.0, idle) == (False, None)


def test_one_that_is_heard_again_stays() -> None:
    table = filled(2)
    first, second = table.by_address.values()
    first.heard_at = 99.0
    assert table.must_give_way(100.0, idle) == (True, second)


def test_only_so_many_are_looked_at() -> None:
    asked: list[PlainAssociation] = []

    def busy(association: PlainAssociation) -> bool:
        asked.append(association)
        return True

    assert filled(1000).must_give_way(10_000.0, busy) == (False, None)
    assert len(asked) < 50


def test_what_ended_is_not_remembered() -> None:
    table = PlainAssociations(10, kept_for=10.0)
    for number in range(10_000):
        table.remove(table.add(("192.0.2.1", number % 65_536), float(number)))
    assert not table.by_address
    assert len(table._in_turn) < 100
