"""A CA whose certificates say no more than they must."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from cose.keys import generate_private_key
from device_pki.c509 import encode_certificate
from device_pki.fingerprints import der
from device_pki.issue import Profile
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.csr import build_csr, check_factory_csr
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError, read_certificates
from lwm2m_server.ca.setup import CaKind, Setup, set_up

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def make(folder: Path, profile: Profile | None) -> CaDirectory:
    directory = CaDirectory(folder)
    assert set_up(Setup(directory, "CA", CaKind.ROOT, ["127.0.0.1"], profile=profile), NOW)
    return directory


async def test_a_minimal_ca_issues_minimal_certificates_and_goes_on_so(tmp_path: Path) -> None:
    make(tmp_path, Profile.MINIMAL)
    ca = make(tmp_path, None)
    backend = ca.backend(DAY, DAY)
    csr = build_csr(generate_private_key(), "01-23-45-67-89-AB-CD-EF")
    factory = await backend.issue_factory(check_factory_csr(csr), NOW)
    assert [extension.oid for extension in factory.extensions] == [x509.KeyUsage.oid]
    assert len(encode_certificate(factory)) < 150
    [anchor] = ca.chain()
    verify_path(factory, [], anchors=[anchor], role=Role.FACTORY_DEVICE, now=NOW)
    est = read_certificates(ca.est.certificate)[0]
    verify_path(est, [], anchors=[anchor], role=Role.EST_SERVER, now=NOW, host="127.0.0.1")
    assert len(der(est)) < 400


def test_a_ca_is_full_unless_told(tmp_path: Path) -> None:
    assert make(tmp_path, None).issuer().profile is Profile.FULL


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    ca = make(tmp_path, Profile.FULL)
    ca.profile_file.write_text("tiny")
    with pytest.raises(CaDirectoryError, match="minimal"):
        ca.issuer()
