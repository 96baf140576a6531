"""Whatever our CAs issue has a C509 form, for any names, times, keys, roles and profile; re-encoded and native."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from cose.keys import KeyKind, generate_private_key
from device_pki.c509 import decode_certificate, encode_certificate, request_natively
from device_pki.fingerprints import der
from device_pki.issue import (
    Issuer,
    Profile,
    Validity,
    common_name,
    est_server,
    factory_device,
    intermediate_ca,
    natively,
    operational_device,
    root_ca,
    server,
    signer,
)
from device_pki.keys import public_key
from device_pki.names import endpoint_name
from device_pki.roles import Role
from tests.device_pki.builders import HARDWARE, YEAR

KEYS = {kind: generate_private_key(kind) for kind in KeyKind}
ISSUERS = {kind: root_ca(key, f"CA {kind.value}", YEAR) for kind, key in KEYS.items()}

issuers = st.builds(
    lambda kind, profile, serial: Issuer(ISSUERS[kind], KEYS[kind], profile, serial and (lambda: serial)),
    st.sampled_from(KeyKind),
    st.sampled_from(Profile),
    st.none() | st.integers(1, (1 << 159) - 1),
)
keys = st.sampled_from([key.public_key() for key in KEYS.values()])
moments = st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))
validities = st.builds(
    lambda start, days: Validity.lasting(start, timedelta(days=days)), moments, st.integers(1, 300)
) | st.builds(Validity.unlimited, moments)
endpoints = st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True) | st.binary(min_size=8, max_size=8).map(
    lambda address: address.hex("-").upper()
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
hosts = st.lists(
    st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z]{2,5}){0,2}", fullmatch=True)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(str),
    min_size=1,
    max_size=3,
)
constraints = st.sampled_from(
    [
        None,
        x509.NameConstraints([x509.DNSName("example.com")], None),
        x509.NameConstraints(
            [x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))], [x509.DirectoryName(common_name("x"))]
        ),
    ]
)
signing_roles = st.sampled_from([Role.TRANSFER_SIGNER, Role.DOCUMENT_SIGNER, Role.FIRMWARE_SIGNER])
certified = st.one_of(
    st.builds(
        lambda issuer, key, name, validity, typed: (
            issuer,
            factory_device(issuer, key, name, validity, hardware_type=HARDWARE if typed else None),
        ),
        issuers,
        keys,
        endpoints,
        validities,
        st.booleans(),
    ),
    st.builds(
        lambda issuer, key, name, validity: (issuer, operational_device(issuer, key, common_name(name), validity)),
        issuers,
        keys,
        endpoints,
        validities,
    ),
    st.builds(
        lambda issuer, key, name, names, validity: (issuer, server(issuer, key, name, names, validity)),
        issuers,
        keys,
        texts,
        hosts,
        validities,
    ),
    st.builds(
        lambda issuer, key, name, names, validity: (issuer, est_server(issuer, key, name, names, validity)),
        issuers,
        keys,
        texts,
        hosts,
        validities,
    ),
    st.builds(
        lambda issuer, key, name, role, validity: (issuer, signer(issuer, key, name, role, validity)),
        issuers,
        keys,
        texts,
        signing_roles,
        validities,
    ),
    st.builds(
        lambda issuer, key, name, validity, length, limits: (
            issuer,
            intermediate_ca(issuer, key, name, validity, length, constraints=limits),
        ),
        issuers,
        keys,
        texts,
        validities,
        st.none() | st.integers(0, 5),
        constraints,
    ),
)


@given(certified)
def test_any_certificate_of_ours_has_both_forms(issued: tuple[Issuer, x509.Certificate]) -> None:
    issuer, certificate = issued
    encoded = encode_certificate(certificate)
    assert len(encoded) < len(der(certificate))
    assert decode_certificate(encoded).to_x509() == certificate
    native = decode_certificate(natively(certificate, issuer).encoded)
    native.verify_signed_by(issuer.private_key.public_key())
    assert abs(len(native.encoded) - len(encoded)) <= 2
    for read in (lambda one: one.subject, lambda one: one.serial_number, public_key, lambda one: list(one.extensions)):
        assert read(native.view) == read(certificate)


@given(endpoints, st.sampled_from(KeyKind), st.none() | texts)
def test_any_request_of_a_device_comes_back(endpoint: str, kind: KeyKind, password: str | None) -> None:
    csr = request_natively(KEYS[kind], common_name(endpoint), challenge_password=password)
    csr.verify_possession()
    assert endpoint_name(csr.view) == endpoint
    assert csr.challenge_password == password
