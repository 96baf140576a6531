"""The endpoints on uvloop, which the server runs on: its timers differ from asyncio's in small ways."""

from __future__ import annotations

import asyncio

import uvloop

from secure_coap.association import Association
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.exchange import Request, Response
from secure_coap.numbers import Code
from secure_coap.numbers.parameters import TransmissionParameters


async def _exchange_with_many_timers(problems: list[dict[str, object]]) -> list[Code]:
    asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))

    async def slow(request: Request, association: Association) -> Response:
        await asyncio.sleep(0.005)
        return Response(Code.CONTENT)

    at_once = TransmissionParameters(ack_timeout=0.0001)
    server = await CoapServer.bind("127.0.0.1", 0, dtls=None, handler=slow, parameters=at_once)
    client = await CoapClient.connect("127.0.0.1", server.address[1], dtls=None)
    requests = (client.request(Request(Code.GET, (str(number),))) for number in range(50))
    codes = [response.code for response in await asyncio.gather(*requests)]
    await client.close()
    await server.close()
    return codes


def test_timers_that_are_due_at_once() -> None:
    problems: list[dict[str, object]] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        codes = runner.run(_exchange_with_many_timers(problems))
    assert codes == [Code.CONTENT] * 50
    assert not problems
