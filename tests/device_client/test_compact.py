"""The compact profile: a device's life over EDHOC and OSCORE, aiocoap's on its side, the product's on the servers'."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cose.keys import authority_key
from device_pki import issue
from device_pki.roles import Role
from secure_coap.association import Transport
from secure_coap.errors import Forbidden, TransportError
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from tests.device_client.peers import PATIENCE, est_peer, server_peer
from tests.device_client.pki import HOST, Identified, Pki, Provider, new_key, validity
from tests.device_client.world import (
    ENROLLMENT,
    FIRMWARE,
    SETTINGS,
    TRANSFER,
    World,
    execute,
    factory_fingerprint,
    world,
    write,
)
from trust_transfer.messages.values import EnrollmentProfile

COMPACT = EnrollmentProfile(protocol=1, request=1, keygen=0)


@contextlib.asynccontextmanager
async def compact(folder: Path, pki: Pki, *, loss: float = 0.0) -> AsyncIterator[World]:
    async with world(folder, pki, profile=COMPACT, loss=loss) as scene:
        yield scene


async def test_a_new_device_enrolls_and_registers(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki) as scene:
        scene.switch_on()
        seen = await scene.sp1.registered()
        assert seen.role is Role.OPERATIONAL_DEVICE and seen.endpoint == scene.endpoint
        assert seen.association.transport is Transport.OSCORE
        assert await scene.value(scene.sp1, TRANSFER["State"]) == 0
        assert await scene.value(scene.sp1, ENROLLMENT["Protocol"]) == 1
        assert [one.outcome for one in scene.ca1.outcomes] == ["certificate issued"]


async def test_the_server_operates_it_block_by_block_too(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        before = scene.status()["running"]
        await scene.ok(scene.sp1, write(FIRMWARE["Package"], scene.update_manifest(b"second image" * 300)))
        await scene.ok(scene.sp1, execute(FIRMWARE["Update"]))
        await scene.sp1.registered(2)
        assert scene.status()["running"] != before
        whole = await scene.sp1.ask(Request(Code.GET, ("33002", "0"), accept=110))
        assert whole.code is Code.CONTENT and len(whole.payload) > 1024


async def test_keys_that_are_used_up_are_replaced_by_another_edhoc(
    tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("device_client.emulator.transport.oscore.MAX_MESSAGES", 9)
    async with compact(tmp_path, pki) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        for count in (2, 3):
            with contextlib.suppress(TransportError):
                while len(scene.sp1.registrations) < count:
                    await scene.sp1.ask(Request(Code.GET, ("3", "0")))
            again = await scene.sp1.registered(count)
            assert again.key == first.key and again.association is not first.association


async def test_renewal_takes_a_new_key_and_a_new_association(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        second = await scene.sp1.registered(2)
        assert second.key != first.key and second.association is not first.association
        assert [one.operation.value for one in scene.ca1.outcomes] == ["sen", "sren"]


@pytest.mark.parametrize("pinned", [False, True])
async def test_a_device_moves(tmp_path: Path, pki: Pki, pinned: bool) -> None:
    async with compact(tmp_path, pki) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        await scene.prepare()
        reports = scene.acknowledge_reports(scene.sp2)
        key = authority_key(pki.sp2.edhoc_key.public_key()) if pinned else None
        message = scene.message(scene.template(pinned_key=key))
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], message))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        end = await scene.until(lambda s: s["epoch"] == 1 and s["state"] == "idle" and not s["erase_pending"])
        assert end["server_uri"] == scene.sp2.uri and str(end["enroll_uri"]).startswith("coap://")
        assert (await scene.sp2.registered()).role is Role.OPERATIONAL_DEVICE and len(reports) == 1


async def test_a_pinned_key_that_is_another_one_leaves_the_certificate(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        await scene.prepare()
        scene.acknowledge_reports(scene.sp2)
        wrong = authority_key(pki.sp1.edhoc_key.public_key())
        message = scene.message(scene.template(pinned_key=wrong))
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], message))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        await scene.until(lambda s: s["epoch"] == 1 and s["state"] == "idle")


async def test_a_server_changes_the_profile_of_a_device_that_runs(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki, both=True) as scene, est_peer(tmp_path, pki, pki.sp1, compact=True) as beside:
        scene.switch_on()
        first = await scene.sp1.registered()
        uri = f"coap://{HOST}:{beside.port}/est/{scene.ca1_uri.rsplit('/', 1)[-1]}"
        for name, value in (("Enroll URI", uri), ("Protocol", 1), ("Request Format", 1)):
            await scene.ok(scene.sp1, write(ENROLLMENT[name], value))
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        assert (await scene.sp1.registered(2)).key != first.key
        assert [one.outcome for one in beside.outcomes] == ["certificate issued"]


async def test_refused_by_the_new_ca_it_falls_back(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki) as scene:
        await scene.ca2.close_entry(scene.ca2_uri, factory_fingerprint(scene))
        scene.switch_on()
        await scene.sp1.registered()
        await scene.prepare()
        scene.acknowledge_reports(scene.sp1)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        assert (await scene.sp1.registered(2)).role is Role.FACTORY_DEVICE
        end = await scene.until_state("idle")
        assert end["result"] == "enrollment_refused"


async def test_a_server_that_does_not_hold_the_certificate_is_shown_it(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki) as scene:
        scene.ca1.known.discard(scene.factory_certificate)
        scene.switch_on()
        assert (await scene.sp1.registered()).role is Role.OPERATIONAL_DEVICE


async def test_a_server_that_was_started_again_gets_a_new_association(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki) as scene:
        scene.settings = SETTINGS
        scene.switch_on()
        first = await scene.sp1.registered()
        await scene.sp1.server.close()
        async with server_peer(pki, pki.sp1, scene.sp1.port, compact=True) as again:
            seen = await again.registered()
            assert seen.key == first.key


async def test_a_server_that_lets_the_device_in_no_more_is_understood(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        scene.sp1.refuse = Forbidden("not any more")
        scene.sp1.server.drop(first.association)
        await scene.until(lambda _: len([o for o in scene.ca1.outcomes if o.operation.value == "sen"]) >= 2)
        scene.sp1.refuse = None
        assert (await scene.sp1.registered(2)).role is Role.OPERATIONAL_DEVICE


def without_the_role(pki: Pki) -> Provider:
    """Its EST server shows a certificate of the same CA that is for a server only (security test 26)."""
    return replace(pki.sp1, est=pki.sp1.server)


def of_another_ca(pki: Pki) -> Provider:
    return replace(pki.sp1, est=pki.sp2.est)


def for_another_host(pki: Pki) -> Provider:
    key = new_key()
    certificate = issue.est_server(pki.sp1.ca, key.public_key(), "SP1 EST", ["ca9.example"], validity())
    return replace(pki.sp1, est=Identified(certificate, key))


@pytest.mark.parametrize("server", [without_the_role, of_another_ca, for_another_host])
async def test_a_server_that_is_not_the_ca_learns_nothing_and_is_left(
    tmp_path: Path, pki: Pki, server: Callable[[Pki], Provider]
) -> None:
    async with compact(tmp_path, replace(pki, sp1=server(pki))) as scene:
        with capture_logs() as logs:
            scene.switch_on()
            async with asyncio.timeout(PATIENCE):
                while not any("the server is not trusted" in one.get("problem", "") for one in logs):
                    await asyncio.sleep(0.02)
        assert scene.ca1.requests == 0 and not scene.ca1.server.associations


async def test_it_learns_how_much_a_server_answers(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        counters = scene.sp1.server.counters
        asked = counters.cookies
        for count in (2, 3):
            scene.sp1.server.drop(scene.sp1.registrations[-1].association)
            await scene.sp1.registered(count)
        assert counters.cookies == asked


async def test_it_lives_with_a_lossy_link(tmp_path: Path, pki: Pki) -> None:
    async with compact(tmp_path, pki, loss=0.15) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        await scene.sp1.settled([scene.endpoint])
