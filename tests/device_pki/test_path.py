"""Path validation: every role in every hierarchy, and each trap by its reason."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from cose.keys import KeyKind, generate_private_key
from device_pki.certificates import CertificateError, load_certificate
from device_pki.fingerprints import der, fingerprint
from device_pki.identity import PeerIdentity
from device_pki.issue import Issuer, Validity, common_name, est_server, intermediate_ca, server, signer
from device_pki.path import PathError, PathReason, VerifiedPath, verify_path
from device_pki.roles import CLIENT_AUTH, Role
from tests.device_pki.builders import NOW, YEAR, Authority, hierarchy, root

KEY = generate_private_key()
PUBLIC = KEY.public_key()


def verify(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate] = (),
    *,
    anchor: Authority,
    role: Role,
    host: str | None = None,
    now: datetime = NOW,
    must_contain: Collection[bytes] = (),
) -> VerifiedPath:
    return verify_path(
        leaf, intermediates, anchors=[anchor.certificate], role=role, now=now, host=host, must_contain=must_contain
    )


def refusal(leaf: x509.Certificate, intermediates: Sequence[x509.Certificate] = (), **options: object) -> PathReason:
    with pytest.raises(PathError) as refused:
        verify(leaf, intermediates, **options)  # type: ignore[arg-type]
    return refused.value.reason


class TestHierarchies:
    """Fig. 1 a-d of the paper."""

    @pytest.mark.parametrize("letter", "abcd")
    def test_each_role_ends_at_its_own_ca(self, letter: str) -> None:
        world = hierarchy(letter)
        device = world.permanent.device("dev-1")
        operational = world.ca1.operational(device).certificate
        est = est_server(world.ca1.issuer, PUBLIC, "CA1 EST", ["127.0.0.1"], YEAR)
        verify(device.certificate, anchor=world.permanent, role=Role.FACTORY_DEVICE)
        verify(operational, anchor=world.ca1, role=Role.OPERATIONAL_DEVICE)
        verify(est, world.ca1.chain[:-1], anchor=world.ca1, role=Role.EST_SERVER, host="127.0.0.1")

    @pytest.mark.parametrize("letter", "abcd")
    def test_the_other_operational_ca_is_not_believed(self, letter: str) -> None:
        world = hierarchy(letter)
        operational = world.ca2.operational(world.permanent.device("dev-1")).certificate
        presented = world.ca2.chain
        assert refusal(operational, presented, anchor=world.ca1, role=Role.OPERATIONAL_DEVICE) is PathReason.NO_PATH

    @pytest.mark.parametrize("letter", "bcd")
    def test_an_operational_certificate_is_no_factory_certificate(self, letter: str) -> None:
        world = hierarchy(letter)
        operational = world.ca1.operational(world.permanent.device("dev-1")).certificate
        presented = world.ca1.chain[:-1]
        reason = refusal(operational, presented, anchor=world.permanent, role=Role.FACTORY_DEVICE)
        assert reason is PathReason.NOT_DIRECT

    @pytest.mark.parametrize("letter", "cd")
    def test_a_ca_beneath_the_permanent_one_can_be_demanded(self, letter: str) -> None:
        world = hierarchy(letter)
        est = est_server(world.ca2.issuer, PUBLIC, "CA2 EST", ["127.0.0.1"], YEAR)
        presented = world.ca2.chain[:-1]
        named = fingerprint(world.ca2.certificate)
        path = verify_path(
            est,
            presented,
            anchors=[world.permanent.certificate],
            role=Role.EST_SERVER,
            now=NOW,
            host="127.0.0.1",
            must_contain=[named],
        )
        assert path.chain == (est, *world.ca2.chain)
        other = [fingerprint(world.ca1.certificate)]
        options = {"anchor": world.permanent, "role": Role.EST_SERVER, "host": "127.0.0.1", "must_contain": other}
        assert refusal(est, presented, **options) is PathReason.MUST_CONTAIN

    def test_an_endorser_is_certified_by_the_permanent_ca_itself(self) -> None:
        world = hierarchy("c")
        own = signer(world.permanent.issuer, PUBLIC, "SP2", Role.TRANSFER_SIGNER, YEAR)
        foreign = signer(world.ca2.issuer, PUBLIC, "SP2", Role.TRANSFER_SIGNER, YEAR)
        verify(own, anchor=world.permanent, role=Role.TRANSFER_SIGNER)
        reason = refusal(foreign, world.ca2.chain[:1], anchor=world.permanent, role=Role.TRANSFER_SIGNER)
        assert reason is PathReason.NOT_DIRECT


class TestRoles:
    """A certificate is good for its own role alone."""

    CA = root()
    DEVICE = CA.device("dev-1")
    CERTIFICATES: ClassVar = {
        Role.FACTORY_DEVICE: DEVICE.certificate,
        Role.SERVER: server(CA.issuer, PUBLIC, "SP1", ["sp1.example"], YEAR),
        Role.EST_SERVER: est_server(CA.issuer, PUBLIC, "CA1", ["sp1.example"], YEAR),
        Role.CA: CA.sub("CA1").certificate,
        Role.TRANSFER_SIGNER: signer(CA.issuer, PUBLIC, "t", Role.TRANSFER_SIGNER, YEAR),
        Role.DOCUMENT_SIGNER: signer(CA.issuer, PUBLIC, "d", Role.DOCUMENT_SIGNER, YEAR),
        Role.FIRMWARE_SIGNER: signer(CA.issuer, PUBLIC, "f", Role.FIRMWARE_SIGNER, YEAR),
    }
    ALLOWED = {(role, role) for role in CERTIFICATES} | {
        (Role.EST_SERVER, Role.SERVER),  # an EST server is a server
        (Role.FACTORY_DEVICE, Role.OPERATIONAL_DEVICE),  # told apart by the anchor, registry.md
    }

    @pytest.mark.parametrize("held", CERTIFICATES)
    @pytest.mark.parametrize("wanted", Role)
    def test_roles_do_not_mix(self, held: Role, wanted: Role) -> None:
        certificate = self.CERTIFICATES[held]
        if (held, wanted) in self.ALLOWED:
            assert verify(certificate, anchor=self.CA, role=wanted, host="sp1.example").role is wanted
        else:
            reason = refusal(certificate, anchor=self.CA, role=wanted, host="sp1.example")
            assert reason in {
                PathReason.EXTENDED_KEY_USAGE,
                PathReason.LEAF_IS_CA,
                PathReason.LEAF_IS_NO_CA,
                PathReason.NAME,
            }

    @pytest.mark.parametrize("host", [None, "", "sp2.example", "*.example", "sp1.example.", "example", "127.0.0.1"])
    def test_a_server_answers_for_its_hosts_alone(self, host: str | None) -> None:
        certificate = self.CERTIFICATES[Role.SERVER]
        assert refusal(certificate, anchor=self.CA, role=Role.SERVER, host=host) is PathReason.HOST

    @pytest.mark.parametrize("host", ["sp1.example", "SP1.Example"])
    def test_letter_case_of_a_host_does_not_matter(self, host: str) -> None:
        verify(self.CERTIFICATES[Role.SERVER], anchor=self.CA, role=Role.SERVER, host=host)

    def test_an_address_matches_by_value(self) -> None:
        certificate = server(self.CA.issuer, PUBLIC, "SP1", ["2001:db8::1"], YEAR)
        verify(certificate, anchor=self.CA, role=Role.SERVER, host="[2001:db8:0::1]")

    def test_the_identity_names_the_device(self) -> None:
        path = verify(self.DEVICE.certificate, anchor=self.CA, role=Role.FACTORY_DEVICE)
        identity = PeerIdentity.of(path)
        assert (identity.endpoint, identity.role, identity.anchor) == (
            "dev-1",
            Role.FACTORY_DEVICE,
            self.CA.certificate,
        )
        assert PeerIdentity.of(verify(self.CERTIFICATES[Role.CA], anchor=self.CA, role=Role.CA)).endpoint is None


NO_CA = x509.BasicConstraints(False, None)


def crafted(
    authority: Authority,
    *,
    basic: x509.BasicConstraints | None = NO_CA,
    usage: x509.KeyUsage | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = ((x509.ExtendedKeyUsage([CLIENT_AUTH]), False),),
    key: x509.base.CertificatePublicKeyTypes = PUBLIC,  # type: ignore[name-defined]
) -> x509.Certificate:
    """A device's certificate as no decent CA would issue it."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(common_name("dev-1"))
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(1)
        .not_valid_before(YEAR.not_before)
        .not_valid_after(YEAR.not_after)
    )
    extensions = [(basic, True), (usage, True), *extra]
    for value, critical in extensions:
        if value is not None:
            builder = builder.add_extension(value, critical)
    return builder.sign(authority.issuer.private_key, hashes.SHA256())


def key_usage(*, sign: bool = True, certificates: bool = False, lists: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(sign, False, False, False, False, certificates, lists, False, False)


class TestTraps:
    """What x509.verification or a careless reader lets pass."""

    CA = root()
    SIGNS = key_usage()

    def refused(self, leaf: x509.Certificate, intermediates: Sequence[x509.Certificate] = ()) -> PathReason:
        return refusal(leaf, intermediates, anchor=self.CA, role=Role.OPERATIONAL_DEVICE)

    def test_the_crafted_certificate_is_good_by_itself(self) -> None:
        verify(crafted(self.CA, usage=self.SIGNS), anchor=self.CA, role=Role.OPERATIONAL_DEVICE)

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"basic": x509.BasicConstraints(True, None), "usage": key_usage()}, PathReason.LEAF_IS_CA),
            ({"usage": None}, PathReason.KEY_USAGE),
            ({"usage": key_usage(sign=False, lists=True)}, PathReason.KEY_USAGE),
            ({"usage": key_usage(certificates=True)}, PathReason.KEY_USAGE),
            ({"usage": key_usage(lists=True)}, PathReason.KEY_USAGE),
            ({"usage": key_usage(), "extra": ()}, PathReason.EXTENDED_KEY_USAGE),
            (
                {
                    "usage": key_usage(),
                    "extra": [(x509.UnrecognizedExtension(x509.ExtendedKeyUsage.oid, b"0\0"), False)],
                },
                PathReason.MALFORMED,  # an empty list is no ExtKeyUsageSyntax (RFC 5280 4.2.1.12)
            ),
            (
                {"usage": key_usage(), "extra": [(x509.NameConstraints([x509.DNSName("a")], None), True)]},
                PathReason.NAME_CONSTRAINTS,
            ),
            (
                {
                    "usage": key_usage(),
                    "extra": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), True)],
                },
                PathReason.CRITICAL_EXTENSION,
            ),
        ],
    )
    def test_a_leaf_that_is_not_one_is_refused_by_name(self, options: dict[str, object], reason: PathReason) -> None:
        assert self.refused(crafted(self.CA, **options)) is reason  # type: ignore[arg-type]

    @pytest.mark.parametrize("curve", [ec.SECP521R1(), ec.SECP256K1(), ec.SECP224R1()])
    def test_other_curves_are_refused(self, curve: ec.EllipticCurve) -> None:
        key = ec.generate_private_key(curve).public_key()
        assert self.refused(crafted(self.CA, usage=self.SIGNS, key=key)) is PathReason.KEY_KIND

    def test_rsa_is_refused(self) -> None:
        key = rsa.generate_private_key(65537, 2048).public_key()
        assert self.refused(crafted(self.CA, usage=self.SIGNS, key=key)) is PathReason.KEY_KIND

    def test_sha1_is_no_signature_algorithm(self) -> None:
        good = der(crafted(self.CA, usage=self.SIGNS))
        # ecdsa-with-SHA256 1.2.840.10045.4.3.2 -> ecdsa-with-SHA224 ...3.1
        weak = good.replace(bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d040301"))
        assert self.refused(x509.load_der_x509_certificate(weak)) is PathReason.SIGNATURE_ALGORITHM

    def test_time_is_checked_in_the_whole_path(self) -> None:
        ca1 = self.CA.sub("CA1")
        leaf = ca1.operational(self.CA.device("dev-1"), Validity.unlimited(NOW)).certificate
        options = {"anchor": self.CA, "role": Role.OPERATIONAL_DEVICE}
        later, before = NOW + timedelta(days=366), NOW - timedelta(days=1)
        assert refusal(leaf, [ca1.certificate], now=later, **options) is PathReason.EXPIRED  # the anchor has ended
        assert refusal(leaf, [ca1.certificate], now=before, **options) is PathReason.NOT_YET_VALID

    def test_an_expired_intermediate_makes_no_path(self) -> None:
        key = generate_private_key()
        short = Validity.lasting(NOW, timedelta(seconds=10))
        ca1 = Authority(Issuer(intermediate_ca(self.CA.issuer, key.public_key(), "CA1", short), key))
        leaf = ca1.operational(self.CA.device("dev-1")).certificate
        verify(leaf, [ca1.certificate], anchor=self.CA, role=Role.OPERATIONAL_DEVICE)
        options = {"anchor": self.CA, "role": Role.OPERATIONAL_DEVICE}
        assert refusal(leaf, [ca1.certificate], now=NOW + timedelta(minutes=1), **options) is PathReason.NO_PATH

    def test_a_leaf_is_no_anchor(self) -> None:
        leaf = crafted(self.CA, usage=self.SIGNS)
        with pytest.raises(PathError):
            verify_path(leaf, [], anchors=[leaf], role=Role.OPERATIONAL_DEVICE, now=NOW)
        ca = self.CA.certificate
        with pytest.raises(PathError):
            verify_path(ca, [], anchors=[ca], role=Role.CA, now=NOW)

    def test_an_end_entity_signs_no_certificates(self) -> None:
        device = self.CA.device("dev-1")
        forger = Authority(Issuer(device.certificate, device.key))
        assert self.refused(forger.operational(device).certificate, [device.certificate]) is PathReason.NO_PATH

    def test_the_path_length_is_kept(self) -> None:
        tight = root("tight", path_length=0)
        below = tight.sub("below")
        leaf = below.operational(self.CA.device("dev-1")).certificate
        options = {"anchor": tight, "role": Role.OPERATIONAL_DEVICE}
        assert refusal(leaf, [below.certificate], **options) is PathReason.NO_PATH
        verify(tight.operational(self.CA.device("dev-1")).certificate, anchor=tight, role=Role.OPERATIONAL_DEVICE)

    def test_four_certificates_are_the_longest_path(self) -> None:
        two = self.CA.sub("2")
        three = two.sub("3")
        four = three.sub("4")
        device = self.CA.device("dev-1")
        verify(three.operational(device).certificate, three.chain[:-1], anchor=self.CA, role=Role.OPERATIONAL_DEVICE)
        assert self.refused(four.operational(device).certificate, four.chain[:-1]) is PathReason.NO_PATH
        assert self.refused(four.operational(device).certificate, four.chain) is PathReason.TOO_MANY

    def test_eight_kibibytes_are_the_most(self) -> None:
        padding = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(8192))
        leaf = crafted(self.CA, usage=self.SIGNS, extra=[(padding, False)])
        assert self.refused(leaf) is PathReason.TOO_LARGE

    def test_a_name_alone_makes_no_issuer(self) -> None:
        impostor = root()
        assert impostor.certificate.subject == self.CA.certificate.subject
        leaf = impostor.operational(self.CA.device("dev-1")).certificate
        assert self.refused(leaf, [impostor.certificate]) is PathReason.NO_PATH

    @pytest.mark.parametrize("kind", KeyKind)
    def test_each_kind_of_key_makes_a_path(self, kind: KeyKind) -> None:
        top = root(kind=kind)
        below = top.sub("CA1", kind=kind)
        leaf = below.operational(top.device("dev-1")).certificate
        verify(leaf, [below.certificate], anchor=top, role=Role.OPERATIONAL_DEVICE)

    def test_p384_makes_a_path(self) -> None:
        key = ec.generate_private_key(ec.SECP384R1())
        below = Authority(Issuer(intermediate_ca(self.CA.issuer, key.public_key(), "CA1", YEAR), key))
        leaf = below.operational(self.CA.device("dev-1")).certificate
        verify(leaf, [below.certificate], anchor=self.CA, role=Role.OPERATIONAL_DEVICE)


DEVICE_DER = der(TestTraps.CA.operational(TestTraps.CA.device("dev-1")).certificate)


@given(st.integers(0, len(DEVICE_DER) - 1), st.integers(0, 255))
def test_a_changed_octet_is_refused_with_the_typed_error(position: int, octet: int) -> None:
    data = bytearray(DEVICE_DER)
    data[position] = octet
    try:
        leaf = load_certificate(bytes(data))
    except CertificateError:
        return
    with suppress(PathError):
        verify(leaf, anchor=TestTraps.CA, role=Role.OPERATIONAL_DEVICE)
        assert der(leaf) == DEVICE_DER


def test_cross_signed_cas_cost_no_time() -> None:
    """Certificates that issue each other in circles: the search ends at once."""
    top = root("top")
    keys = [generate_private_key() for _ in range(3)]
    ring = [
        Authority(
            Issuer(intermediate_ca(Issuer(top.certificate, keys[n - 1]), keys[n].public_key(), "top", YEAR), keys[n])
        )
        for n in range(3)
    ]
    leaf = ring[0].operational(top.device("dev-1")).certificate
    started = time.perf_counter()
    options = {"anchor": root("top"), "role": Role.OPERATIONAL_DEVICE}
    assert refusal(leaf, [authority.certificate for authority in ring], **options) is PathReason.NO_PATH
    assert time.perf_counter() - started < 0.05
