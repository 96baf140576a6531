"""A device is not sent what it has already; one that lacks it after all gets everything."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cose.keys import save_public_key
from device_client.emulator.storage.files import DeviceFiles
from device_client.emulator.storage.manifests import Manifests
from device_client.emulator.storage.software import SoftwareStore
from lwm2m_server.roles.dm import RunningDm
from suit.builder import Builder
from suit.digest import of_element
from suit.envelope import parse_envelope, sign
from suit.manifest import Manifest
from suit.numbers import ManifestKey, TextKey
from suit.templates import component_id
from suit.text import Text, encode_text
from tests.lwm2m_server.dm.test_manifests import FIRMWARE, KEY, SUIT
from tests.lwm2m_server.dm.test_role import folder as folder
from tests.lwm2m_server.dm.test_role import running
from tests.lwm2m_server.server.firmware.world import client
from tests.lwm2m_server.sp.device import until

LARGE, OTHER = random.Random(1).randbytes(60_000), random.Random(2).randbytes(5_000)


def update(sequence: int, **images: bytes) -> bytes:
    """Components `image` and `configuration`, each from the envelope."""
    build = Builder(sequence)
    build.for_devices(bytes(16), bytes(16))
    for name, content in images.items():
        build.install(build.component(name), content, uri=f"#{name}")
    return sign(build.manifest(), KEY, {f"#{name}": content for name, content in images.items()})


@dataclass
class Scene:
    role: RunningDm
    admin: httpx.AsyncClient
    files: DeviceFiles

    async def push(self, envelope: bytes, **order: Any) -> dict[str, Any]:
        digest = (await self.admin.post(FIRMWARE, content=envelope)).json()["digest"]
        asked = {"device": "sensor", "again": True, **order}
        (number,) = (await self.admin.post(f"{FIRMWARE}/{digest}/pushes", json=asked)).json()["updates"]
        shown: dict[str, Any] = {}

        async def ended() -> bool:
            nonlocal shown
            shown = (await self.admin.get(f"{FIRMWARE}/pushes/{number}")).json()
            return shown["state"] in {"installed", "kept", "failed"}

        await until(ended)
        return shown

    def content(self, component: str) -> bytes | None:
        return SoftwareStore(self.files, "firmware/firmware/").read(component_id((component,)))


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    save_public_key(folder / "ours.pem", KEY.public_key())
    files = DeviceFiles(folder / "sensor")
    async with running(folder, firmware_authorities=(folder / "ours.pem",)) as (role, admin):
        assert role.nosec is not None
        async with client(role.nosec[1], files=files, **SUIT):
            await until(lambda: role.server.sessions.is_online("sensor"))
            yield Scene(role, admin, files)


@pytest.mark.parametrize("method", ["push", "pull"])
async def test_what_two_manifests_share_is_sent_once(folder: Path, method: str) -> None:
    async with scene(folder) as one:
        first = await one.push(update(1, image=LARGE, configuration=OTHER), method=method)
        assert (first["state"], first["saved"]) == ("installed", 0)
        second = await one.push(update(2, image=LARGE, configuration=OTHER[::-1]), method=method)
        assert (second["state"], second["saved"] >= len(LARGE)) == ("installed", True)
        assert second["bytes"] < len(OTHER) + 1000
        assert (one.content("image"), one.content("configuration")) == (LARGE, OTHER[::-1])
        back = await one.push(update(3, image=LARGE, configuration=OTHER), method=method)
        assert (back["state"], back["saved"] >= len(LARGE) + len(OTHER)) == ("installed", True)
        assert one.content("configuration") == OTHER


async def test_the_same_manifest_again_costs_its_manifest_only(folder: Path) -> None:
    async with scene(folder) as one:
        envelope = update(1, image=LARGE)
        assert (await one.push(envelope, install=False))["state"] == "kept"
        again = await one.push(envelope)
        assert (again["state"], again["saved"] >= len(LARGE)) == ("installed", True)
        assert one.content("image") == LARGE


async def test_a_device_that_lacks_it_after_all_gets_everything(folder: Path) -> None:
    async with scene(folder) as one:
        await one.push(update(1, image=LARGE))
        await one.push(update(2, image=OTHER))
        await one.push(update(3, image=OTHER[::-1]))
        kept = Manifests(one.files, "firmware/firmware/")
        kept.erase(kept.names())
        last = await one.push(update(4, image=LARGE))
        assert (last["state"], last["saved"], last["bytes"] > len(LARGE)) == ("installed", 0, True)
        assert one.content("image") == LARGE


async def test_a_failure_of_its_own_counts_after_everything_was_sent(folder: Path) -> None:
    async with scene(folder) as one:
        await one.push(update(5, image=LARGE))
        older = await one.push(update(4, image=LARGE))
        assert (older["state"], older["failure"], older["saved"]) == ("failed", "result", 0)
        assert one.content("image") == LARGE


async def test_texts_of_dependencies_are_not_sent(folder: Path) -> None:
    texts = encode_text({"en": Text({TextKey.MANIFEST_DESCRIPTION: "for people only" * 20})})
    plain = parse_envelope(update(1, image=LARGE)).manifest
    described = Manifest(1, plain.components, plain.shared, plain.sequences, text=of_element(texts))
    inner = sign(described, KEY, {"#image": LARGE}, severed={ManifestKey.TEXT: texts})
    build = Builder(1)
    build.for_devices(bytes(16), bytes(16))
    build.depends_on(parse_envelope(inner), uri="#inner")
    async with scene(folder) as one:
        pushed = await one.push(sign(build.manifest(), KEY, {"#inner": inner}))
        assert (pushed["state"], pushed["saved"] >= len(texts)) == ("installed", True)
        kept = Manifests(one.files, "firmware/firmware/")
        assert not any(texts in (kept.get(name) or b"") for name in kept.names())
        assert one.content("image") == LARGE


async def test_dependencies_are_sent_once_too(folder: Path) -> None:
    def depending(sequence: int, configuration: bytes) -> bytes:
        inner = update(1, image=LARGE)
        build = Builder(sequence)
        build.for_devices(bytes(16), bytes(16))
        build.depends_on(parse_envelope(inner), uri="#inner")
        build.install(build.component("configuration"), configuration, uri="#configuration")
        payloads = {"#inner": inner, "#configuration": configuration}
        return sign(build.manifest(), KEY, payloads)

    async with scene(folder) as one:
        assert (await one.push(depending(1, OTHER)))["state"] == "installed"
        second = await one.push(depending(2, OTHER[::-1]))
        assert (second["state"], second["saved"] >= len(LARGE)) == ("installed", True)
        assert (one.content("image"), one.content("configuration")) == (LARGE, OTHER[::-1])
