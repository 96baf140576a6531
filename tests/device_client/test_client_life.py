"""What a standard client does by itself: send, sleep, go, keep what it cannot say, divide its objects among servers."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path as FilePath

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from cose.keys import save_private_key
from device_client.emulator.cli import app
from device_client.emulator.plain.accounts import ACCESS_CONTROL, SECURITY, SERVER, Accounts
from device_client.emulator.plain.options import credentials
from device_client.emulator.plain.server_life import ServerLife
from device_client.emulator.plain.settings import Credentials
from device_client.emulator.storage.files import DeviceFiles
from device_pki.roles import Role
from objects.core_versions import core_versions
from objects.formats import Format, records
from objects.model import MODEL
from objects.nodes import ObjectNode
from objects.path import Path
from secure_coap.channels.dtls import DtlsServerConfig, PskCredential
from secure_coap.errors import RequestTimeout
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from tests.device_client.peers import server_config
from tests.device_client.pki import Pki, device_of
from tests.device_client.plain_world import HOST, PATIENCE, QUICK, Client, Peer, peer, quick, registered

KEY = bytes(range(16))


async def test_values_are_sent_with_their_time_unless_the_server_mutes_it() -> None:
    async with registered(version="1.2", send=(Path(3303, 0, 5700), Path(6, 0)), send_every=0.05) as (server, _):
        sent = (await server.contact(2)).request
        assert sent.path == ("dp",) and sent.content_format == Format.SENML_CBOR
        told = {record.path: record for record in records.decode(Format.SENML_CBOR, None, sent.payload, MODEL)}
        assert told[Path(3303, 0, 5700)].value == 20.0 and (told[Path(6, 0, 0)].time or 0) > 1e9
        await server.write("/1/0/23", True)
        muted = [contact for contact in server.contacts if contact.request.path == ("dp",)]
        await asyncio.sleep(0.2)
        assert len([c for c in server.contacts if c.request.path == ("dp",)]) <= len(muted) + 1


async def asleep(life: ServerLife) -> None:
    async with asyncio.timeout(PATIENCE):
        while life.session is None or not life.session.asleep:
            await asyncio.sleep(0.01)


async def test_a_sleeping_client_hears_nothing_until_it_wakes_for_an_update() -> None:
    async with registered(queue_mode=True, awake=0.2, lifetime=3) as (server, client):
        [life] = client.device._lives.values()
        await asleep(life)
        answer = asyncio.ensure_future(
            server.server.request(server.contacts[0].association, Request(Code.GET, ("3", "0", "0")), timeout=0.4)
        )
        with pytest.raises(RequestTimeout):
            await answer
        await server.contact(2)
        assert (await server.ask(Code.GET, "/3/0/0")).code is Code.CONTENT


async def test_a_sleeping_client_wakes_to_notify() -> None:
    async with registered(queue_mode=True, awake=0.2, lifetime=86400) as (server, client):
        observed = await server.observe("/3442/0/120", query=("con=1",))
        [life] = client.device._lives.values()
        await asleep(life)
        client.device.dispatcher.tree.instance(Path(3442, 0)).values[120] = 5  # type: ignore[attr-defined]
        client.device.dispatcher.tree.touch()
        assert (await observed.next()).payload == b"5"
        assert (await server.ask(Code.GET, "/3/0/0")).code is Code.CONTENT
        await asleep(life)


async def test_a_disabled_client_stays_away_and_comes_back() -> None:
    async with registered() as (server, _):
        await server.write("/1/0/5", 1)
        await server.ask(Code.POST, "/1/0/4")
        gone = len(server.contacts)
        while server.contacts[gone - 1].request.method is not Code.DELETE:
            gone += 1
            await server.contact(gone)
        assert (await server.contact(gone + 1)).request.path == ("rd",)


async def test_what_could_not_be_notified_is_kept_and_told_later() -> None:
    async with registered(lifetime=86400) as (server, client):
        observed = await server.observe("/3442/0/120", accept=Format.SENML_CBOR)
        [life] = client.device._lives.values()
        life.observations.reach(None)
        instance = client.device.dispatcher.tree.instance(Path(3442, 0))
        for number in (1, 2, 3):
            instance.values[120] = number  # type: ignore[attr-defined]
            client.device.dispatcher.tree.touch()
            await asyncio.sleep(0)
            life.observations.look()
        life.observations.reach(life)
        told = await observed.next()
        assert [r.value for r in records.decode(112, Path(3442, 0, 120), told.payload, MODEL)] == [1, 2, 3]


async def test_a_pre_shared_key_opens_the_session() -> None:
    config = DtlsServerConfig(psk=lambda name: PskCredential(KEY, "sensor") if name == b"identity" else None)
    async with peer(config) as server:
        settings = quick(
            server=f"coaps://{HOST}:{server.port}", credentials=Credentials(psk_identity="identity", psk=KEY)
        )
        client = Client.start(settings)
        register = await server.contact(1)
        assert register.association.peer is not None and register.association.peer.endpoint == "sensor"
        await server.ask(Code.GET, "/3/0/0")
        await client.switch_off()
        assert server.contacts[-1].request.method is Code.DELETE


async def test_a_wrong_key_gets_no_session() -> None:
    config = DtlsServerConfig(psk=lambda name: PskCredential(KEY, "sensor"))
    async with peer(config) as server:
        settings = quick(
            server=f"coaps://{HOST}:{server.port}",
            credentials=Credentials(psk_identity="identity", psk=bytes(16)),
            run=replace(QUICK, handshake_timeout=0.5),
        )
        client = Client.start(settings)
        [life] = await lives(client)
        while life.failures < 1:
            await asyncio.sleep(0.01)
        assert not server.contacts
        await client.cut_power()


async def lives(client: Client) -> list[ServerLife]:
    while not client.device._lives:
        await asyncio.sleep(0.001)
    return list(client.device._lives.values())


@pytest.mark.parametrize("anchored", [True, False])
async def test_certificates_open_the_session_judged_by_an_anchor_or_as_they_are(
    tmp_path: FilePath, anchored: bool
) -> None:
    pki = Pki.make()
    device = device_of(pki)
    theirs = pki.sp1.ca.certificate if anchored else pki.sp1.server.certificate
    for name, certificate in (("own", device.certificate), ("anchor", theirs)):
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    save_private_key(tmp_path / "key.pem", device.key)
    own = credentials(None, None, tmp_path / "own.pem", tmp_path / "key.pem", tmp_path / "anchor.pem")
    assert own.anchor_is_ca is anchored and "private_key" not in repr(own)
    config = server_config(pki.sp1.server, (Role.FACTORY_DEVICE, pki.permanent.certificate))
    async with peer(config) as server:
        client = Client.start(quick(server=f"coaps://{HOST}:{server.port}", credentials=own))
        await server.contact(1)
        await client.switch_off()


async def test_two_servers_divide_the_objects_by_access_rights(tmp_path: FilePath) -> None:
    async with peer() as one, peer() as two:
        client = Client.start(quick(server=f"coap://{HOST}:{one.port}"), two_accounts(tmp_path, one, two))
        await one.contact(1)
        await two.contact(1)
        assert (await one.ask(Code.PUT, "/3442/0/120", payload=b"1", content_format=0)).code is Code.CHANGED
        assert (await two.ask(Code.GET, "/3442/0/120")).payload == b"1"
        assert (await two.ask(Code.PUT, "/3442/0/120", payload=b"2", content_format=0)).code is Code.UNAUTHORIZED
        assert (await two.ask(Code.GET, "/0/0")).code is Code.UNAUTHORIZED
        created = await one.ask(Code.POST, "/3442", payload=b"", content_format=Format.TLV)
        assert created.code is Code.CREATED
        assert (await two.ask(Code.DELETE, "/3442/1")).code is Code.UNAUTHORIZED
        whole = await two.read("/3442")
        assert isinstance(whole, ObjectNode) and list(whole.instances) == [0]
        await client.cut_power()


def two_accounts(folder: FilePath, one: Peer, two: Peer) -> DeviceFiles:
    """A directory that holds accounts at both, and object 2: server 2 may only read what it is told of."""
    accounts = Accounts(MODEL.selecting(core_versions("1.1")))
    for number, server in ((1, one), (2, two)):
        accounts.add(
            SECURITY,
            number,
            {
                "LWM2M Server URI": f"coap://{HOST}:{server.port}",
                "Bootstrap-Server": False,
                "Security Mode": 3,
                "Short Server ID": number,
            },
        )
        accounts.add(SERVER, number, {"Short Server ID": number, "Lifetime": 60, "Binding": "U"})
    for number, (about, acl) in enumerate([((3442, 0), {1: 7, 2: 1}), ((3442, 65535), {1: 16}), ((3, 0), {0: 1})]):
        accounts.add(
            ACCESS_CONTROL,
            number,
            {"Object ID": about[0], "Object Instance ID": about[1], "ACL": acl, "Access Control Owner": 1},
        )
    files = DeviceFiles(folder / "sensor")
    accounts.keep_in(files)
    accounts.save()
    return files


WRONG = [
    ([], "name a server"),
    (["--server", "coap://127.0.0.1"], "need --endpoint"),
    (["--server", "http://127.0.0.1", "--endpoint", "x"], "coap://host"),
    (["--server", "coap://192.0.2.1", "--endpoint", "x"], "--insecure"),
    (["--server", "coaps://127.0.0.1", "--endpoint", "x"], "does not fit the credentials"),
    (["--server", "coap://127.0.0.1", "--endpoint", "x y"], "endpoint name"),
    (["--server", "coap://127.0.0.1", "--endpoint", "x", "--version", "2.0"], "--version is one of"),
    (["--server", "coap://127.0.0.1", "--endpoint", "x", "--objects", "toaster"], "knows no 'toaster'"),
    (["--server", "coap://127.0.0.1", "--endpoint", "x", "--psk-identity", "a"], "belong together"),
    (["--server", "coap://127.0.0.1", "--endpoint", "x", "--send", "3/0"], "a path begins with"),
    (["--server", "coap://127.0.0.1", "--endpoint", "x", "--send", "/3/0", "--version", "1.0"], "--send needs"),
    (["--server", "coap://127.0.0.1", "--endpoint", "x", "--select", "y"], "--select and --first"),
]


@pytest.mark.parametrize(("words", "reason"), WRONG)
def test_every_wrong_option_is_named(words: list[str], reason: str) -> None:
    result = CliRunner().invoke(app, ["run", *words])
    assert result.exit_code == 1 and reason in result.stderr


async def test_many_clients_live_in_one_process_and_leave_together() -> None:
    async with peer() as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from device_client.emulator.cli import main; main()", "run"),
            *("--server", f"coap://{HOST}:{server.port}", "--endpoint", "many-", "--count", "20"),
            *("--jitter", "0.2", "--ack-timeout", "0.5"),
            stderr=asyncio.subprocess.PIPE,
        )
        names = set()
        for number in range(20):
            contact = await server.contact(number + 1)
            names.add(contact.query("ep"))
            await asyncio.wait_for(
                server.server.request(contact.association, Request(Code.GET, ("3", "0", "0"))), PATIENCE
            )
        process.terminate()
        _, log = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert names == {f"many-{n:05d}" for n in range(20)} and process.returncode == 0
        assert len([c for c in server.contacts if c.request.method is Code.DELETE]) == 20
        assert {json.loads(line)["event"] for line in log.splitlines()} >= {"started", "registered", "stopped"}
