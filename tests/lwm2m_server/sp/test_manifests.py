"""The registry of manifests, what a partner gets of it, and the reports of devices as evidence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from cose.keys import PrivateKey, generate_private_key, thumbprint
from cose.recipients import RecipientKey, SealedFor
from lwm2m_server.fleet.inventory import Build, build_envelope, build_fetched
from secure_coap.association import Association
from secure_coap.errors import NotFound, ServiceUnavailable
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from suit.builder import Builder
from suit.digest import Digest, of_element
from suit.envelope import parse_envelope, sign
from suit.errors import FetchNeeded, SuitError, SuitReason
from suit.manifest import Manifest
from suit.numbers import ManifestKey, ReportReason, TextKey
from suit.processor import process
from suit.recipient import DeviceDescription
from suit.records import Log
from suit.report import report_of, verify_report
from suit.stores.memory import MemoryStore
from suit.text import Text, encode_text
from tests.lwm2m_server.sp.device import LINKS, FakeDevice, until
from tests.lwm2m_server.sp.transfer import ENDPOINT, Stage, manifest, order, stage

NONCE = "/33004/0/1"
REPORT = "/33004/0/0"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


def firmware_key(scene: Stage) -> PrivateKey:
    return scene.sp1.provider.running.provider.keys.firmware.private_key


def with_texts(scene: Stage) -> tuple[bytes, bytes]:
    """A signed envelope with severed texts, and the texts."""
    texts = encode_text({"en": Text({TextKey.MANIFEST_DESCRIPTION: "for people only"})})
    build = Builder(7)
    build.for_devices(bytes(16), bytes(16))
    build.write(build.component("configuration"), b"interval=60")
    built = build.manifest()
    severed = Manifest(7, built.components, built.shared, built.sequences, text=of_element(texts))
    return sign(severed, firmware_key(scene), severed={ManifestKey.TEXT: texts}), texts


async def test_a_manifest_is_shown_with_who_signed_it(scene: Stage) -> None:
    raw, _ = with_texts(scene)
    digest = (await order(scene.sp1.admin, "/firmware", raw))["digest"]
    assert (await order(scene.sp1.admin, "/firmware", raw))["digest"] == digest
    shown = (await scene.sp1.admin.get(f"/firmware/{digest}")).json()
    signer = thumbprint(firmware_key(scene).public_key()).hex()
    assert shown["signed_by"] == {"thumbprint": signer, "role": "firmware"}
    assert shown["components"] == [[b"configuration".hex()]]
    assert shown["severed"] == ["text"]
    assert (shown["sequence_number"], shown["reports"]) == (7, [])
    build = Build(b"image", 8, bytes(16), bytes(16))
    other = (await order(scene.sp1.admin, "/firmware", build_envelope(build, firmware_key(scene))))["digest"]
    assert (await scene.sp1.admin.get(f"/firmware/{other}")).json()["payloads"] == [{"uri": "#image", "bytes": 5}]


async def test_texts_are_not_sent_to_devices(scene: Stage) -> None:
    raw, texts = with_texts(scene)
    digest = (await order(scene.sp1.admin, "/firmware", raw))["digest"]
    await order(scene.sp1.admin, f"/firmware/{digest}/pushes", {"device": ENDPOINT})
    await until(lambda: scene.device.payloads("/5/0/0"))
    sent = parse_envelope(scene.device.payloads("/5/0/0")[0])
    assert sent.digest.digest.hex() == digest
    assert texts not in sent.raw
    assert len(sent.raw) < len(raw)


async def test_what_is_no_manifest_is_not_shown(scene: Stage) -> None:
    assert (await scene.sp1.admin.get("/firmware/" + "00" * 32)).status_code == 404
    image = (await order(scene.sp1.admin, "/images", b"any bytes"))["digest"]
    assert (await scene.sp1.admin.get(f"/firmware/{image}")).status_code == 404
    assert (await scene.sp1.admin.post("/firmware", content=b"\xd8\x6b\x00")).status_code == 422


async def test_a_partner_fetches_what_it_was_given_and_nothing_else(scene: Stage) -> None:
    transfer = scene.transfer()
    await transfer.begin()
    given = manifest(scene.sp1.provider)
    digest = parse_envelope(given).digest.digest.hex()
    other = build_envelope(Build(b"other", 9, bytes(16), bytes(16)), firmware_key(scene))
    foreign = (await order(scene.sp1.admin, "/firmware", other))["digest"]
    _, http = scene.sp2.provider.running.provider._clients["sp1"]
    path = f"/partner/v1/transfers/{transfer.cti}/manifests/"
    answer = await http.get(path + digest)
    assert answer.content != b""
    assert parse_envelope(answer.content).verify(firmware_key(scene).public_key()).digest.digest.hex() == digest
    unknown = [path + foreign, path + "00" * 32, path + "zz", f"/partner/v1/transfers/{'00' * 16}/manifests/{digest}"]
    answers = [await http.get(one) for one in unknown]
    assert [one.status_code for one in answers] == [404] * 4
    assert answers[0].json() == answers[1].json() == answers[2].json()


# ---- reports ------------------------------------------------------------------------------------


@dataclass(slots=True)
class ReportingDevice(FakeDevice):
    """Has object 33004; `key` signs, `error` is what became of every manifest."""

    key: PrivateKey | None = None
    error: SuitError | None = None
    heeds_nonce: bool = True

    async def handle(self, request: Request, association: Association) -> Response:
        path = "/" + "/".join(request.path)
        if path == REPORT:
            digest = parse_envelope(self.payloads("/5/0/0")[0]).digest
            nonce = self.payloads(NONCE)[-1] if self.heeds_nonce else b"an old one"
            assert self.key is not None
            self.resources[REPORT] = report_of(digest, Log(), self.error, nonce=nonce).sign(self.key)
        return await FakeDevice.handle(self, request, association)


async def reporting(scene: Stage, key: PrivateKey, **kind: object) -> ReportingDevice:
    provider = scene.sp1.provider
    await scene.device.close()
    device = ReportingDevice(ENDPOINT, scene.factory, provider.running.lwm2m, provider.ca_certificate, key=key)
    for name, value in kind.items():
        setattr(device, name, value)
    await device.connect(provider.operational(ENDPOINT))
    await device.register(links=LINKS + b",</33004/0>")
    return device


async def push(scene: Stage) -> str:
    envelope = build_envelope(Build(b"next", 7, bytes(16), bytes(16)), firmware_key(scene))
    digest: str = (await order(scene.sp1.admin, "/firmware", envelope))["digest"]
    await order(scene.sp1.admin, f"/firmware/{digest}/pushes", {"device": ENDPOINT})
    return digest


@pytest.mark.parametrize("error", [None, SuitError(SuitReason.WRONG_CLASS)])
async def test_a_report_is_verified_and_kept(scene: Stage, error: SuitError | None) -> None:
    device = await reporting(scene, scene.factory.key, error=error)
    digest = await push(scene)

    async def reported() -> bool:
        return bool((await scene.sp1.admin.get("/firmware/reports", params={"device": ENDPOINT})).json())

    await until(reported)
    [report] = (await scene.sp1.admin.get("/firmware/reports", params={"image": digest})).json()
    assert (report["success"], report["digest"]) == (error is None, digest)
    assert report["reason"] == (None if error is None else ReportReason.CONDITION_FAILED.name.lower())
    body = (await scene.sp1.admin.get(f"/firmware/reports/{report['update']}")).content
    assert verify_report(body, scene.factory.key.public_key()).digest == Digest(-16, bytes.fromhex(digest))
    assert (await scene.sp1.admin.get(f"/firmware/{digest}")).json()["reports"] == [report]
    assert (await scene.sp1.admin.get("/firmware/reports/999")).status_code == 404
    await device.close()


@pytest.mark.parametrize("kind", ["another key", "an old nonce"])
async def test_a_report_that_proves_nothing_is_not_kept(scene: Stage, kind: str) -> None:
    key = generate_private_key() if kind == "another key" else scene.factory.key
    device = await reporting(scene, key, heeds_nonce=kind == "another key")
    await push(scene)
    await until(lambda: device.operations("GET").count(REPORT) > 0)
    await device.update()
    await until(lambda: device.operations("GET").count(REPORT) > 1)
    assert (await scene.sp1.admin.get("/firmware/reports")).json() == []
    await device.close()


async def test_a_device_fetches_the_payload_its_manifest_names(scene: Stage) -> None:
    """By the SHA-256 in a signed URI, while a manifest is on its way to it; nobody learns anything from asking else."""
    image = b"large image" * 5000
    name = (await order(scene.sp1.admin, "/images", image))["digest"]
    with pytest.raises(NotFound):
        (await scene.device.ask(Code.GET, "fw", name)).raise_for_code()
    scene.device.refuse["/5/0/2"] = ServiceUnavailable("later")
    await push(scene)
    await until(lambda: scene.device.operations("POST").count("/5/0/2") > 0)
    fetched = await scene.device.ask(Code.GET, "fw", name)
    assert fetched.payload == image
    manifest_digest = parse_envelope(scene.device.payloads("/5/0/0")[0]).digest.digest.hex()
    for unknown in ("00" * 32, manifest_digest):
        with pytest.raises(NotFound):
            (await scene.device.ask(Code.GET, "fw", unknown)).raise_for_code()


async def test_an_encrypted_payload_is_fetched_and_opened(scene: Stage) -> None:
    image, key = b"secret image" * 5000, ec.generate_private_key(ec.SECP256R1())
    sealed = (SealedFor(key.public_key(), b"meters"),)
    build = Build(image, 7, bytes(16), bytes(16), None, sealed)
    envelope, payload = build_fetched(build, firmware_key(scene), "coaps://sp1.example:5684/")
    assert payload != image
    name = (await order(scene.sp1.admin, "/images", payload))["digest"]
    verified = parse_envelope(envelope).verify(firmware_key(scene).public_key())
    device = DeviceDescription(bytes(16), bytes(16), keys=(RecipientKey(key),))
    store = MemoryStore({(b"image",): None})
    with pytest.raises(FetchNeeded) as needed:
        process(verified, device=device, store=store, last_sequence=0)
    assert needed.value.uri == f"coaps://sp1.example:5684/fw/{name}"
    scene.device.refuse["/5/0/2"] = ServiceUnavailable("later")
    await push(scene)
    await until(lambda: scene.device.operations("POST").count("/5/0/2") > 0)
    fetched = (await scene.device.ask(Code.GET, "fw", name)).payload
    process(verified, device=device, store=store, last_sequence=0, fetched={needed.value.uri: fetched})
    assert store.components[b"image",] == image


# ---- encryption ---------------------------------------------------------------------------------


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


async def test_payloads_are_encrypted_for_old_and_new_keys_of_a_group(scene: Stage) -> None:
    old, new, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    admin = scene.sp1.admin
    assert (await admin.get("/agreement-keys/recipients", params={"group": "meters"})).status_code == 422
    for key in (old, new, old):
        await order(admin, "/agreement-keys", {"group": "meters", "public_key": pem(key)})
    found = (await admin.get("/agreement-keys/recipients", params={"group": "meters"})).json()
    assert len(found) == 2
    sealed = [SealedFor(load_pem_public_key(one["public_key"].encode()), bytes.fromhex(one["kid"])) for one in found]  # type: ignore[arg-type]
    envelope = build_envelope(Build(b"secret image", 7, bytes(16), bytes(16), None, tuple(sealed)), firmware_key(scene))
    assert b"secret image" not in envelope
    verified = parse_envelope(envelope).verify(firmware_key(scene).public_key())
    await order(admin, "/firmware", envelope)
    for key in (old, new):
        store = MemoryStore({(b"image",): None})
        device = DeviceDescription(bytes(16), bytes(16), keys=(RecipientKey(key),))
        process(verified, device=device, store=store, last_sequence=0)
        assert store.components[b"image",] == b"secret image"
    with pytest.raises(SuitError) as refused:
        device = DeviceDescription(bytes(16), bytes(16), keys=(RecipientKey(stranger),))
        process(verified, device=device, store=MemoryStore({(b"image",): None}), last_sequence=0)
    assert refused.value.reason is SuitReason.NOT_A_RECIPIENT
    gone = await admin.delete(f"/agreement-keys/{found[0]['kid']}", params={"group": "meters"})
    assert gone.is_success
    assert [one["kid"] for one in (await admin.get("/agreement-keys")).json()] == [found[1]["kid"]]
    again = await admin.delete(f"/agreement-keys/{found[0]['kid']}", params={"group": "meters"})
    assert again.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"group": "meters", "public_key": "no key"},
        {"public_key": ""},
        {"group": "meters", "device": ENDPOINT, "public_key": ""},
        {"group": "meters"},
    ],
)
async def test_what_is_no_agreement_key(scene: Stage, body: dict[str, str]) -> None:
    assert (await scene.sp1.admin.post("/agreement-keys", json=body)).status_code == 422
