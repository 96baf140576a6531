"""Bad links: datagrams lost, doubled and reordered, and a server that falls silent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from device_client.emulator.transport.coap import SessionLost
from objects.nodes import ObjectNode
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from tests.device_client.pki import Identified, Pki, device_of
from tests.device_client.plain_world import HOST, QUICK, Client, peer, quick
from tests.device_client.relay import relay_to
from tests.device_client.test_session import Echo, connect, echo_server
from tests.device_client.world import FIRMWARE, SETTINGS, TRANSFER, execute, world, write


@pytest.fixture(scope="module")
def device(pki: Pki) -> Identified:
    return device_of(pki)


async def test_a_server_that_falls_silent_is_noticed_when_retransmission_runs_out(pki: Pki, device: Identified) -> None:
    async with echo_server(pki, Echo()) as server, relay_to(server.address) as relay:
        session = await connect(relay.port, device, retries=2)
        await session.request(Request(Code.GET, ("x",)))
        relay.silent = True
        with pytest.raises(SessionLost):
            await asyncio.wait_for(session.request(Request(Code.GET, ("y",))), 5)
        assert session.closed.is_set()
        relay.silent = False
        again = await connect(relay.port, device)
        assert (await again.request(Request(Code.GET, ("z",)))).code is Code.CONTENT
        await again.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_tenth_lost_changes_nothing_but_the_time_it_takes(tmp_path: Path, pki: Pki, seed: int) -> None:
    settings = replace(SETTINGS, ack_timeout=0.1, max_retransmit=6, handshake_timeout=8.0)
    async with world(tmp_path, pki, settings=settings, loss=0.1, seed=seed) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        await scene.prepare()
        await scene.ok(scene.sp1, write(FIRMWARE["Package"], scene.update_manifest(b"large" * 2000, sequence=2)))
        reports = scene.acknowledge_reports(scene.sp2)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.sp1.ask(execute(TRANSFER["Start"]))
        await scene.until(lambda s: s["epoch"] == 1 and s["state"] == "idle")
        assert len(set(reports)) == 1


async def test_a_standard_client_is_managed_over_a_bad_link() -> None:
    """Register, write, read all, fetch a package, and go on with the same registration over another session."""
    patient = replace(QUICK, ack_timeout=0.1, max_retransmit=6)
    async with peer() as server, relay_to(server.server.address, share=0.15, seed=3) as relay:
        client = Client.start(quick(server=f"coap://{HOST}:{relay.port}", run=patient))
        await server.contact(1)
        observed = await server.observe("/3442/0/120", query=("con=1",))
        assert (await server.write("/3442/0/120", 5)).code is Code.CHANGED
        assert (await observed.next()).payload == b"5"
        assert isinstance(await server.read("/3442"), ObjectNode)
        location, count = server.location, len(server.contacts)
        [life] = client.device._lives.values()
        assert life.session is not None
        await life.session.close()
        assert (await server.contact(count + 1)).request.path == ("rd", location)
        await client.cut_power()
