"""Partner profiles: read, rendered, and every wrong entry named."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import authority_key, generate_private_key
from device_pki import issue
from device_pki.issue import Validity
from lwm2m_server.fleet.partners import MAX_PROFILE, NamedAnchor, PartnerProfile, ProfileError
from trust_transfer.messages.numbers import AnchorRole

VALIDITY = Validity.lasting(datetime.now(UTC), timedelta(days=1))
TRANSFER = generate_private_key()


def root(name: str) -> x509.Certificate:
    return issue.root_ca(generate_private_key(), name, VALIDITY)


def profile() -> PartnerProfile:
    return PartnerProfile(
        name="sp2",
        uri="https://sp2.example:8443",
        https_certificate=issue.self_signed_tls(generate_private_key(), "sp2", ["sp2.example"], VALIDITY),
        transfer_certificate=issue.self_signed_tls(TRANSFER, "sp2", ["sp2.example"], VALIDITY),
        document_certificate=root("document"),
        firmware_certificate=root("firmware"),
        enroll_prefixes=("coaps://ca2.example/est",),
        update_prefixes=("coaps://sp2.example",),
        agreed_states=(bytes(32), b"\xff" * 32),
        max_window_days=30,
        anchors=(
            NamedAnchor(AnchorRole.ENROLL | AnchorRole.UPDATE, root("ca2")),
            NamedAnchor(AnchorRole.ATTEST | AnchorRole.BENEATH_PERMANENT, root("verifier")),
        ),
    )


def test_a_profile_comes_back_as_it_was_rendered() -> None:
    original = profile()
    again = PartnerProfile.parse(original.render())
    assert again == original
    assert again.authorities[0] == authority_key(TRANSFER.public_key())
    assert [named.must_be_installed for named in again.anchors] == [True, False]


@pytest.mark.parametrize("name", ['x"\nuri = "https://evil', "\x00", "", "a/b", "x" * 65])
def test_a_name_cannot_carry_other_entries(name: str) -> None:
    with pytest.raises(ProfileError):
        PartnerProfile.parse(replace(profile(), name=name).render())


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('uri = "https://', 'uri = "http://', "uri"),
        ("max_window_days = 30", "max_window_days = 91", "max_window_days"),
        ("max_window_days = 30", "max_window_days = true", "max_window_days"),
        ('enroll_prefixes = ["coaps:', 'enroll_prefixes = ["https:', "enroll_prefixes"),
        ('update_prefixes = ["coaps://sp2.example"]', "update_prefixes = []", "update_prefixes"),
        ("00" * 32, "00" * 31, "agreed_states"),
        ("00" * 32, "zz" * 32, "agreed_states"),
        ('roles = ["attest"]', "roles = []", "roles"),
        ('roles = ["attest"]', 'roles = ["all"]', "roles"),
        ("max_window_days = 30", "max_window_days = 30\nfallback = 1", "fallback"),
        ('name = "sp2"', "", "name"),
        ("-----BEGIN CERTIFICATE-----", "-----BEGIN NONSENSE-----", "certificate"),
        ('name = "sp2"', 'name = "sp2', "TOML"),
    ],
)
def test_wrong_entries_are_named(old: str, new: str, named: str) -> None:
    text = profile().render()
    assert old in text
    with pytest.raises(ProfileError, match=named):
        PartnerProfile.parse(text.replace(old, new, 1))


def test_a_profile_is_bounded() -> None:
    with pytest.raises(ProfileError, match="characters"):
        PartnerProfile.parse("#" * (MAX_PROFILE + 1))


@pytest.mark.parametrize("key", ["transfer_certificate", "firmware_certificate"])
def test_an_authority_has_a_key_that_messages_can_carry(key: str) -> None:
    """Found when the profile is added, not when the partner's first template is compared with it."""
    strong = ec.generate_private_key(ec.SECP384R1())
    other = issue.self_signed_tls(strong, "sp2", ["sp2.example"], VALIDITY)
    with pytest.raises(ProfileError, match=key):
        PartnerProfile.parse(replace(profile(), **{key: other}).render())  # type: ignore[arg-type]


def test_a_certificate_of_an_unknown_version_is_a_wrong_entry() -> None:
    good = profile()
    der = good.document_certificate.public_bytes(Encoding.DER)
    bad = ssl.DER_cert_to_PEM_cert(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1))
    text = good.render().replace(good.document_certificate.public_bytes(Encoding.PEM).decode(), bad)
    with pytest.raises(ProfileError, match="document_certificate"):
        PartnerProfile.parse(text)
