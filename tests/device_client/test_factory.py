"""The factory commands and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from cose import cbor
from cose.keys import save_public_key
from device_client.emulator import factory
from device_client.emulator.cli import app
from device_client.emulator.storage.files import StorageError
from device_client.emulator.storage.record_file import RecordFile
from device_pki.bag import encode_x5bag
from device_pki.names import endpoint_name
from enrollment.csr import check_factory_csr
from tests.device_client.pki import Pki
from tests.device_client.world import CLASS, FIRMWARE_IMAGE, VENDOR, factory_certificate, installed
from trust_transfer.messages.numbers import Form
from trust_transfer.messages.values import EnrollmentProfile

URI = "coaps://127.0.0.1:5684"


def run(*words: object) -> str:
    outcome = CliRunner().invoke(app, [str(word) for word in words])
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_make_and_install_by_command(tmp_path: Path, pki: Pki) -> None:
    data, csrs, bag = tmp_path / "devices", tmp_path / "csrs.cbor", tmp_path / "bag.x5bag"
    run("factory", "make", "--data", data, "--count", 3, "--csrs", csrs, "--prefix", "urn:test:")
    requests = cbor.decode(csrs.read_bytes())
    names = [check_factory_csr(csr).endpoint for csr in requests]
    assert names == ["urn:test:000001", "urn:test:000002", "urn:test:000003"]
    certificates = [factory_certificate(pki, csr) for csr in requests]
    bag.write_bytes(encode_x5bag([one.public_bytes(Encoding.DER) for one in certificates]))
    run("factory", "install", "--data", data, "--certificates", bag, *installation(tmp_path, pki))
    found = json.loads(run("status", "--data", data, "-o", "json"))
    assert [one["endpoint"] for one in found] == names
    assert {one["state"] for one in found} == {"idle"}
    assert all(one["operational_certificate"] is None and set(one["secrets"]) == {"factory"} for one in found)
    assert run("status", "--data", data).count("idle") == 3


def installation(folder: Path, pki: Pki) -> list[object]:
    permanent, anchor, image = folder / "permanent.pem", folder / "anchor.pem", folder / "image.bin"
    transfer, firmware = folder / "transfer.pem", folder / "firmware.pem"
    permanent.write_bytes(pki.permanent.certificate.public_bytes(Encoding.PEM))
    anchor.write_bytes(pki.sp1.ca.certificate.public_bytes(Encoding.PEM))
    image.write_bytes(FIRMWARE_IMAGE)
    save_public_key(transfer, pki.sp1.transfer_key.public_key())
    save_public_key(firmware, pki.sp1.firmware_key.public_key())
    options: list[object] = ["--permanent-anchor", permanent, "--ca-uri", f"{URI}/est/x", "--ca-anchor", anchor]
    options += ["--server-uri", URI, "--server-anchor", anchor, "--transfer-authority", transfer]
    options += ["--firmware-authority", firmware, "--minimum-form", "plain", "--lab", "--image", image]
    return [*options, "--vendor-id", VENDOR.hex(), "--class-id", CLASS.hex(), "--lifetime", 20]


def test_numbers_go_on_where_they_ended(tmp_path: Path) -> None:
    factory.make(tmp_path, 2, "d-")
    [csr] = factory.make(tmp_path, 1, "d-")
    assert check_factory_csr(csr).endpoint == "d-000003"
    assert list(factory.endpoints(tmp_path)) == ["d-000001", "d-000002", "d-000003"]


def test_installing_again_changes_nothing_and_another_certificate_is_refused(tmp_path: Path, pki: Pki) -> None:
    [csr] = factory.make(tmp_path, 1)
    first, second = factory_certificate(pki, csr), factory_certificate(pki, csr)
    endpoint = factory.install(tmp_path, installed(pki, first, URI, URI, Form.PLAIN), b"image")
    before = {path: path.read_bytes() for path in (tmp_path / endpoint).rglob("*") if path.is_file()}
    factory.install(tmp_path, installed(pki, first, URI, URI, Form.ENDORSED), b"another image")
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(StorageError, match="born once"):
        factory.install(tmp_path, installed(pki, second, URI, URI, Form.PLAIN), b"image")


def test_a_certificate_for_another_key_is_refused(tmp_path: Path, pki: Pki) -> None:
    factory.make(tmp_path / "a", 1)
    [other] = factory.make(tmp_path / "b", 1)
    certificate: x509.Certificate = factory_certificate(pki, other)
    assert endpoint_name(certificate) in list(factory.endpoints(tmp_path / "a"))
    with pytest.raises(StorageError, match="another key"):
        factory.install(tmp_path / "a", installed(pki, certificate, URI, URI, Form.PLAIN), b"image")


@pytest.mark.parametrize("name", ["..", ".hidden"])
def test_a_name_that_is_no_directory_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError):
        factory.device_files(tmp_path, name)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["run", "--data", "{data}"], "no devices to run"),
        (["run", "--data", "{data}", "--select", "nobody"], "no device nobody"),
        (["run", "--data", "{data}", "--ack-timeout", "0"], "above 0"),
        (["status", "--data", "{data}", "-o", "xml"], "table or json"),
    ],
)
def test_what_can_be_mended_is_said_in_one_line(tmp_path: Path, words: list[str], problem: str) -> None:
    outcome = CliRunner().invoke(app, [word.format(data=tmp_path) for word in words])
    assert outcome.exit_code == 1 and problem in outcome.output
    assert "Traceback" not in outcome.output


def test_a_device_leaves_the_factory_with_a_profile_that_fits_its_uris(tmp_path: Path, pki: Pki) -> None:
    csrs, bag = tmp_path / "csrs.cbor", tmp_path / "bag.x5bag"
    run("factory", "make", "--data", tmp_path / "devices", "--count", 1, "--csrs", csrs)
    certificate = factory_certificate(pki, cbor.decode(csrs.read_bytes())[0])
    bag.write_bytes(encode_x5bag([certificate.public_bytes(Encoding.DER)]))
    install = ["factory", "install", "--data", tmp_path / "devices", "--certificates", bag]
    words = [*install, *installation(tmp_path, pki), "--profile", "compact"]
    refused = CliRunner().invoke(app, [str(word) for word in words])
    assert refused.exit_code == 1 and "coap://" in refused.output
    compact = [str(word).replace("coaps://", "coap://") for word in words]
    run(*compact, "--also", "dtls", "--server-keys")
    record = RecordFile(factory.device_files(tmp_path / "devices", endpoint_name(certificate))).load()
    assert (record.account.profile, record.minimum.schemes) == (EnrollmentProfile(1, 1, 1), ("coaps", "coap"))
    assert CliRunner().invoke(app, [str(word) for word in (*words, "--also", "telepathy")]).exit_code == 1
