"""What each kind of certificate holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from cose.keys import generate_private_key
from device_pki.c509 import encode_certificate
from device_pki.fingerprints import der
from device_pki.hardware import HARDWARE_MODULE_NAME
from device_pki.issue import (
    UNLIMITED,
    Issuer,
    Profile,
    Validity,
    est_server,
    factory_device,
    natively,
    operational_device,
    root_ca,
    self_signed_tls,
    server,
    signer,
)
from device_pki.keys import public_key
from device_pki.names import endpoint_name
from device_pki.path import verify_path
from device_pki.roles import CLIENT_AUTH, CMC_RA, SERVER_AUTH, Role, profile
from tests.device_pki.builders import HARDWARE, NOW, YEAR, root

CA = root()
KEY = generate_private_key()
PUBLIC = KEY.public_key()


def usages(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_a_factory_certificate_has_no_end_and_a_non_critical_hardware_name() -> None:
    certificate = CA.device("dev-1").certificate
    assert certificate.not_valid_after_utc == UNLIMITED
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert not names.critical
    [hardware] = names.value.get_values_for_type(x509.OtherName)
    assert hardware.type_id == HARDWARE_MODULE_NAME
    # HardwareModuleName ::= SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING } (RFC 4108 5)
    assert hardware.value == bytes.fromhex("301106082b06010401ab33010405") + b"dev-1"
    assert endpoint_name(certificate) == "dev-1"


def test_an_operational_certificate_repeats_the_subject() -> None:
    device = CA.device("dev-1")
    operational = CA.operational(device).certificate
    assert operational.subject == device.certificate.subject
    assert usages(operational) == {CLIENT_AUTH}


@pytest.mark.parametrize("certificate", [CA.certificate, CA.sub("below").certificate, CA.device("d").certificate])
def test_every_certificate_names_its_own_and_its_issuers_key(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    own = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert own == x509.SubjectKeyIdentifier.from_public_key(public_key(certificate))
    assert issuer == x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key(CA.certificate))
    assert extensions.get_extension_for_class(x509.KeyUsage).critical
    assert extensions.get_extension_for_class(x509.BasicConstraints).critical


def test_servers_are_certified_for_their_hosts() -> None:
    certificate = server(CA.issuer, PUBLIC, "SP1", ["sp1.example", "192.0.2.1", "2001:db8::1"], YEAR)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["sp1.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "2001:db8::1"]
    assert usages(certificate) == {SERVER_AUTH}
    assert usages(est_server(CA.issuer, PUBLIC, "CA1", ["ca1.example"], YEAR)) == {SERVER_AUTH, CMC_RA}
    assert usages(self_signed_tls(KEY, "SP1", ["sp1.example"], YEAR)) == {SERVER_AUTH, CLIENT_AUTH}


@pytest.mark.parametrize("role", [Role.TRANSFER_SIGNER, Role.DOCUMENT_SIGNER, Role.FIRMWARE_SIGNER])
def test_signers_have_the_usage_of_their_role_alone(role: Role) -> None:
    assert usages(signer(CA.issuer, PUBLIC, "SP2", role, YEAR)) == profile(role).usages


def test_a_server_is_no_signer() -> None:
    with pytest.raises(ValueError, match="signs no messages"):
        signer(CA.issuer, PUBLIC, "SP2", Role.SERVER, YEAR)


def test_validity_is_whole_seconds_and_begins_a_little_before() -> None:
    validity = Validity.lasting(NOW.replace(microsecond=1), timedelta(seconds=10))
    assert validity.not_before < NOW < validity.not_after == NOW + timedelta(seconds=10)


SMALL_KEY = generate_private_key()
SMALL = Issuer(root_ca(SMALL_KEY, "RFC test CA", YEAR), SMALL_KEY, Profile.MINIMAL)
COUNTING = replace(SMALL, next_serial=lambda: 128269)
ENDPOINT = "01-23-45-FF-FE-67-89-AB"


def test_a_minimal_factory_certificate_is_the_one_of_rfc_7925() -> None:
    """317 octets and 136; a signature in DER has one more or less for each number without its leading zero."""
    validity = Validity.unlimited(NOW)
    certificate = factory_device(COUNTING, PUBLIC, ENDPOINT, validity, hardware_type=HARDWARE)
    assert abs(len(der(certificate)) - 317) <= 3
    assert len(encode_certificate(certificate)) == 136
    assert len(natively(certificate, SMALL).encoded) == 136
    assert endpoint_name(certificate) == ENDPOINT
    assert [extension.oid for extension in certificate.extensions] == [x509.KeyUsage.oid]
    verify_path(certificate, [], anchors=[SMALL.certificate], role=Role.FACTORY_DEVICE, now=NOW)


def test_minimal_certificates_of_the_other_roles_say_what_they_are_for() -> None:
    subject = factory_device(SMALL, PUBLIC, ENDPOINT, YEAR).subject
    operational = operational_device(COUNTING, PUBLIC, subject, YEAR)
    assert abs(len(der(operational)) - 335) <= 3
    assert len(encode_certificate(operational)) == 144
    assert usages(operational) == {CLIENT_AUTH}
    verify_path(operational, [], anchors=[SMALL.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW)
    est = est_server(SMALL, PUBLIC, "CA1", ["127.0.0.1"], YEAR)
    verify_path(est, [], anchors=[SMALL.certificate], role=Role.EST_SERVER, now=NOW, host="127.0.0.1")


def test_random_serial_numbers_of_minimal_certificates_take_eight_octets() -> None:
    serials = {operational_device(SMALL, PUBLIC, SMALL.certificate.subject, YEAR).serial_number for _ in range(20)}
    assert len(serials) == 20
    assert all(0 < serial < 1 << 63 for serial in serials)
