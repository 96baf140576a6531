"""The memory for repetition: lifetime, bounds, and each peer's share."""

from __future__ import annotations

from secure_coap.channels.plain import PlainAssociation
from secure_coap.counters import Counters
from secure_coap.engine.answers import NOTHING, Answers
from secure_coap.engine.link import Link
from secure_coap.engine.timers import Timers
from secure_coap.limits import Limits

LIFETIME = 247.0


class Memory:
    """A table of answers with a clock, and peers numbered from 1."""

    def __init__(self, limits: Limits) -> None:
        self.timers, self.counters = Timers(), Counters()
        self.answers = Answers(LIFETIME, limits, self.timers, self.counters)
        self.now = 0.0

    def peer(self, number: int) -> Link:
        link = PlainAssociation(("192.0.2.1", number), 0.0)
        link.base = number << 16
        return link

    def keep(self, link: Link, mid: int, answer: bytes = b"answer") -> None:
        self.answers.keep(link, link.base | mid, answer, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.timers.run(self.now)

    def known(self, link: Link) -> list[int]:
        return sorted(key & 0xFFFF for key in self.answers.table if key >> 16 == link.base >> 16)


def test_a_message_is_remembered_for_its_lifetime_and_little_longer() -> None:
    memory = Memory(Limits())
    peer = memory.peer(1)
    memory.keep(peer, 1)
    memory.wait(100.0)
    memory.keep(peer, 2)
    memory.wait(LIFETIME - 100.1)
    assert memory.known(peer) == [1, 2]
    memory.wait(1.1)
    assert memory.known(peer) == [2]
    memory.wait(100.0)
    assert memory.known(peer) == []
    assert memory.timers.next() is None


def test_a_flood_of_one_peer_pushes_out_its_own_only() -> None:
    memory = Memory(Limits(remembered_messages=80))
    modest, flooding = memory.peer(1), memory.peer(2)
    for mid in range(5):
        memory.keep(modest, mid)
    for mid in range(10_000):
        memory.keep(flooding, mid)
    assert memory.known(modest) == list(range(5))
    assert len(memory.known(flooding)) <= 80 + 80 // 8
    assert memory.known(flooding)[-80:] == list(range(9_920, 10_000))
    assert memory.counters.evicted > 9_000


def test_large_answers_of_one_peer_give_way_but_their_message_ids_stay() -> None:
    memory = Memory(Limits(remembered_messages=1000, remembered_bytes=100_000))
    peer = memory.peer(1)
    for mid in range(500):
        memory.keep(peer, mid, bytes(1000))
    assert memory.known(peer) == list(range(500))
    answers = [memory.answers.table[peer.base | mid] for mid in range(500)]
    assert sum(map(len, answers)) <= 100_000 + 100_000 // 8
    assert answers[-100:] == [bytes(1000)] * 100
    assert NOTHING in answers


def test_later_answers_count_too() -> None:
    memory = Memory(Limits(remembered_messages=1000, remembered_bytes=100_000))
    peer = memory.peer(1)
    for mid in range(500):
        memory.keep(peer, mid, NOTHING)
        memory.answers.answer(peer, peer.base | mid, bytes(1000))
    kept = sum(len(answer) for answer in memory.answers.table.values())
    assert kept <= 100_000 + 125_000


def test_all_peers_together_are_bounded_and_the_oldest_go_first() -> None:
    memory = Memory(Limits(remembered_in_all=1000))
    for number in range(1, 3001):
        memory.keep(memory.peer(number), 1)
        memory.wait(0.01)
    assert len(memory.answers.table) <= 1000 + 100
    assert memory.known(memory.peer(3000)) == [1]
    assert memory.known(memory.peer(1)) == []


def test_the_bytes_of_all_peers_are_bounded() -> None:
    memory = Memory(Limits(remembered_bytes_in_all=100_000))
    for number in range(1, 1001):
        memory.keep(memory.peer(number), 1, bytes(1000))
        memory.wait(0.1)
    assert sum(map(len, memory.answers.table.values())) <= 100_000 + 10_000


def test_what_is_forgotten_gets_no_answer_any_more() -> None:
    memory = Memory(Limits())
    peer = memory.peer(1)
    memory.keep(peer, 1, NOTHING)
    memory.wait(LIFETIME + 1)
    memory.answers.answer(peer, peer.base | 1, b"late")
    assert memory.known(peer) == []
