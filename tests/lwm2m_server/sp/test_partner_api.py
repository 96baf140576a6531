"""What partners may send, and what they may not: every refusal is problem+json and stores nothing."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cbor2
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cose import cbor
from cose.keys import authority_key
from cose.numbers import Algorithm, Claim
from device_pki.fingerprints import fingerprint
from lwm2m_server.api.mutual_tls import pinned_client
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.fleet.partners import PartnerProfile
from lwm2m_server.provider_keys import KeyRole, ProviderKeys, certificate_path, key_path
from tests.lwm2m_server.ca.world import make_ca
from tests.lwm2m_server.sp.device import DeviceIdentity
from tests.lwm2m_server.sp.world import (
    PUBLIC,
    Provider,
    bag_of,
    factory_identity,
    make_provider_folder,
    profile_of,
    serving_provider,
)
from trust_transfer.messages.device_update_info import (
    DeviceEntry,
    DeviceInfo,
    DeviceUpdateInfo,
    SoftwareState,
    transfer_id,
)
from trust_transfer.messages.jws import sign_detached
from trust_transfer.messages.numbers import PRIVATE_TRANSFER, CertificateKind, JwsTyp, Result, State, TransferKey, Typ
from trust_transfer.messages.receipts import Receipt, encode_receipts, encode_releases
from trust_transfer.messages.signed import seal
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.values import (
    Authorities,
    Destination,
    EnrollmentProfile,
    SuitDigest,
)

AGREED = b"\x11" * 32
NOW = int(time.time())


@dataclass(slots=True)
class Partner:
    """Another provider, as far as the one under test can tell: its keys and its TLS identity."""

    name: str
    data: Path
    keys: ProviderKeys
    ca: CaDirectory

    def profile(self) -> PartnerProfile:
        return PartnerProfile(
            name=self.name,
            uri="https://127.0.0.1:1",
            https_certificate=self.keys.https.certificate,
            transfer_certificate=self.keys.transfer.certificate,
            document_certificate=self.keys.document.certificate,
            firmware_certificate=self.keys.firmware.certificate,
            enroll_prefixes=("coaps://127.0.0.1:7009/est",),
            update_prefixes=("coaps://127.0.0.1:6009",),
            agreed_states=(AGREED,),
            max_window_days=90,
            anchors=(),
        )

    def client(self, provider: Provider) -> httpx.AsyncClient:
        host, port = provider.running.partner
        own = certificate_path(self.data, KeyRole.HTTPS), key_path(self.data, KeyRole.HTTPS)
        return pinned_client(
            *own, provider.running.provider.keys.https.certificate, base_url=f"https://{host}:{port}/partner/v1/"
        )

    def sign(self, body: bytes, typ: JwsTyp = JwsTyp.DEVICES, role: KeyRole = KeyRole.DOCUMENT) -> dict[str, str]:
        credential = getattr(self.keys, role.value)
        return {"JWS": sign_detached(body, credential.private_key, credential.certificate, typ)}


@dataclass(slots=True)
class Meeting:
    """The provider under test, two partners it knows, and a device one of them wants to give away."""

    provider: Provider
    partner: Partner
    stranger: Partner
    http: httpx.AsyncClient
    device: DeviceIdentity

    def chunk(self, **changes: Any) -> bytes:
        info = DeviceInfo(NOW, NOW + 3600, software=(0,), endpoint="dev-1", seq=0)
        entry = DeviceEntry(CertificateKind.FINGERPRINT, fingerprint(self.device.certificate), info)
        states = (SoftwareState(SuitDigest(Algorithm.SHA_256, AGREED)),)
        return replace(DeviceUpdateInfo((entry,), NOW, states, None, "meters", (0, 1)), **changes).encode()

    async def announce(self) -> str:
        body = self.chunk()
        cti = transfer_id([body]).hex()
        answer = await self.http.put(f"transfers/{cti}/devices/0", content=body, headers=self.partner.sign(body))
        assert answer.status_code == 201, answer.text
        answer = await self.http.put(f"transfers/{cti}/bags/0", content=bag_of(self.device))
        assert answer.status_code == 201, answer.text
        return cti

    async def put_chunk(self, body: bytes, headers: dict[str, str], cti: str | None = None) -> httpx.Response:
        name = cti or transfer_id([body]).hex()
        return await self.http.put(f"transfers/{name}/devices/0", content=body, headers=headers)


def make_partner(root: Path, name: str, permanent: CaDirectory) -> Partner:
    ca = make_ca(root / f"{name}-ca", f"{name}-ca")
    make_provider_folder(root / name, name, ca, permanent)
    return Partner(name, root / name, ProviderKeys.load(root / name), ca)


@pytest.fixture
async def meeting(tmp_path: Path) -> AsyncIterator[Meeting]:
    permanent = make_ca(tmp_path / "permanent", "permanent")
    async with serving_provider(tmp_path, "sp2", permanent) as provider:
        partner = make_partner(tmp_path, "sp8", permanent)
        stranger = make_partner(tmp_path, "sp9", permanent)
        async with provider.admin() as admin:
            for one in (partner, stranger):
                answer = await admin.put("/partners", content=one.profile().render())
                assert answer.is_success, answer.text
        async with partner.client(provider) as http:
            yield Meeting(provider, partner, stranger, http, factory_identity(permanent, "dev-1"))


def refused(answer: httpx.Response, status: int, code: str) -> bool:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    return True


async def test_a_document_is_stored_once(meeting: Meeting) -> None:
    body = meeting.chunk()
    headers = meeting.partner.sign(body)
    assert (await meeting.put_chunk(body, headers)).status_code == 201
    assert (await meeting.put_chunk(body, headers)).status_code == 204
    # ECDSA signs the same bytes differently each time: the bytes are what counts
    assert (await meeting.put_chunk(body, meeting.partner.sign(body))).status_code == 204
    other = meeting.chunk(issued_at=NOW + 1)
    cti = transfer_id([body]).hex()
    assert refused(await meeting.put_chunk(other, meeting.partner.sign(other), cti), 409, "conflict")
    page = (await meeting.http.get(f"transfers/{cti}")).json()
    assert page == {"transfer": cti, "stored": {"devices": [0]}}


async def test_an_unsigned_chunk(meeting: Meeting) -> None:
    assert refused(await meeting.put_chunk(meeting.chunk(), {}), 422, "unsigned")


async def test_a_tampered_chunk(meeting: Meeting) -> None:
    body = meeting.chunk()
    tampered = body.replace(b"meters", b"Meters")
    assert refused(await meeting.put_chunk(tampered, meeting.partner.sign(body)), 422, "bad_signature")


async def test_guessing_signatures_is_stopped(meeting: Meeting) -> None:
    body = meeting.chunk()
    wrong = meeting.partner.sign(body + b"x")
    for _ in range(5):
        assert refused(await meeting.put_chunk(body, wrong), 422, "bad_signature")
    assert refused(await meeting.put_chunk(body, meeting.partner.sign(body)), 429, "paused")
    async with meeting.stranger.client(meeting.provider) as http:
        signed = meeting.stranger.sign(body)
        cti = transfer_id([body]).hex()
        assert (await http.put(f"transfers/{cti}/devices/0", content=body, headers=signed)).status_code == 201


@pytest.mark.parametrize("role", [KeyRole.TRANSFER, KeyRole.HTTPS, KeyRole.FIRMWARE])
async def test_a_chunk_signed_by_another_of_the_partners_keys(meeting: Meeting, role: KeyRole) -> None:
    body = meeting.chunk()
    assert refused(await meeting.put_chunk(body, meeting.partner.sign(body, role=role)), 422, "wrong_signer")


async def test_a_chunk_signed_as_something_else(meeting: Meeting) -> None:
    body = meeting.chunk()
    answer = await meeting.put_chunk(body, meeting.partner.sign(body, JwsTyp.RECEIPTS))
    assert refused(answer, 422, "unknown_typ_or_claim")


async def test_a_chunk_signed_by_another_partner(meeting: Meeting) -> None:
    body = meeting.chunk()
    assert refused(await meeting.put_chunk(body, meeting.stranger.sign(body)), 422, "wrong_signer")


async def test_a_signature_that_is_none(meeting: Meeting) -> None:
    assert refused(await meeting.put_chunk(meeting.chunk(), {"JWS": "a.b.c"}), 422, "malformed")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda members: members.pop(5), "malformed"),
        (lambda members: members.update({0: 2}), "malformed"),
        (lambda members: members.update({1: []}), "malformed"),
        (lambda members: members.update({9: 1}), "unknown_typ_or_claim"),
        (lambda members: members[1][0].append(1), "malformed"),
    ],
)
async def test_a_chunk_that_breaks_the_cddl(meeting: Meeting, change: Any, code: str) -> None:
    members = cbor2.loads(meeting.chunk())
    change(members)
    body = cbor.encode(members)
    assert refused(await meeting.put_chunk(body, meeting.partner.sign(body)), 422, code)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body + b"\x00",
        lambda body: body.replace(b"\x00\x01\x01", b"\x00\x18\x01\x01", 1),
        lambda body: bytes([0xBF]) + body[1:] + b"\xff",
        lambda body: body[:-1],
    ],
    ids=["trailing byte", "longer integer", "indefinite length", "truncated"],
)
async def test_a_chunk_that_is_not_deterministic(meeting: Meeting, spoil: Any) -> None:
    body = spoil(meeting.chunk())
    assert body != meeting.chunk()
    assert refused(await meeting.put_chunk(body, meeting.partner.sign(body)), 422, "malformed")


async def test_an_oversized_chunk_is_not_even_read(meeting: Meeting) -> None:
    body = bytes(8 * 1024 * 1024 + 1)
    try:
        answer = await meeting.http.put("transfers/" + "00" * 16 + "/devices/0", content=body, headers={"JWS": "a..b"})
    except httpx.TransportError:  # the answer came, and the connection closed, before all was sent
        return
    assert refused(answer, 413, "too_large")


async def test_a_body_without_a_length_is_bounded_too(meeting: Meeting) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield bytes(64 * 1024)

    try:
        answer = await meeting.http.put("transfers/" + "00" * 16 + "/template", content=endless())
    except httpx.TransportError:
        return
    assert refused(answer, 413, "too_large")


async def test_a_list_under_another_transfer_id(meeting: Meeting) -> None:
    body = meeting.chunk()
    answer = await meeting.put_chunk(body, meeting.partner.sign(body), "ab" * 16)
    assert refused(answer, 422, "wrong_transfer")
    assert refused(await meeting.http.get("transfers/" + "ab" * 16), 404, "unknown")


async def test_a_bag_that_is_none(meeting: Meeting) -> None:
    cti = await meeting.announce()
    answer = await meeting.http.put(f"transfers/{cti}/bags/1", content=b"\x80")
    assert refused(answer, 422, "malformed")


async def test_a_foreign_transfer_is_unknown(meeting: Meeting) -> None:
    """Security test 42: partner B opens A's transfer."""
    cti = await meeting.announce()
    async with meeting.stranger.client(meeting.provider) as http:
        assert refused(await http.get(f"transfers/{cti}"), 404, "unknown")
        assert refused(await http.put(f"transfers/{cti}/bags/0", content=bag_of(meeting.device)), 404, "unknown")
        unknown = await http.get("transfers/" + "cd" * 16)
        own = await http.get(f"transfers/{cti}")
        assert (own.status_code, own.json()) == (unknown.status_code, unknown.json())


async def test_foreign_and_unknown_are_answered_alike(meeting: Meeting) -> None:
    """Rule 36, on every path: a partner cannot find out which transfers there are."""
    foreign, nowhere = await meeting.announce(), "cd" * 16
    async with meeting.stranger.client(meeting.provider) as http:

        async def post(cti: str, kind: str, encode: Any, typ: JwsTyp) -> httpx.Response:
            report = report_of(meeting, cti, meeting.device, State.COMMITTED)
            body = encode(bytes.fromhex(cti), [Receipt(fingerprint(meeting.device.certificate), NOW, report)])
            return await http.post(f"transfers/{cti}/{kind}", content=body, headers=meeting.stranger.sign(body, typ))

        ways: list[Callable[[str], Awaitable[httpx.Response]]] = [
            lambda cti: http.get(f"transfers/{cti}"),
            lambda cti: http.put(f"transfers/{cti}/bags/0", content=bag_of(meeting.device)),
            lambda cti: post(cti, "receipts", encode_receipts, JwsTyp.RECEIPTS),
            lambda cti: post(cti, "releases", encode_releases, JwsTyp.RELEASES),
        ]
        for ask in ways:
            answer, unknown = await ask(foreign), await ask(nowhere)
            assert refused(answer, 404, "unknown")
            assert answer.json() == unknown.json()


async def test_accepting_again_with_another_update_first(meeting: Meeting) -> None:
    """What was signed does not change; the operator is told instead of believing it did."""
    from lwm2m_server.fleet.inventory import Build, build_envelope

    cti = await accepted(meeting)
    key = meeting.provider.running.provider.keys.firmware.private_key
    async with meeting.provider.admin() as admin:
        envelope = build_envelope(Build(b"image", 1, bytes(16), bytes(16)), key)
        other = (await admin.post("/firmware", content=envelope)).json()["digest"]
        assert (await admin.post(f"/transfers/{cti}/accept", json={})).is_success
        answer = await admin.post(f"/transfers/{cti}/accept", json={"update_first": other})
    assert refused(answer, 409, "conflict")


async def test_a_client_nobody_knows_gets_no_connection(meeting: Meeting, tmp_path: Path) -> None:
    unknown = make_partner(tmp_path, "sp7", meeting.provider.permanent)
    async with unknown.client(meeting.provider) as http:
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            await http.get("transfers/" + "00" * 16)


@pytest.mark.parametrize("path", ["transfers/XYZ", "transfers/" + "0" * 31, "transfers/" + "A" * 32])
async def test_an_id_that_is_none_is_unknown(meeting: Meeting, path: str) -> None:
    assert refused(await meeting.http.get(path), 404, "unknown")


# ---- releases, as the new provider ---------------------------------------------------------------


def report_of(meeting: Meeting, cti: str, attempt: DeviceIdentity, state: State, endpoint: str = "dev-1") -> bytes:
    device = meeting.provider.device(endpoint, meeting.device)
    return device.decide(state, bytes.fromhex(cti), 1, attempt, Result.FALL_BACK)


async def release(meeting: Meeting, cti: str, *reports: bytes, named: str | None = None) -> httpx.Response:
    receipts = [Receipt(fingerprint(meeting.device.certificate), NOW, report) for report in reports]
    body = encode_releases(bytes.fromhex(named or cti), receipts)
    return await meeting.http.post(
        f"transfers/{cti}/releases", content=body, headers=meeting.partner.sign(body, JwsTyp.RELEASES)
    )


async def accepted(meeting: Meeting) -> str:
    cti = await meeting.announce()
    async with meeting.provider.admin() as admin:
        answer = await admin.post(f"/transfers/{cti}/accept", json={})
        assert answer.is_success, answer.text
    return cti


async def test_reports_that_prove_nothing_are_refused(meeting: Meeting) -> None:
    """Security test 22: report of another device, another transfer, another key."""
    cti = await accepted(meeting)
    attempt = meeting.provider.operational("dev-1")
    other_device = report_of(meeting, cti, attempt, State.FELL_BACK, endpoint="dev-2")
    assert refused(await release(meeting, cti, other_device), 422, "report_refused")
    other_transfer = report_of(meeting, "ef" * 16, attempt, State.FELL_BACK)
    assert refused(await release(meeting, cti, other_transfer), 422, "wrong_transfer")
    committed = report_of(meeting, cti, attempt, State.COMMITTED)
    assert refused(await release(meeting, cti, committed), 422, "report_refused")
    good = report_of(meeting, cti, attempt, State.FELL_BACK)
    assert refused(await release(meeting, cti, good[:-1] + bytes([good[-1] ^ 1])), 422, "bad_signature")
    assert refused(await release(meeting, cti, good, named="ef" * 16), 422, "wrong_transfer")
    assert (await release(meeting, cti, good)).status_code == 201
    assert (await release(meeting, cti, good)).status_code == 204


async def test_a_receipt_needs_an_outgoing_transfer(meeting: Meeting) -> None:
    cti = await accepted(meeting)
    report = report_of(meeting, cti, meeting.provider.operational("dev-1"), State.COMMITTED)
    body = encode_receipts(bytes.fromhex(cti), [Receipt(fingerprint(meeting.device.certificate), NOW, report)])
    headers = meeting.partner.sign(body, JwsTyp.RECEIPTS)
    assert refused(await meeting.http.post(f"transfers/{cti}/receipts", content=body, headers=headers), 404, "unknown")


# ---- templates, as the old provider ---------------------------------------------------------------

COMPACT_URIS = {
    "enroll_uri": "coap://127.0.0.1:7019/est/AAAAAAAAAAAAAAAAAAAAAA",
    "update_uri": "coap://127.0.0.1:6019",
}
PINNED = authority_key(ec.derive_private_key(7, ec.SECP256R1()).public_key())


@dataclass(slots=True)
class Prepared:
    """An outgoing transfer that waits for the partner's template."""

    meeting: Meeting
    cti: bytes
    template: TransferTemplate

    async def put(self, body: bytes) -> httpx.Response:
        return await self.meeting.http.put(f"transfers/{self.cti.hex()}/template", content=body)

    async def put_changed(self, **changes: Any) -> httpx.Response:
        own = {name: changes.pop(name) for name in list(changes) if hasattr(self.template, name)}
        destination = replace(self.template.destination, **changes)
        template = replace(self.template, destination=destination, **own)
        return await self.put(template.sign(self.meeting.partner.keys.transfer.private_key))


@pytest.fixture
async def prepared(meeting: Meeting) -> Prepared:
    from lwm2m_server.fleet.inventory import Build, build_envelope

    provider, partner = meeting.provider, meeting.partner
    key = provider.running.provider.keys.firmware.private_key
    async with provider.admin() as admin:
        envelope = build_envelope(Build(b"image", 1, bytes(16), bytes(16), b"configuration"), key)
        agreed = (await admin.post("/firmware", content=envelope)).json()["digest"]
        own = await profile_of(provider)
        known = partner.profile()
        profile = replace(
            known,
            agreed_states=(bytes.fromhex(agreed),),
            anchors=own.anchors,
            enroll_prefixes=(*known.enroll_prefixes, "coap://127.0.0.1:7019/est"),
            update_prefixes=(*known.update_prefixes, "coap://127.0.0.1:6019"),
        )
        assert (await admin.put("/partners", content=profile.render())).is_success
        assert (await admin.post("/groups/meters/devices", content=bag_of(meeting.device))).is_success
        window = {"earliest": NOW - 10, "latest": NOW + 3600}
        plan = {"group": "meters", "partner": partner.name, "agreed_state": agreed, "window": window}
        answer = await admin.post("/transfers", json=plan)
        assert answer.is_success, answer.text
    cti = bytes.fromhex(answer.json()["transfer"])
    destination = Destination(
        enroll_uri="coaps://127.0.0.1:7009/est/AAAAAAAAAAAAAAAAAAAAAA",
        update_uri="coaps://127.0.0.1:6009",
        update_first=False,
        ra_uri=None,
        agreed_state=SuitDigest(Algorithm.SHA_256, bytes.fromhex(agreed)),
        anchors=(own.anchors[0].anchor,),
        profile=EnrollmentProfile(0, 0, 0),
        authorities=Authorities(*profile.authorities),
    )
    return Prepared(meeting, cti, TransferTemplate(partner.name, "sp2", NOW - 10, NOW + 3600, NOW, cti, destination))


async def test_a_template_as_agreed_is_stored(prepared: Prepared) -> None:
    body = prepared.template.sign(prepared.meeting.partner.keys.transfer.private_key)
    assert (await prepared.put(body)).status_code == 201
    assert (await prepared.put(body)).status_code == 204
    assert refused(await prepared.put_changed(issued_at=NOW + 1), 409, "conflict")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"enroll_uri": "coaps://good@127.0.0.1:7009/est/A"}, "uri"),
        ({"enroll_uri": "coaps://127.0.0.1:7010/est/A"}, "enrolluri"),
        ({"enroll_uri": "coaps://127.0.0.1:7009/other/A"}, "enrolluri"),
        ({"enroll_uri": "coap://127.0.0.1:7009/est/A"}, "uri"),
        ({"update_uri": "coaps://127.0.0.1:6010"}, "updateuri"),
        ({"update_uri": PUBLIC["sp2"]}, "updateuri"),
        ({"ra_uri": "https://verifier.example"}, "rauri"),
        ({"agreed_state": SuitDigest(Algorithm.SHA_256, bytes(32))}, "agreed_state"),
        ({"profile": EnrollmentProfile(0, 0, 1)}, "enrollment_profile"),
        ({"profile": EnrollmentProfile(1, 1, 1), **COMPACT_URIS}, "enrollment_profile"),
        ({"profile": EnrollmentProfile(1, 0, 0), **COMPACT_URIS}, "enrollment_profile"),
        ({"profile": EnrollmentProfile(1, 1, 0)}, "uri"),
        (COMPACT_URIS, "uri"),
        ({"profile": EnrollmentProfile(1, 1, 0), **COMPACT_URIS, "update_uri": "coap://127.0.0.1:6020"}, "updateuri"),
        ({"pinned_key": PINNED}, "pinned_key"),
        ({"pinned_key": None, "issuer": "sp9"}, "iss"),
        ({"audience": "sp1"}, "aud"),
        ({"transfer_id": bytes(16)}, "cti"),
        ({"not_before": NOW + 3600, "not_after": NOW + 7200}, "window"),
    ],
)
async def test_a_template_that_says_anything_else(prepared: Prepared, changes: dict[str, Any], code: str) -> None:
    """Security test 14, and rule 12: nothing a partner sends widens the agreement."""
    assert refused(await prepared.put_changed(**changes), 422, code)


@pytest.mark.parametrize("pinned", [None, PINNED])
async def test_a_compact_template_as_agreed_is_stored(prepared: Prepared, pinned: bytes | None) -> None:
    changes = {"profile": EnrollmentProfile(1, 1, 0), "pinned_key": pinned, **COMPACT_URIS}
    assert (await prepared.put_changed(**changes)).status_code == 201


async def test_a_template_with_other_authorities(prepared: Prepared) -> None:
    keys = prepared.template.destination.authorities
    assert refused(
        await prepared.put_changed(authorities=Authorities(keys.firmware, keys.transfer)), 422, "authorities"
    )


async def test_a_template_that_names_a_fallback(prepared: Prepared) -> None:
    """Security test 14: fallbackURI comes from the old provider only."""
    template = prepared.template
    private = template.destination.to_cbor() | {TransferKey.FALLBACK_URI: "coaps://127.0.0.1:6009"}
    claims = {
        Claim.ISS: template.issuer,
        Claim.AUD: template.audience,
        Claim.EXP: template.not_after,
        Claim.NBF: template.not_before,
        Claim.IAT: template.issued_at,
        Claim.CTI: template.transfer_id,
        PRIVATE_TRANSFER: private,
    }
    raw = seal(claims, prepared.meeting.partner.keys.transfer.private_key, Typ.TEMPLATE)
    assert refused(await prepared.put(raw), 422, "unknown_typ_or_claim")


async def test_a_template_signed_by_another_key(prepared: Prepared) -> None:
    keys = prepared.meeting.partner.keys
    assert refused(await prepared.put(prepared.template.sign(keys.document.private_key)), 422, "wrong_signer")
    stranger = prepared.meeting.stranger.keys.transfer.private_key
    assert refused(await prepared.put(prepared.template.sign(stranger)), 422, "wrong_signer")


async def test_an_offer_needs_the_template(prepared: Prepared) -> None:
    async with prepared.meeting.provider.admin() as admin:
        answer = await admin.post(f"/transfers/{prepared.cti.hex()}/offer")
    assert refused(answer, 409, "not_ready")
