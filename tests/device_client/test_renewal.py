"""Renewal over real sockets: by age, by order, by the server's wish, and what happens when it does not work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from device_pki.roles import Role
from secure_coap.errors import ServiceUnavailable
from secure_coap.numbers.codes import Code
from tests.device_client.pki import Pki
from tests.device_client.world import ENROLLMENT, World, execute, world, write

LIFETIME = timedelta(days=30)


def operations(scene: World) -> list[str]:
    return [one.operation.value for one in scene.ca1.outcomes]


def key_of(scene: World) -> str:
    """The operational key the device's own files name; the only secret beside the factory key."""
    secrets = scene.status()["secrets"]
    assert isinstance(secrets, dict) and set(secrets) <= {"factory", "epoch 0", "left over"}
    [key] = secrets["epoch 0"]
    return str(key)


async def test_an_ordered_renewal_breaks_nothing_before_it_is_made(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        second = await scene.sp1.registered(2)
        assert second.key != first.key
        await scene.until(lambda s: "left over" not in s["secrets"] and len(s["secrets"]) == 2)  # type: ignore[operator, arg-type]
        assert operations(scene) == ["sen", "sren"]


async def test_a_certificate_is_renewed_by_its_age(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki, certificate_lifetime=timedelta(seconds=155)) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        assert (await scene.sp1.registered(2)).key != first.key


async def test_it_is_due_at_two_thirds_of_the_lifetime_and_not_long_before(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki, certificate_lifetime=LIFETIME) as scene:
        device = scene.switch_on()
        first = await scene.sp1.registered()
        for part, renewed in ((0.55, False), (0.7, True)):
            await device.switch_off()
            scene.clock.ahead = LIFETIME * part
            count = len(scene.sp1.registrations)
            device = scene.switch_on()
            if renewed:
                # The old certificate first, then the new one: make before break.
                assert (await scene.sp1.registered(count + 1)).key == first.key
                assert (await scene.sp1.registered(count + 2)).key != first.key
            else:
                assert (await scene.sp1.registered(count + 1)).key == first.key
                await scene.sp1.settled([scene.endpoint])
        assert operations(scene) == ["sen", "sren"]


async def test_a_server_may_want_it_earlier(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki, certificate_lifetime=LIFETIME) as scene:
        device = scene.switch_on()
        first = await scene.sp1.registered()
        early = int(LIFETIME.total_seconds() * 0.6)
        await scene.ok(scene.sp1, write(ENROLLMENT["Renew Before"], early))
        await device.switch_off()
        scene.clock.ahead = LIFETIME * 0.45
        scene.switch_on()
        assert (await scene.sp1.registered(3)).key != first.key
        assert operations(scene)[-1] == "sren"


async def test_a_device_that_slept_past_expiry_enrolls_with_its_factory_certificate(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki, certificate_lifetime=LIFETIME) as scene:
        device = scene.switch_on()
        first = await scene.sp1.registered()
        await device.switch_off()
        scene.clock.ahead = LIFETIME + timedelta(days=1)
        scene.switch_on()
        again = await scene.sp1.registered(2)
        assert again.role is Role.OPERATIONAL_DEVICE and again.key != first.key
        assert operations(scene) == ["sen", "sen"]


async def test_a_new_key_that_is_taken_nowhere_leaves_the_old_one_in_use(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        scene.sp1.refuse_keys_but = {first.key}
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        await scene.until(lambda _: len(set(scene.sp1.refused_keys)) >= 2)
        # The same key was asked for again, then another one; the link in use stood all the while.
        assert scene.sp1.refused_keys[:3] == scene.sp1.refused_keys[:1] * 3
        assert key_of(scene) == first.key.hex() and len(scene.sp1.registrations) == 1
        assert (await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))).code is Code.CHANGED
        scene.sp1.refuse_keys_but = None
        new = await scene.sp1.registered(2)
        await scene.until(lambda _: key_of(scene) == new.key.hex())


async def test_cut_off_in_the_middle_it_gets_the_same_certificate_again(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        device = scene.switch_on()
        first = await scene.sp1.registered()
        scene.sp1.refuse_keys_but = {first.key}
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        await scene.until(lambda _: bool(scene.sp1.refused_keys))
        await device.cut_power()
        asked = scene.sp1.refused_keys[0]
        scene.sp1.refuse_keys_but = None
        scene.switch_on()
        assert (await scene.sp1.registered(2)).key == first.key
        await scene.sp1.settled([scene.endpoint])
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        assert (await scene.sp1.registered(3)).key == asked
        assert [one.outcome for one in scene.ca1.outcomes].count("certificate issued") == 2
        assert scene.ca1.outcomes[-1].outcome == "same certificate again"


async def test_a_ca_that_asks_for_patience_is_not_asked_again_before(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        scene.ca1.refuse = ServiceUnavailable("an operator decides", max_age=3600)
        before = scene.ca1.requests
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        await scene.until(lambda _: scene.ca1.requests > before)
        scene.ca1.refuse = None
        # Everything else goes on meanwhile, and an order ends the wait.
        await scene.sp1.settled([scene.endpoint])
        assert (scene.ca1.requests, key_of(scene)) == (before + 1, first.key.hex())
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        assert (await scene.sp1.registered(2)).key != first.key
