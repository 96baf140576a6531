"""End to end over real sockets through the lossy relay: handshake, block-wise transfers, both directions."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from lwm2m_server.testing.relay import Disturbance, Relay
from secure_coap.association import Association
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.exchange import Request, Response
from secure_coap.numbers import Code, TransmissionParameters
from tests.secure_coap.pki import HOST, hierarchy

PATIENT = TransmissionParameters(ack_timeout=0.1, max_retransmit=8)


async def echo(request: Request, association: Association) -> Response:
    return Response(Code.CHANGED, request.payload)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_ten_percent_loss(seed: int) -> None:
    handled: list[bytes] = []

    async def handler(request: Request, association: Association) -> Response:
        handled.append(request.payload)
        return await echo(request, association)

    server = await CoapServer.bind(HOST, 0, dtls=hierarchy().server_config(), handler=handler, parameters=PATIENT)
    relay = await Relay.start((HOST, 0), server.address, loss=0.1, seed=seed)
    client = await CoapClient.connect(
        *relay.address, dtls=hierarchy().client_config(), handler=echo, parameters=PATIENT
    )
    body = bytes(range(256)) * 128
    response = await client.request(Request(Code.POST, ("x",), payload=body))
    assert response.payload == body
    assert handled == [body]
    (association,) = server.associations
    pushed = await server.request(association, Request(Code.PUT, ("5", "0", "0"), payload=body))
    assert pushed.payload == body
    await client.close()
    await relay.close()
    await server.close()


def test_equal_seeds_disturb_equally() -> None:
    def decisions() -> list[list[float]]:
        disturbance = Disturbance(loss=0.2, seed=7)
        return [disturbance.delays() for _ in range(1000)]

    assert decisions() == decisions()
    assert 150 < sum(not delays for delays in decisions()) < 250
    with pytest.raises(ValueError, match="share"):
        Disturbance(loss=1, seed=1)


async def test_the_command() -> None:
    server = await CoapServer.bind(HOST, 0, dtls=None, handler=echo)
    target = f"{HOST}:{server.address[1]}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lwm2m_server.testing.relay",
        "--listen", f"{HOST}:0", "--to", target, "--loss", "0", "--seed", "7",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.endswith(f"to {target}\n")
    port = int(line.split()[1].rpartition(":")[2])
    client = await CoapClient.connect(HOST, port, dtls=None)
    assert (await client.request(Request(Code.POST, payload=b"hi"))).payload == b"hi"
    os.kill(process.pid, signal.SIGTERM)
    assert await process.wait() == 0
    await client.close()
    await server.close()
