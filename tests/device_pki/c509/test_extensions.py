"""Every registered extension in its compact form, and DER wherever that form cannot say the same exactly."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from cose.cbor import Tagged, encode
from device_pki.c509 import C509Error, C509Reason, decode_certificate, encode_certificate, sign_natively
from device_pki.c509.der import octets_of_oid
from device_pki.c509.registry import Extension
from device_pki.hardware import hardware_module_name
from tests.device_pki.builders import HARDWARE
from tests.device_pki.c509.samples import KEY, NAME, certificate, items, raw

OWN = x509.ObjectIdentifier("1.3.6.1.4.1.5555.9")
OTHER_NAME = x509.OtherName(OWN, b"\x0c\x01x")
HOST = x509.DNSName("example.com")
SURNAME = x509.Name([x509.NameAttribute(NameOID.SURNAME, "x")])
IPV4, IPV6 = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("2001:db8::1")


def usage(*names: str) -> x509.KeyUsage:
    """A key usage with these bits."""
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in names for bit in bits})


def uri(location: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(location)


def point(
    *locations: str, reasons: frozenset[x509.ReasonFlags] | None = None, issuer: x509.Name | None = None
) -> x509.DistributionPoint:
    names = None if issuer is None else [x509.DirectoryName(issuer)]
    return x509.DistributionPoint([uri(location) for location in locations], None, reasons, names)


def policy(oid: str, *qualifiers: str | x509.UserNotice) -> x509.PolicyInformation:
    return x509.PolicyInformation(x509.ObjectIdentifier(oid), list(qualifiers) or None)


COMPACT: list[tuple[x509.ExtensionType, Any]] = [
    (x509.SubjectKeyIdentifier(b"\1\2\3"), [1, b"\1\2\3"]),
    (usage("digital_signature", "content_commitment", "key_encipherment", "key_agreement"), 23),
    (usage("key_agreement", "decipher_only"), 0x110),
    (x509.SubjectAlternativeName([HOST]), [3, "example.com"]),
    (x509.SubjectAlternativeName([HOST, x509.DNSName("a.org")]), [3, [2, "example.com", 2, "a.org"]]),
    (x509.SubjectAlternativeName([x509.RFC822Name("a@b.c")]), [3, [1, "a@b.c"]]),
    (x509.SubjectAlternativeName([x509.DirectoryName(NAME)]), [3, [4, "Some CA"]]),
    (x509.SubjectAlternativeName([x509.DirectoryName(SURNAME)]), [3, [4, [2, "x"]]]),
    (x509.SubjectAlternativeName([uri("coap://x"), x509.IPAddress(IPV4)]), [3, [6, "coap://x", 7, IPV4.packed]]),
    (x509.SubjectAlternativeName([x509.RegisteredID(OWN)]), [3, [8, octets_of_oid(OWN)]]),
    (x509.SubjectAlternativeName([OTHER_NAME]), [3, [0, [octets_of_oid(OWN), b"\x0c\x01x"]]]),
    (
        x509.SubjectAlternativeName([hardware_module_name(HARDWARE, b"\x01")]),
        [3, [-1, [octets_of_oid(HARDWARE), b"\x01"]]],
    ),
    (
        x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x0c\x01x")]),
        [3, [-2, "x"]],
    ),
    (
        x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.12"), b"\x04\x06123456")]),
        [3, [-3, b"123456"]],
    ),
    (x509.BasicConstraints(ca=False, path_length=None), [4, -2]),
    (x509.BasicConstraints(ca=True, path_length=None), [4, -1]),
    (x509.BasicConstraints(ca=True, path_length=3), [4, 3]),
    (x509.CRLDistributionPoints([point("http://a")]), [5, "http://a"]),
    (x509.CRLDistributionPoints([point("http://a", "http://b")]), [5, [[["http://a", "http://b"], None, None]]]),
    (
        x509.CRLDistributionPoints(
            [point("http://a", reasons=frozenset({x509.ReasonFlags.key_compromise}), issuer=NAME), point("http://b")]
        ),
        [5, [["http://a", 2, "Some CA"], ["http://b", None, None]]],
    ),
    (x509.FreshestCRL([point("http://a")]), [29, "http://a"]),
    (
        x509.CertificatePolicies([policy("2.5.29.32.0"), policy("1.3.6.1.4.1.5555.9")]),
        [6, [0, [], octets_of_oid(OWN), []]],
    ),
    (
        x509.CertificatePolicies([policy("2.23.140.1.2.1", "http://cps", x509.UserNotice(None, "be warned"))]),
        [6, [1, [1, "http://cps", 2, "be warned"]]],
    ),
    (x509.AuthorityKeyIdentifier(b"\1", None, None), [7, b"\1"]),
    (x509.AuthorityKeyIdentifier(b"\1", [x509.DirectoryName(NAME)], 258), [7, [b"\1", [4, "Some CA"], b"\1\2"]]),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), [8, 2]),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.OCSP_SIGNING]), [8, [3, 9]]),
    (x509.ExtendedKeyUsage([OWN]), [8, octets_of_oid(OWN)]),
    (
        x509.AuthorityInformationAccess(
            [
                x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri("http://o")),
                x509.AccessDescription(OWN, uri("x:")),
            ]
        ),
        [9, [1, "http://o", octets_of_oid(OWN), "x:"]],
    ),
    (
        x509.SubjectInformationAccess(
            [x509.AccessDescription(x509.ObjectIdentifier("1.3.6.1.5.5.7.48.5"), uri("rsync://r"))]
        ),
        [31, [5, "rsync://r"]],
    ),
    # subjectDirectoryAttributes: surname "a", "b" as UTF8String
    (raw("2.5.29.9", "300f 300d 0603550404 3106 0c0161 0c0162"), [24, [2, ["a", "b"]]]),
    (x509.IssuerAlternativeName([HOST]), [25, "example.com"]),
    (
        x509.NameConstraints([x509.DNSName(".example.com"), x509.DirectoryName(NAME)], [uri("example.org")]),
        [26, [[2, ".example.com", 4, "Some CA"], [6, "example.org"]]],
    ),
    (
        x509.NameConstraints(
            None,
            [
                x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")),
                x509.IPAddress(ipaddress.ip_network("2001:db8::/32")),
            ],
        ),
        [26, [None, [7, bytes.fromhex("c000020018"), 7, ipaddress.ip_address("2001:db8::").packed + b"\x20"]]],
    ),
    (raw("2.5.29.33", "300e 300c 0604551d2000 060467810c01"), [27, [0, bytes.fromhex("67810c01")]]),
    (x509.PolicyConstraints(1, None), [28, [1, None]]),
    (x509.PolicyConstraints(None, 0), [28, [None, 0]]),
    (x509.InhibitAnyPolicy(3), [30, 3]),
    (raw("1.3.6.1.5.5.7.1.7", "3008 3006 0402 0001 0500"), [32, [1, None, None]]),
    (raw("1.3.6.1.5.5.7.1.7", "300d 300b 0403000201 3004 0302 0520"), [32, [2, 1, [0x0620]]]),
    (raw("1.3.6.1.5.5.7.1.8", "3004 a002 0500"), [33, None]),
    (raw("1.3.6.1.5.5.7.1.8", "3012 a010 300e 02010a 3006 020114 02011e 020120"), [33, [10, [10, 10], 2]]),
    (raw("1.3.6.1.5.5.7.1.28", "3008 3006 0402 0001 0500"), [34, [1, None, None]]),
    (raw("1.3.6.1.5.5.7.1.29", "3004 a002 0500"), [35, None]),
    (x509.OCSPNoCheck(), [36, None]),
    (x509.PrecertPoison(), [37, None]),
    (x509.TLSFeature([x509.TLSFeatureType.status_request]), [38, [5]]),
]


@pytest.mark.parametrize(("extension", "expected"), COMPACT)
def test_an_extension_in_its_compact_form(extension: x509.ExtensionType, expected: Any) -> None:
    issued = certificate((extension, False))
    assert items(issued)[9] == expected
    assert decode_certificate(encode_certificate(issued)).to_x509() == issued
    native = sign_natively(issued, KEY)
    assert native.view.extensions[0].value == issued.extensions[0].value


@pytest.mark.parametrize(("extension", "expected"), COMPACT)
def test_a_critical_extension_has_a_negative_number(extension: x509.ExtensionType, expected: Any) -> None:
    issued = certificate((extension, True))
    negative = -expected if isinstance(expected, int) else [-expected[0], expected[1]]
    assert items(issued)[9] == negative
    assert decode_certificate(encode_certificate(issued)).to_x509() == issued


def test_every_registered_extension_is_tested() -> None:
    tested = {Extension.of(extension.oid) for extension, _ in COMPACT}
    assert tested == set(Extension)


AS_DER: list[x509.ExtensionType] = [
    x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(NAME)], 1),
    x509.CertificatePolicies([policy("2.5.29.32.0", x509.UserNotice(x509.NoticeReference("org", [1]), "text"))]),
    x509.CRLDistributionPoints([x509.DistributionPoint(None, SURNAME.rdns[0], None, None)]),
    x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, HOST)]),
    x509.SubjectAlternativeName([x509.DirectoryName(x509.Name([x509.RelativeDistinguishedName([*NAME, *SURNAME])]))]),
    raw("2.5.29.17", "3005 a303 300100"),  # x400Address
    x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x16\x01x")]),
    x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.12"), b"\x04\x01x")]),
    raw("2.5.29.15", "03020080"),  # bits with a trailing zero
    raw("2.5.29.19", "3003 010100"),  # cA FALSE written out
    raw("2.5.29.30", "3010 a00e 300c 870ac0000200ff00ff00"),  # a mask with holes
    raw("1.3.6.1.5.5.7.1.8", "3008 a002 0500 a102 0500"),  # routing domain identifiers
    raw("1.3.6.1.5.5.7.1.7", "3000"),
    raw("1.3.6.1.4.1.5555.9", "0500"),
    raw("1.3.6.1.5.5.7.48.1.5", "0400"),
]


@pytest.mark.parametrize("extension", AS_DER)
@pytest.mark.parametrize("critical", [False, True])
def test_what_has_no_compact_form_stays_der(extension: x509.ExtensionType, critical: bool) -> None:
    issued = certificate((extension, critical))
    value = extension.public_bytes()
    assert items(issued)[9] == [octets_of_oid(extension.oid), [value] if critical else value]
    assert decode_certificate(encode_certificate(issued)).to_x509() == issued


@pytest.mark.parametrize("extension", [extension for extension in AS_DER if Extension.of(extension.oid)])
def test_natively_signed_certificates_have_compact_forms_alone(extension: x509.ExtensionType) -> None:
    with pytest.raises(C509Error):
        sign_natively(certificate((extension, False)), KEY)


def test_the_example_of_four_extensions() -> None:
    issued = certificate(
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (usage("digital_signature", "content_commitment", "key_encipherment", "key_agreement"), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.OCSP_SIGNING]), False),
        (x509.SubjectAlternativeName([HOST]), False),
    )
    assert items(issued)[9] == [-4, -1, 2, 23, 8, [3, 9], 3, "example.com"]


def test_no_extension_is_an_empty_array() -> None:
    assert items(certificate())[9] == []


@pytest.mark.parametrize(
    "field",
    [
        [item for _ in range(257) for item in (b"\x2b", b"")],
        [3, [2, ""] * 257],
        [3, [4, []] * 257],
        [3, [4, [1, ""] * 257]],
        [6, [1, []] * 257],
        [9, [1, ""] * 257],
        [24, [1, [""]] * 257],
        [27, [0, 0] * 257],
    ],
)
def test_what_is_cheap_once_is_not_taken_a_thousand_times(field: Any) -> None:
    sequence = items(certificate())
    sequence[9] = field
    with pytest.raises(C509Error) as refused:
        decode_certificate(b"".join(encode(item) for item in sequence))
    assert refused.value.reason is C509Reason.TOO_LARGE


@pytest.mark.parametrize(
    "field",
    [
        True,
        "x",
        [1],
        [99, b""],
        [0, b""],
        [True, b""],
        [1, "text"],
        [2, -1],
        [2, 1 << 20],
        [3, [99, "x"]],
        [3, [2, "é"]],
        [3, [2, "a", 2]],
        [3, [2, "only.one"]],
        [3, [7, "x"]],
        [3, [4, [1]]],
        [3, [4, Tagged(48, b"12345")]],
        [3, [-1, [b"\x2b", "x"]]],
        [3, []],
        [4, -3],
        [5, [["a"]]],
        [5, [[[], None, None]]],
        [6, [1]],
        [6, [1, [3, "x"]]],
        [7, [b"", []]],
        [8, []],
        [8, [2]],
        [8, b"\x80"],
        [26, [[7, b"\xc0\0\2\0\x21"], None]],
        [26, [[7, b"\xc0\0\2\0\xff\xff\xff\0"], None]],
        [27, []],
        [32, [1, None]],
        [32, [70000, None, None]],
        [32, [1, 256, None]],
        [32, [1, None, [0]]],
        [32, [1, None, [-1]]],
        [32, [1, None, [b""]]],
        [32, [1, None, [b"\x08\x01"]]],
        [33, [5, -6]],
        [33, 0],
        [36, 0],
        [38, [-1]],
        [b"\x55\x1d\x0e", b"\x04\x01a"],  # a registered extension as DER
        [b"\x2b", [b"", b""]],
        [b"\x2b", "x"],
        [1, {}],
    ],
)
def test_other_fields_are_refused(field: Any) -> None:
    sequence = items(certificate())
    sequence[9] = field
    with pytest.raises(C509Error):
        decode_certificate(b"".join(encode(item) for item in sequence))
