"""A standard client against a server that knows nothing of it: every operation of LwM2M, over real sockets."""

from __future__ import annotations

import pytest

from objects.formats import Format, composite, encode
from objects.formats.link_format import parse
from objects.model import MODEL
from objects.nodes import MultipleResource, ObjectInstance, ObjectNode, Resource, ResourceInstance
from objects.path import UNASSIGNED, Path
from objects.values import Value
from secure_coap.errors import NotFound
from secure_coap.numbers.codes import Code
from tests.device_client.plain_world import HOST, Client, peer, quick, registered

TEST = "/3442/0"


async def test_a_client_registers_and_deregisters() -> None:
    async with registered(lifetime=77) as (server, client):
        register = await server.contact(1)
        assert (register.query("ep"), register.query("lt"), register.query("lwm2m")) == ("sensor", "77", "1.1")
        links = {link.target: link.attributes for link in parse(register.request.payload)}
        assert {"/1/0", "/3/0", "/3303/0", "/3303/1", "/6/0", "/3442/0"} <= set(links)
        assert "/0/0" not in links and links["/3"]["ver"] == MODEL[3].version
        await client.switch_off()
        assert (await server.contact(2)).request.method is Code.DELETE


@pytest.mark.parametrize(("version", "queue", "binding"), [("1.0", "UQ", None), ("1.2", "U", "")])
async def test_each_version_registers_in_its_own_words(version: str, queue: str, binding: str | None) -> None:
    async with registered(version=version, queue_mode=True) as (server, _):
        register = await server.contact(1)
        assert (register.query("lwm2m"), register.query("b"), register.query("Q")) == (version, queue, binding)
        versions = [link.attributes["ver"] for link in parse(register.request.payload) if "ver" in link.attributes]
        assert bool(versions) == (version != "1.0")


@pytest.mark.parametrize("accept", [Format.TLV, Format.SENML_JSON, Format.SENML_CBOR, Format.LWM2M_CBOR, None], ids=str)
async def test_reading_at_every_level_in_every_format(accept: int | None) -> None:
    async with registered() as (server, _):
        whole = await server.read("/3442", accept)
        assert isinstance(whole, ObjectNode)
        instance = await server.read(TEST, accept)
        assert isinstance(instance, ObjectInstance) and whole.instances[0] == instance
        one, many = await server.read(f"{TEST}/120", accept), await server.read(f"{TEST}/1120", accept)
        assert one == instance.resources[120] == Resource(120, 1024)
        assert many == instance.resources[1120] == MultipleResource(1120, {0: 1024})
        assert (await server.ask(Code.GET, f"{TEST}/120", accept=Format.OPAQUE)).code is Code.NOT_ACCEPTABLE


async def test_writing_replaces_or_updates() -> None:
    async with registered() as (server, _):
        assert (await server.write(f"{TEST}/110", "new")).code is Code.CHANGED
        assert await server.read(f"{TEST}/110") == Resource(110, "new")
        several = MultipleResource(1120, {3: 7})
        body = encode(Format.TLV, Path.parse(f"{TEST}/1120"), several, MODEL)
        await server.ask(Code.POST, f"{TEST}/1120", payload=body, content_format=Format.TLV)
        assert await server.read(f"{TEST}/1120") == MultipleResource(1120, {0: 1024, 3: 7})
        await server.ask(Code.PUT, f"{TEST}/1120", payload=body, content_format=Format.TLV)
        assert await server.read(f"{TEST}/1120") == several
        instance = encode(Format.TLV, Path.parse(TEST), ObjectInstance.of(0, {110: "only"}), MODEL)
        await server.ask(Code.POST, TEST, payload=instance, content_format=Format.TLV)
        assert (await server.read(f"{TEST}/120")) == Resource(120, 1024)
        await server.ask(Code.PUT, TEST, payload=instance, content_format=Format.TLV)
        assert (await server.ask(Code.GET, f"{TEST}/120")).code is Code.NOT_FOUND


async def test_execute_takes_arguments() -> None:
    async with registered() as (server, _):
        response = await server.ask(Code.POST, f"{TEST}/3", payload=b"0='a',4", content_format=0)
        assert response.code is Code.CHANGED
        assert await server.read(f"{TEST}/4") == MultipleResource(4, {0: "a", 4: ""})


async def test_instances_are_created_deleted_and_told_of_in_an_update() -> None:
    async with registered() as (server, _):
        body = encode(
            Format.TLV, Path(3442), ObjectNode(3442, {UNASSIGNED: ObjectInstance.of(UNASSIGNED, {120: 5})}), MODEL
        )
        created = await server.ask(Code.POST, "/3442", payload=body, content_format=Format.TLV)
        assert (created.code, created.location_path) == (Code.CREATED, ("3442", "1"))
        assert await server.read("/3442/1/120") == Resource(120, 5)
        taken = encode(Format.SENML_CBOR, Path(3442), ObjectNode(3442, {1: ObjectInstance.of(1, {120: 5})}), MODEL)
        again = await server.ask(Code.POST, "/3442", payload=taken, content_format=Format.SENML_CBOR)
        assert again.code is Code.BAD_REQUEST
        update = await server.contact(2)
        assert "/3442/1" in {link.target for link in parse(update.request.payload)}
        assert (await server.ask(Code.DELETE, "/3442/1")).code is Code.DELETED
        assert (await server.ask(Code.GET, "/3442/1")).code is Code.NOT_FOUND
        assert (await server.ask(Code.DELETE, "/3/0")).code is Code.METHOD_NOT_ALLOWED


async def test_discover_shows_attributes() -> None:
    async with registered() as (server, _):
        assert (await server.ask(Code.PUT, "/3303/0/5700", query=("pmin=5", "gt=30"))).code is Code.CHANGED
        assert (await server.ask(Code.PUT, "/3303/0", query=("pmax=50",))).code is Code.CHANGED
        response = await server.ask(Code.GET, "/3303/0", accept=40)
        links = {link.target: dict(link.attributes) for link in parse(response.payload)}
        assert links["/3303/0"] == {"pmax": "50"}
        assert links["/3303/0/5700"] == {"pmin": "5", "gt": "30.0"} and links["/3303/0/5601"] == {}
        assert (await server.ask(Code.PUT, "/3303/0/5700", query=("gt",))).code is Code.CHANGED
        lone = parse((await server.ask(Code.GET, "/3303/0/5700", accept=40)).payload)[0]
        assert lone.attributes == {"pmin": "5", "pmax": "50"}
        test = parse((await server.ask(Code.GET, f"{TEST}/1120", accept=40)).payload)
        assert test[0].attributes == {"dim": "1"} and test[1].target == f"{TEST}/1120/0"


async def test_a_change_is_notified_and_a_cancelled_observation_is_quiet() -> None:
    async with registered() as (server, _):
        observed = await server.observe(f"{TEST}/120")
        assert observed.first.payload == b"1024" and observed.first.observe is not None
        await server.write(f"{TEST}/120", 7)
        assert (await observed.next()).payload == b"7"
        await observed.observation.cancel()
        await server.write(f"{TEST}/120", 8)
        rejected = await server.observe(f"{TEST}/120")
        rejected.observation.forget()
        await server.write(f"{TEST}/120", 9)
        last = await server.observe(f"{TEST}/120")
        assert last.first.payload == b"9"
        assert observed.notifications.empty() and rejected.notifications.empty()


async def test_a_deleted_instance_ends_its_observation_with_4_04() -> None:
    async with registered() as (server, _):
        await server.ask(Code.POST, "/3442", payload=b"", content_format=Format.TLV)
        observed = await server.observe("/3442/1/120")
        await server.ask(Code.DELETE, "/3442/1")
        assert (await observed.next()).code is Code.NOT_FOUND


async def test_a_large_notification_is_fetched_block_by_block() -> None:
    async with registered() as (server, _):
        observed = await server.observe(f"{TEST}/150", accept=Format.OPAQUE)
        await server.write(f"{TEST}/150", bytes(range(256)) * 16)
        assert (await observed.next()).payload == bytes(range(256)) * 16


async def test_composite_operations() -> None:
    async with registered() as (server, _):
        wanted = composite.encode_paths(Format.SENML_CBOR, [Path(3, 0, 0), Path(3442, 0, 120), Path(9, 9, 9)])
        response = await server.ask(
            Code.FETCH, "/", payload=wanted, content_format=Format.SENML_CBOR, accept=Format.SENML_JSON
        )
        values = composite.decode_values(Format.SENML_JSON, response.payload, MODEL)
        assert set(values) == {Path(3, 0, 0), Path(3442, 0, 120)}
        changes: dict[Path, Value | None] = {Path(3442, 0, 120): 1, Path(3442, 0, 110): "both"}
        payload = composite.encode_values(Format.SENML_CBOR, changes, MODEL)
        assert (await server.ask(Code.IPATCH, "/", payload=payload, content_format=112)).code is Code.CHANGED
        assert await server.read(f"{TEST}/110") == Resource(110, "both")
        wrong = composite.encode_values(Format.SENML_CBOR, {Path(3442, 0, 120): 2, Path(3, 0, 0): "x"}, MODEL)
        assert (await server.ask(Code.IPATCH, "/", payload=wrong, content_format=112)).code is Code.METHOD_NOT_ALLOWED
        assert await server.read(f"{TEST}/120") == Resource(120, 1)


async def test_composite_observation_and_that_of_an_instance() -> None:
    async with registered(version="1.2") as (server, _):
        wanted = composite.encode_paths(Format.SENML_CBOR, [Path(3442, 0, 120), Path(3442, 0, 110)])
        both = await server.observe("/", payload=wanted, content_format=Format.SENML_CBOR, accept=Format.LWM2M_CBOR)
        whole = await server.observe("/3442/0", accept=Format.SENML_CBOR)
        await server.write(f"{TEST}/110", "new")
        told = await both.next()
        values = composite.decode_values(Format.LWM2M_CBOR, told.payload, MODEL)
        assert values == {Path(3442, 0, 120): 1024, Path(3442, 0, 110): "new"}
        assert b"new" in (await whole.next()).payload
        await both.observation.cancel()
        await server.write(f"{TEST}/110", "newer")
        assert b"newer" in (await whole.next()).payload and both.notifications.empty()


async def test_conditions_attached_or_brought_along_hold_back_what_they_do_not_ask_for() -> None:
    async with registered() as (server, _):
        assert (await server.ask(Code.PUT, f"{TEST}/120", query=("gt=2000",))).code is Code.CHANGED
        attached = await server.observe(f"{TEST}/120")
        brought = await server.observe(f"{TEST}/1120/0", query=("lt=0",))
        for number in (1500, 1600, 2500):
            await server.write(f"{TEST}/120", number)
        assert (await attached.next()).payload == b"2500"
        payload = encode(Format.TEXT, Path.parse(f"{TEST}/1120/0"), ResourceInstance(0, -1), MODEL)
        await server.ask(Code.PUT, f"{TEST}/1120/0", payload=payload, content_format=Format.TEXT)
        assert (await brought.next()).payload == b"-1"
        assert (await server.ask(Code.GET, f"{TEST}/120", observe=0, query=("nonsense=1",))).code is Code.BAD_REQUEST


async def test_an_update_is_sent_when_it_is_ordered_and_tells_a_changed_lifetime() -> None:
    async with registered() as (server, _):
        await server.ask(Code.POST, "/1/0/8")
        assert (await server.contact(2)).query("lt") is None
        await server.write("/1/0/1", 900)
        assert (await server.contact(3)).query("lt") == "900"


async def test_a_server_that_forgot_the_client_is_registered_with_again() -> None:
    async with registered(lifetime=1) as (server, _):
        assert (await server.contact(2)).request.path == ("rd", server.location)
        server.location = "gone"
        server.refuse = lambda contact: NotFound() if len(contact.request.path) == 2 else None
        count = len(server.contacts)
        while (await server.contact(count)).request.path != ("rd",):
            count += 1


async def test_a_server_that_restarts_gets_its_client_back() -> None:
    async with peer() as server:
        port = server.port
        client = Client.start(quick(server=f"coap://{HOST}:{port}", lifetime=1))
        await server.contact(2)
    try:
        async with peer(port=port) as server:
            while (await server.contact(len(server.contacts) + 1)).request.path != ("rd",):
                continue
    finally:
        await client.cut_power()
