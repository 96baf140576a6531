"""Endpoint names: one reading, no folding."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cose.keys import generate_private_key
from device_pki.issue import operational_device
from device_pki.names import EndpointNameError, check_endpoint_name, device_subject, endpoint_name
from tests.device_pki.builders import YEAR, root

CN, SERIAL = NameOID.COMMON_NAME, NameOID.SERIAL_NUMBER
AUTHORITY = root()
KEY = generate_private_key().public_key()


def certificate(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    return operational_device(AUTHORITY.issuer, KEY, subject, YEAR)


def test_the_serial_number_goes_before_the_common_name() -> None:
    assert endpoint_name(certificate((CN, "other"), (SERIAL, "dev-1"))) == "dev-1"


def test_the_common_name_is_the_second_choice() -> None:
    assert endpoint_name(certificate((CN, "urn:dev:os:32473-1"))) == "urn:dev:os:32473-1"


def test_both_are_written() -> None:
    assert [a.value for a in device_subject("dev-1")] == ["dev-1", "dev-1"]


def test_a_name_with_an_underscore_is_in_the_common_name_alone() -> None:
    issued = operational_device(AUTHORITY.issuer, KEY, device_subject("dev_1"), YEAR)
    assert [a.oid for a in issued.subject] == [CN]
    assert endpoint_name(issued) == "dev_1"


@pytest.mark.parametrize(
    "attributes",
    [
        [(SERIAL, "a"), (SERIAL, "b")],
        [(CN, "a"), (CN, "a")],
        [(SERIAL, "a b"), (CN, "good")],
        [(CN, "ä")],
        [(NameOID.ORGANIZATION_NAME, "nobody")],
        [],
    ],
)
def test_a_subject_without_exactly_one_name_has_none(attributes: list[tuple[x509.ObjectIdentifier, str]]) -> None:
    with pytest.raises(EndpointNameError):
        endpoint_name(certificate(*attributes))


@given(st.text(max_size=70))
def test_a_name_is_taken_unchanged_or_not_at_all(text: str) -> None:
    try:
        assert check_endpoint_name(text) is text
    except EndpointNameError:
        return
    assert 1 <= len(text) <= 64
    assert text.isascii() and not set(text) - set("-._:") - set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    )
