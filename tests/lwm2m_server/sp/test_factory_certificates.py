"""Factory certificates in the device list and apart from it, as X.509 and as C509."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cose.cbor import encode
from device_pki.bag import decode_c5b
from device_pki.c509 import encode_certificate, sign_natively
from device_pki.fingerprints import fingerprint
from device_pki.issue import Issuer
from lwm2m_server.fleet.errors import NotReady, Rejected
from lwm2m_server.fleet.factory_certificates import Carriage, bags, by_fingerprint, certificate_of, list_entry, read_bag
from tests.lwm2m_server.ca.world import make_ca
from tests.lwm2m_server.sp.transfer import ENDPOINT, Stage, Transfer, stage
from tests.lwm2m_server.sp.world import factory_identity
from trust_transfer.messages.device_update_info import DeviceEntry, DeviceInfo, DeviceUpdateInfo
from trust_transfer.messages.numbers import CertificateKind

INFO = DeviceInfo(1, 2)


@pytest.fixture(scope="module")
def der(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    permanent = make_ca(tmp_path_factory.mktemp("ca") / "permanent", "permanent")
    return factory_identity(permanent, ENDPOINT).certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("carriage", Carriage)
def test_a_certificate_comes_out_as_it_went_in(der: bytes, carriage: Carriage) -> None:
    entry = DeviceEntry.from_cbor(list_entry(der, carriage, INFO).to_cbor())
    apart = by_fingerprint(bags([der], carriage))
    assert certificate_of(entry, apart).public_bytes(Encoding.DER) == der
    assert entry.fingerprint == fingerprint(certificate_of(entry, apart))


def test_bags_hold_a_thousand_certificates_each(der: bytes) -> None:
    made = bags([der] * 2001, Carriage.C5B)
    assert [len(read_bag(bag)) for bag in made] == [1000, 1000, 1]


def test_a_device_whose_bag_is_missing_has_to_wait(der: bytes) -> None:
    with pytest.raises(NotReady, match="wait for the bags"):
        certificate_of(list_entry(der, Carriage.C5B, INFO), {})


@pytest.mark.parametrize("bag", [b"", encode(b"der"), encode([b"a", b"b"]), encode({}), encode([])])
def test_bytes_that_are_no_bag(bag: bytes) -> None:
    with pytest.raises(Rejected):
        read_bag(bag)


def test_natively_signed_certificates_are_refused_by_name(tmp_path: Path) -> None:
    """A certificate without an X.509 form cannot be kept in the books."""
    permanent = make_ca(tmp_path / "permanent", "permanent")
    issuer: Issuer = permanent.issuer()
    native = sign_natively(factory_identity(permanent, ENDPOINT).certificate, issuer.private_key).encoded
    entry = DeviceEntry(CertificateKind.C509, native, INFO)
    assert entry.fingerprint is not None
    with pytest.raises(Rejected, match="natively signed"):
        certificate_of(entry, {})
    with pytest.raises(Rejected, match="natively signed"):
        read_bag(encode(native))


@pytest.mark.parametrize("kind", [CertificateKind.X509, CertificateKind.C509])
def test_bytes_that_are_no_certificate(kind: CertificateKind) -> None:
    with pytest.raises(Rejected, match="the device with certificate"):
        certificate_of(DeviceEntry(kind, b"certificate", INFO), {})


async def test_a_transfer_with_certificates_apart_from_the_list(tmp_path: Path) -> None:
    async with stage(tmp_path) as scene:
        transfer = scene.transfer()
        seq = await transfer.begin(certificates=Carriage.C5B.value)
        files = await _evidence(scene, transfer)
        (entry,) = DeviceUpdateInfo.decode(files["devices-0.cbor"]).entries
        assert entry.certificate == fingerprint(scene.factory.certificate)
        (sent,) = decode_c5b(files["bag-0.cbor"], 1)
        assert sent.encoded == encode_certificate(scene.factory.certificate)
        await (await transfer.commit(seq)).close()


async def _evidence(scene: Stage, transfer: Transfer) -> dict[str, bytes]:
    """What the taker holds of the transfer."""
    archive = (await scene.sp2.admin.get(f"/transfers/{transfer.cti}/evidence")).raise_for_status().content
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]
