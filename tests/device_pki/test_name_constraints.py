"""Name constraints (RFC 5280 4.2.1.10): each form of name, and whole paths."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from cose.keys import generate_private_key
from device_pki.hardware import hardware_module_name
from device_pki.issue import Issuer, intermediate_ca, operational_device, server
from device_pki.name_constraints import violation
from device_pki.path import PathError, PathReason, verify_path
from device_pki.roles import Role
from tests.device_pki.builders import HARDWARE, NOW, YEAR, root
from tests.device_pki.c509.samples import certificate

URI = x509.UniformResourceIdentifier
NETWORK = ipaddress.ip_network
OWN = x509.ObjectIdentifier("1.3.6.1.4.1.5555.9")


def subject(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


ORGANIZATION = subject((NameOID.ORGANIZATION_NAME, "Example  Inc"))
MEMBER = subject((NameOID.ORGANIZATION_NAME, "EXAMPLE inc"), (NameOID.COMMON_NAME, "device-1"))
OTHER = subject((NameOID.ORGANIZATION_NAME, "Other"), (NameOID.COMMON_NAME, "device-1"))


def matches(tree: x509.GeneralName, name: x509.GeneralName) -> bool:
    """Whether a name is beneath a subtree: permitted then, and else excluded."""
    extension = (x509.SubjectAlternativeName([name]), False)
    named = certificate(extension, subject=x509.Name([]))
    permitted = violation(x509.NameConstraints([tree], None), named) is None
    excluded = violation(x509.NameConstraints(None, [tree]), named) is not None
    assert permitted == excluded
    return permitted


@pytest.mark.parametrize(
    ("tree", "name", "beneath"),
    [
        (x509.DNSName("example.com"), x509.DNSName("example.com"), True),
        (x509.DNSName("example.com"), x509.DNSName("a.b.EXAMPLE.com"), True),
        (x509.DNSName("example.com"), x509.DNSName("badexample.com"), False),
        (x509.DNSName(".example.com"), x509.DNSName("a.example.com"), True),
        (x509.DNSName(".example.com"), x509.DNSName("example.com"), False),
        (x509.DNSName(""), x509.DNSName("any.org"), True),
        (x509.RFC822Name("a@example.com"), x509.RFC822Name("a@EXAMPLE.com"), True),
        (x509.RFC822Name("a@example.com"), x509.RFC822Name("A@example.com"), False),
        (x509.RFC822Name("example.com"), x509.RFC822Name("b@example.com"), True),
        (x509.RFC822Name("example.com"), x509.RFC822Name("b@a.example.com"), False),
        (x509.RFC822Name(".example.com"), x509.RFC822Name("b@a.example.com"), True),
        (URI("example.com"), URI("coaps://example.com:5684/rd"), True),
        (URI("example.com"), URI("coaps://a.example.com/"), False),
        (URI(".example.com"), URI("coaps://a.example.com/"), True),
        (URI("example.com"), URI("coaps://example.com@other.org/"), False),
        (x509.IPAddress(NETWORK("192.0.2.0/24")), x509.IPAddress(ipaddress.ip_address("192.0.2.77")), True),
        (x509.IPAddress(NETWORK("192.0.2.0/24")), x509.IPAddress(ipaddress.ip_address("192.0.3.1")), False),
        (x509.IPAddress(NETWORK("2001:db8::/32")), x509.IPAddress(ipaddress.ip_address("2001:db8:1::1")), True),
        (x509.IPAddress(NETWORK("0.0.0.0/0")), x509.IPAddress(ipaddress.ip_address("::1")), False),
        (x509.DirectoryName(ORGANIZATION), x509.DirectoryName(MEMBER), True),
        (x509.DirectoryName(ORGANIZATION), x509.DirectoryName(OTHER), False),
        (x509.DirectoryName(MEMBER), x509.DirectoryName(ORGANIZATION), False),
    ],
)
def test_names_beneath_subtrees(tree: x509.GeneralName, name: x509.GeneralName, beneath: bool) -> None:
    assert matches(tree, name) is beneath


@pytest.mark.parametrize(
    ("tree", "name"),
    [
        (x509.RegisteredID(OWN), x509.RegisteredID(OWN)),
        (x509.OtherName(OWN, b"\5\0"), hardware_module_name(HARDWARE, b"1")),
        (URI("example.com"), URI("coaps://192.0.2.1/")),
        (URI("example.com"), URI("coaps://[::1]/")),
        (URI("example.com"), URI("coaps://[/")),
        (URI("example.com"), URI("urn:dev:ops:1")),
    ],
)
def test_a_constrained_form_that_cannot_be_judged_is_refused(tree: x509.GeneralName, name: x509.GeneralName) -> None:
    named = certificate((x509.SubjectAlternativeName([name]), False))
    for constraints in (x509.NameConstraints([tree], None), x509.NameConstraints(None, [tree])):
        assert violation(constraints, named) is not None


def test_a_form_without_constraints_is_free() -> None:
    named = certificate((x509.SubjectAlternativeName([x509.DNSName("any.org"), x509.RegisteredID(OWN)]), False))
    assert violation(x509.NameConstraints([x509.RFC822Name("example.com")], [URI("example.com")]), named) is None


def test_excluded_counts_more_than_permitted() -> None:
    named = certificate((x509.SubjectAlternativeName([x509.DNSName("a.example.com")]), False))
    constraints = x509.NameConstraints([x509.DNSName("example.com")], [x509.DNSName("a.example.com")])
    assert "excluded" in str(violation(constraints, named))


def test_an_address_in_the_subject_counts_too() -> None:
    named = certificate(subject=subject((NameOID.EMAIL_ADDRESS, "a@other.org")))
    assert violation(x509.NameConstraints([x509.RFC822Name("example.com")], None), named) is not None


class TestPaths:
    """A CA that may issue for some names only."""

    ROOT = root()
    KEY = generate_private_key()
    CONSTRAINTS = x509.NameConstraints(
        [x509.DirectoryName(ORGANIZATION), x509.DNSName("example.com")], [x509.IPAddress(NETWORK("0.0.0.0/0"))]
    )
    CA = Issuer(intermediate_ca(ROOT.issuer, KEY.public_key(), "Constrained", YEAR, constraints=CONSTRAINTS), KEY)

    def verify(
        self, leaf: x509.Certificate, role: Role, host: str | None = None, above: Sequence[x509.Certificate] = ()
    ) -> None:
        presented = [*above, self.CA.certificate]
        verify_path(leaf, presented, anchors=[self.ROOT.certificate], role=role, now=NOW, host=host)

    def refusal(self, leaf: x509.Certificate, role: Role, host: str | None = None) -> PathReason:
        with pytest.raises(PathError) as refused:
            self.verify(leaf, role, host)
        return refused.value.reason

    def test_devices_of_the_organization_pass_and_others_do_not(self) -> None:
        key = generate_private_key().public_key()
        self.verify(operational_device(self.CA, key, MEMBER, YEAR), Role.OPERATIONAL_DEVICE)
        other = operational_device(self.CA, key, OTHER, YEAR)
        assert self.refusal(other, Role.OPERATIONAL_DEVICE) is PathReason.NAME_CONSTRAINTS

    def test_a_server_outside_of_the_organization_is_refused_for_its_subject(self) -> None:
        key = generate_private_key().public_key()
        made = server(self.CA, key, "s", ["a.example.com"], YEAR)
        assert self.refusal(made, Role.SERVER, "a.example.com") is PathReason.NAME_CONSTRAINTS

    def test_a_ca_beneath_is_constrained_as_its_leaves_are(self) -> None:
        key = generate_private_key()
        below = Issuer(intermediate_ca(self.CA, key.public_key(), "Below", YEAR), key)
        leaf = operational_device(below, generate_private_key().public_key(), MEMBER, YEAR)
        with pytest.raises(PathError) as refused:
            self.verify(leaf, Role.OPERATIONAL_DEVICE, above=[below.certificate])
        assert refused.value.reason is PathReason.NAME_CONSTRAINTS

    def test_an_anchor_is_as_constrained_as_any_ca(self) -> None:
        leaf = operational_device(self.CA, generate_private_key().public_key(), OTHER, YEAR)
        with pytest.raises(PathError) as refused:
            verify_path(leaf, [], anchors=[self.CA.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW)
        assert refused.value.reason is PathReason.NAME_CONSTRAINTS
