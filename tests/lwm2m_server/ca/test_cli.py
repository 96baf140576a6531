"""The commands of `lwm2m-server ca`, as an operator types them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from cose.keys import generate_private_key, save_private_key, thumbprint
from device_pki.fingerprints import fingerprint
from device_pki.issue import common_name
from device_pki.keys import signature_hash
from device_pki.names import endpoint_name
from device_pki.path import verify_path
from device_pki.roles import Role
from lwm2m_server.ca.directory import CaDirectory, read_certificates, without_roots
from lwm2m_server.ca.operator import opened
from lwm2m_server.cli.ca import app
from tests.device_pki.builders import Authority
from tests.lwm2m_server.ca.world import Provider, make_ca

RUNNER = CliRunner()


def run(*words: object, code: int = 0) -> Any:
    """Run a command with JSON output; return what it printed."""
    result = RUNNER.invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if code == 0 else result.stderr


def request(path: Path, name: str, *hosts: str) -> Path:
    key = generate_private_key()
    save_private_key(path.with_suffix(".key"), key)
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name(name))
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    path.write_bytes(builder.sign(key, signature_hash(key)).public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def root(tmp_path: Path) -> CaDirectory:
    return make_ca(tmp_path / "root", "Root")


def test_a_root_is_made_once(tmp_path: Path) -> None:
    words = ("init", "--data", tmp_path / "ca", "--name", "CA1", "--host", "ca1.example", "-o", "json")
    made = run(*words)
    assert run(*words) == made
    [certificate] = read_certificates(Path(made["certificate"]))
    assert fingerprint(certificate).hex() == made["fingerprint"]
    for key in ("ca.key", "https.key", "est.key"):
        assert (tmp_path / "ca" / key).stat().st_mode & 0o777 == 0o600
    est = read_certificates(tmp_path / "ca" / "est.pem")[0]
    verify_path(est, [], anchors=[certificate], role=Role.EST_SERVER, now=datetime.now(UTC), host="ca1.example")


def test_an_intermediate_is_made_by_its_parent(root: CaDirectory, tmp_path: Path) -> None:
    run("init", "--data", tmp_path / "ca", "--kind", "intermediate", "--issuer", root.root, "-o", "json")
    directory = CaDirectory(tmp_path / "ca")
    certificate, above = directory.chain()
    assert above == root.chain()[0]
    assert read_certificates(directory.certificate) == (certificate,), "an anchor file holds the CA's own certificate"
    verify_path(certificate, [], anchors=[above], role=Role.CA, now=datetime.now(UTC))


def test_an_intermediate_is_certified_by_request(root: CaDirectory, tmp_path: Path) -> None:
    words = ("init", "--data", tmp_path / "ca", "--name", "CA2", "--kind", "intermediate", "-o", "json")
    waiting = run(*words)
    assert waiting == run(*words)
    out = tmp_path / "ca2.pem"
    run("issue", "--data", root.root, "--role", "ca", "--csr", waiting["request"], "--out", out, "-o", "json")
    assert run(*words, "--certificate", out)["subject"] == "CN=CA2"
    assert [c.subject.rfc4514_string() for c in CaDirectory(tmp_path / "ca").chain()] == ["CN=CA2", "CN=Root"]


def test_a_certificate_for_another_key_is_refused(root: CaDirectory, tmp_path: Path) -> None:
    words = ("init", "--data", tmp_path / "ca", "--kind", "intermediate", "--certificate", root.certificate)
    assert "certify its ca.csr" in run(*words, code=1)


@pytest.mark.parametrize("role", ["server", "transfer", "document", "firmware"])
def test_keys_are_certified_for_their_role(root: CaDirectory, tmp_path: Path, role: str) -> None:
    ca = make_ca(tmp_path / "ca1", "CA1", root)
    csr, out = request(tmp_path / "sp.csr", "SP1", "sp1.example"), tmp_path / "sp.pem"
    words = ("issue", "--data", ca.root, "--role", role, "--csr", csr, "--out", out, "-o", "json")
    first = run(*words)
    assert run(*words) == first, "repeating it changes nothing"
    leaf, *above = read_certificates(out)
    assert above == list(without_roots(ca.chain()))
    anchors, now = [ca.chain()[0]], datetime.now(UTC)
    verify_path(leaf, [], anchors=anchors, role=Role(role), now=now, host="sp1.example")


def test_a_changed_order_is_carried_out(root: CaDirectory, tmp_path: Path) -> None:
    csr, out = request(tmp_path / "sp.csr", "SP1"), tmp_path / "sp.pem"
    words = ("issue", "--data", root.root, "--csr", csr, "--out", out, "-o", "json")
    first = run(*words, "--role", "document")
    second = run(*words, "--role", "server", "--host", "192.0.2.1")
    third = run(*words, "--role", "server", "--host", "192.0.2.2")
    assert len({first["fingerprint"], second["fingerprint"], third["fingerprint"]}) == 3


def test_a_server_needs_a_host(root: CaDirectory, tmp_path: Path) -> None:
    csr = request(tmp_path / "sp.csr", "SP1")
    assert "--host" in run(
        "issue", "--data", root.root, "--role", "server", "--csr", csr, "--out", tmp_path / "x", code=1
    )


def test_what_is_no_request_is_refused(root: CaDirectory, tmp_path: Path) -> None:
    (tmp_path / "bad.csr").write_bytes(b"nonsense")
    words = ("issue", "--data", root.root, "--role", "document", "--csr", tmp_path / "bad.csr", "--out", tmp_path / "x")
    assert "no PKCS#10 request" in run(*words, code=1)


class TestRegister:
    """Commands on the register of a CA with one label and two devices."""

    LABEL = UUID(int=7)

    @pytest.fixture
    def ca(self, root: CaDirectory, tmp_path: Path) -> CaDirectory:
        directory = make_ca(tmp_path / "ca1", "CA1", root)
        devices = [Authority(root.issuer()).device(f"dev-{n}").certificate for n in (1, 2)]

        async def fill() -> None:
            async with opened(directory) as operator:
                await operator.register.add_devices("sp1", self.LABEL, devices, datetime.now(UTC))

        asyncio.run(fill())
        return directory

    def test_labels_are_listed(self, ca: CaDirectory) -> None:
        [row] = run("labels", "list", "--data", ca.root, "-o", "json")
        assert (row["provider"], row["uuid"], row["devices"], row["open"]) == ("sp1", str(self.LABEL), 2, 2)
        assert len(row["label"]) == 6

    def test_an_entry_is_closed_by_name_or_fingerprint(self, ca: CaDirectory) -> None:
        first, second = run("labels", "show", self.LABEL, "--data", ca.root, "-o", "json")
        assert (first["endpoint"], first["enroll"], first["certificates"]) == ("dev-1", "open", 0)
        short = run("labels", "list", "--data", ca.root, "-o", "json")[0]["label"]
        for _ in range(2):
            closed = run("labels", "close", self.LABEL, "dev-1", "--data", ca.root, "-o", "json")
            assert closed["enroll"] == "closed"
        run("labels", "close", short, second["fingerprint"][:16], "--revoke", "--data", ca.root, "-o", "json")
        rows = run("labels", "show", short, "--data", ca.root, "-o", "json")
        assert [row["enroll"] for row in rows] == ["closed", "closed"]

    @pytest.mark.parametrize("words", [("nonsense", "dev-1"), (LABEL, "dev-3"), (LABEL, "00")])
    def test_what_is_not_there_cannot_be_closed(self, ca: CaDirectory, words: tuple[object, ...]) -> None:
        assert "lwm2m-server ca labels" in run("labels", "close", *words, "--data", ca.root, code=1)

    def test_a_certificate_is_revoked_and_listed(self, ca: CaDirectory, tmp_path: Path) -> None:
        out = tmp_path / "list.der"
        words = ("crl", "--data", ca.root, "--out", out, "-o", "json")
        assert (run(*words)["number"], run(*words)["revoked"]) == (1, 0)
        run("revoke", ca.est.certificate, "--data", ca.root, "-o", "json")
        run("revoke", ca.est.certificate, "--data", ca.root, "-o", "json")
        assert (run(*words)["number"], run(*words)["revoked"]) == (2, 1)
        serial = read_certificates(ca.est.certificate)[0].serial_number
        assert [entry.serial_number for entry in x509.load_der_x509_crl(out.read_bytes())] == [serial]

    def test_what_was_issued_is_listed_and_revoked_by_its_fingerprint(self, ca: CaDirectory) -> None:
        async def issue() -> x509.Certificate:
            async with opened(ca) as operator:
                label = await operator.find_label(str(self.LABEL))
                (entry, _) = await operator.register.entries(label.text)
                authority = Authority(ca.issuer())
                made = authority.operational(authority.device(entry.endpoint))
                key = thumbprint(made.key.public_key())
                await operator.register.record(entry, key, made.certificate, datetime.now(UTC))
                return made.certificate

        certificate, data = asyncio.run(issue()), ("--data", ca.root, "-o", "json")
        [row] = run("list", *data, "--label", self.LABEL)
        assert (row["endpoint"], row["fingerprint"], row["revoked"]) == ("dev-1", fingerprint(certificate).hex(), "")
        assert run("list", *data, "--endpoint", "dev-1", "--serial", f"{certificate.serial_number:X}") == [row]
        assert run("list", *data, "--endpoint", "dev-2") == []
        assert not run("revoke", row["fingerprint"], *data, "--dry-run")["revoked"]
        assert run("list", *data) == [row]
        assert run("revoke", row["fingerprint"], *data)["revoked"]
        assert run("list", *data)[0]["revoked"]
        assert "ca list" in run("revoke", "00" * 32, "--data", ca.root, code=1)
        assert "hex digits" in run("list", "--serial", "xyz", "--data", ca.root, code=1)

    def test_factory_certificates_are_listed(self, ca: CaDirectory) -> None:
        made = [Authority(ca.issuer()).device(f"dev-{n}").certificate for n in (1, 2)]

        async def record() -> None:
            async with opened(ca) as operator:
                await operator.register.record_factory_batch(made, datetime.now(UTC))

        asyncio.run(record())
        rows = run("list", "--factory", "--data", ca.root, "-o", "json")
        assert {row["fingerprint"] for row in rows} == {fingerprint(one).hex() for one in made}
        [row] = run("list", "--factory", "--endpoint", "dev-2", "--data", ca.root, "-o", "json")
        assert (row["endpoint"], row["serial"]) == ("dev-2", f"{made[1].serial_number:x}")
        assert "--endpoint" in run("list", "--factory", "--label", self.LABEL, "--data", ca.root, code=2)

    def test_a_policy_is_shown_and_changed(self, ca: CaDirectory) -> None:
        words = ("labels", "policy", self.LABEL, "--data", ca.root, "-o", "json")
        before = run(*words)
        assert (before["max_devices"], before["not_after"], before["server_keys"]) == (None, "", False)
        changes = ("--max-devices", "2", "--not-after", "2030-01-31T12:00Z", "--server-keys", "--label-rate", "9")
        planned = run(*words, *changes, "--dry-run")
        assert run(*words) == before
        changed = run(*words, *changes)
        assert changed == planned == run(*words)
        wanted = (2, "2030-01-31T12:00:00Z", True, 9)
        assert tuple(changed[name] for name in ("max_devices", "not_after", "server_keys", "label_rate")) == wanted
        assert (
            run(*words, "--max-devices", "-1", "--not-after", "never", "--no-server-keys", "--label-rate", "0")
            == before
        )
        assert "keys per device" in run("labels", "policy", self.LABEL, "--max-keys", "99", "--data", ca.root, code=1)

    def test_a_dry_run_closes_nothing(self, ca: CaDirectory) -> None:
        closed = run("labels", "close", self.LABEL, "dev-1", "--data", ca.root, "-o", "json", "--dry-run")
        assert (closed["endpoint"], closed["enroll"]) == ("dev-1", "open")
        assert run("labels", "show", self.LABEL, "--data", ca.root, "-o", "json")[0]["enroll"] == "open"

    def test_a_foreign_certificate_cannot_be_revoked(self, ca: CaDirectory, root: CaDirectory) -> None:
        assert "not issued by this CA" in run("revoke", root.est.certificate, "--data", ca.root, code=1)

    def test_a_table_is_readable(self, ca: CaDirectory) -> None:
        result = RUNNER.invoke(app, ["labels", "show", str(self.LABEL), "--data", str(ca.root)])
        assert result.exit_code == 0
        assert "dev-1" in result.stdout and "dev-2" in result.stdout


def test_providers_are_pinned(root: CaDirectory, tmp_path: Path) -> None:
    provider = Provider.make(tmp_path, "sp1")
    for _ in range(2):
        run("provider", "add", "sp1", provider.certificate, "--data", root.root, "-o", "json")
    [row] = run("provider", "list", "--data", root.root, "-o", "json")
    assert row["provider"] == "sp1"
    assert row["fingerprint"] == fingerprint(read_certificates(provider.certificate)[0]).hex()


def test_a_dry_run_makes_nothing(root: CaDirectory, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    planned = run("init", "--data", empty, "--dry-run", "-o", "json")
    assert planned["missing"] == ["ca.key", "ca.pem", "https.key", "est.key", "https.pem", "est.pem"]
    assert not empty.exists()
    assert run("init", "--data", root.root, "--dry-run", "-o", "json")["missing"] == []

    csr, out = request(tmp_path / "sp.csr", "SP1", "sp1.example"), tmp_path / "sp.pem"
    words = ("issue", "--data", root.root, "--role", "server", "--csr", csr, "--out", out, "-o", "json", "--dry-run")
    assert run(*words) == {"file": str(out), "role": "server", "subject": "CN=SP1", "hosts": ["sp1.example"]}
    assert not out.exists()

    provider = Provider.make(tmp_path, "sp1")
    run("provider", "add", "sp1", provider.certificate, "--data", root.root, "-o", "json", "--dry-run")
    assert run("provider", "list", "--data", root.root, "-o", "json") == []
    assert "name" in run("provider", "add", "../x", provider.certificate, "--data", root.root, "--dry-run", code=1)


@pytest.mark.parametrize("name", ["../sp1", "", "sp 1", "x" * 65])
def test_a_providers_name_is_no_path(root: CaDirectory, tmp_path: Path, name: str) -> None:
    provider = Provider.make(tmp_path, "sp1")
    assert "name" in run("provider", "add", name, provider.certificate, "--data", root.root, code=1)


def test_a_ca_certificate_is_not_pinned(root: CaDirectory) -> None:
    assert "end-entity" in run("provider", "add", "sp1", root.certificate, "--data", root.root, code=1)


def test_the_folder_can_come_from_the_settings(root: CaDirectory, tmp_path: Path) -> None:
    config = tmp_path / "ca.toml"
    config.write_text('roles = ["ca"]\n[ca]\nname = "Root"\ndata = "root"\npublic_uri = "coaps://127.0.0.1:5685"\n')
    assert run("labels", "list", "--config", config, "-o", "json") == []


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ((), 2, "--data FOLDER"),
        (("--config", "/nowhere.toml"), 78, "/nowhere.toml"),
        (("--data", "/nowhere"), 1, "ca init"),
    ],
)
def test_a_missing_folder_is_named(words: tuple[str, ...], code: int, text: str) -> None:
    assert text in run("labels", "list", *words, code=code)


def test_an_open_key_file_stops_everything(root: CaDirectory) -> None:
    root.key.chmod(0o644)
    assert "ca.key" in run("crl", "--data", root.root, code=1)


def test_the_subject_of_a_device_is_its_name(root: CaDirectory) -> None:
    assert endpoint_name(Authority(root.issuer()).device("dev-1").certificate) == "dev-1"
