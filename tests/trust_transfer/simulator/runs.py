"""Whole runs drawn from a seed: a few operations at random moments under random faults, then calm, then the verdict."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.trust_transfer.simulator.network import Faults
from tests.trust_transfer.simulator.notary import Notary
from tests.trust_transfer.simulator.world import Terms, World

Run = Callable[..., World]
"""(seed, notary or None for the symbolic one) -> the world after its end"""


def drawn_terms(rng: random.Random) -> Terms:
    """Some transfer: early or late, short or long, with and without update first, patient or not."""
    return Terms(
        delay=rng.choice((-50, 5, 50)),
        length=rng.choice((60, 400)),
        update_first=rng.random() < 0.3,
        beneath=rng.random() < 0.7,
        attempts=rng.choice((2, 6)),
    )


def mixed(seed: int, notary: Notary | None = None) -> World:
    """Transfers there and back, offers repeated, withdrawn, refused, given up, power cuts: anything at any time."""
    rng = random.Random(f"plan {seed}")
    world = World(seed, notary, Faults.drawn(rng))
    operations: list[Callable[[], None]] = [
        lambda: world.transfer(drawn_terms(rng)),
        lambda: world.transfer(drawn_terms(rng)),
        lambda: world.offer_again(drawn_terms(rng)),
        world.withdraw,
        world.refuse,
        world.fall_back,
        lambda: world.switch_off(rng.choice((5.0, 100.0, 500.0))),
    ]
    world.run(rng.uniform(5, 60))
    world.transfer(drawn_terms(rng))
    for _ in range(rng.randrange(8)):
        world.run(rng.choice((2.0, 20.0, 100.0, 400.0)))
        rng.choice(operations)()
    world.run(200)
    world.settle()
    return world


def dead_receiver(seed: int, notary: Notary | None = None) -> World:
    """CA2 or SP2 never answers: attempts and deadline have to bring the device back, whatever is cut off meanwhile."""
    rng = random.Random(f"plan {seed}")
    world = World(seed, notary, Faults.drawn(rng))
    if rng.random() < 0.5:
        world.authorities["SP2"].dead = True
    else:
        world.providers["SP2"].silent = True
    world.run(40)
    world.transfer(Terms(delay=10, length=400, attempts=rng.choice((2, 200)), update_first=rng.random() < 0.3))
    world.run(600)
    world.providers["SP2"].silent = False
    world.settle()
    return world


def closed_fallback(seed: int, notary: Notary | None = None) -> World:
    """SP1 refuses or ignores the device it gave away; SP2 was only slow: the device has to end at SP2."""
    rng = random.Random(f"plan {seed}")
    world = World(seed, notary, Faults.drawn(rng))
    one, two = world.providers.values()
    world.run(40)
    world.transfer(Terms(delay=10, length=300, attempts=2, update_first=rng.random() < 0.3))
    world.run(5)
    one.refuses_fallback = True
    two.silent = rng.random() < 0.7
    world.run(rng.choice((60, 400)))
    if rng.random() < 0.5:
        world.fall_back()
    world.run(400)
    two.silent = False
    world.settle()
    return world


def there_and_back(seed: int, notary: Notary | None = None) -> World:
    """Quick transfers to and fro with long windows, while messages of earlier ones linger."""
    rng = random.Random(f"plan {seed}")
    world = World(seed, notary, Faults(loss=0.1, repeat=0.5, linger=0.3, crash=rng.choice((0.0, 0.02))))
    world.run(40)
    for _ in range(6):
        world.transfer(Terms(delay=5, length=1000, update_first=rng.random() < 0.2))
        world.run(rng.choice((40, 80, 120)))
        if rng.random() < 0.2:
            world.withdraw()
    world.settle()
    return world


def retries(seed: int, notary: Notary | None = None) -> World:
    """One transfer that fails again and again and is offered again each time."""
    rng = random.Random(f"plan {seed}")
    world = World(seed, notary, Faults(loss=0.2, repeat=0.5, linger=0.3, crash=rng.choice((0.0, 0.02))))
    world.run(40)
    world.transfer(Terms(delay=5, length=600, attempts=2, update_first=rng.random() < 0.3))
    for _ in range(5):
        world.run(rng.choice((15, 30, 60)))
        rng.choice((world.fall_back, world.withdraw, lambda: None))()
        world.run(rng.choice((15, 60)))
        world.offer_again(Terms(delay=5, length=600, attempts=2, update_first=rng.random() < 0.3))
    world.settle()
    return world


def torn(seed: int, notary: Notary | None = None) -> World:
    """Hardly anything arrives in time: answers and acknowledgements of one attempt meet the next ones."""
    rng = random.Random(f"plan {seed}")
    world = World(seed, notary, Faults(loss=0.3, repeat=0.6, linger=0.5))
    world.run(60)
    world.transfer(Terms(delay=5, length=900, attempts=1, update_first=rng.random() < 0.3))
    for _ in range(5):
        world.run(rng.choice((60, 120, 200)))
        world.offer_again(Terms(delay=5, length=900, attempts=rng.choice((1, 2))))
    world.settle()
    return world


ALL: dict[str, Run] = {
    run.__name__: run for run in (mixed, dead_receiver, closed_fallback, there_and_back, retries, torn)
}
