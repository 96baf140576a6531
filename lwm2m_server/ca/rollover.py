"""Renewing a CA's certificate, and replacing its key (RFC 4210 4.4), while everything it issued stays valid.

A *renewal* is a new certificate for the same name and key: whoever has the old one as an anchor needs the new one
before the old one expires. A *replacement* is a new key under the same name, in two steps with the time between them to
bring the new certificate to everyone who has the old one:

1. `prepare` makes the new key, its certificate, and two between old and new key, each signed by the other;
2. `switch` makes the new key the one that issues. The old one goes on signing revocation lists for what it issued,
   until its certificate expires. Servers present the new key's certificate by the old one too, so that whoever has only
   the old anchor still finds a path.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from cose.files import write_durably
from cose.keys import read_private
from device_pki.issue import Issuer, Validity, common_name, est_server, intermediate_ca, root_ca
from device_pki.keys import public_key
from lwm2m_server.ca.directory import CaDirectory, CaDirectoryError, read_certificates
from lwm2m_server.ca.setup import (
    CA_LIFETIME,
    SERVER_LIFETIME,
    ca_key,
    certified,
    install,
    within,
    write_certificates,
    write_request,
)


@dataclass(frozen=True, slots=True)
class Certifier:
    """Who signs a CA's new certificate: the CA above, by its folder or by what it made of ca.csr; for a root itself."""

    parent: CaDirectory | None = None
    certificate: Path | None = None


def renew_ca(directory: CaDirectory, certifier: Certifier, now: datetime) -> x509.Certificate | None:
    """Give a CA a new certificate for its key; return it, or None while ca.csr waits to be certified.

    The CA above may have a new key meanwhile: what is above changes with it. Raises `CaDirectoryError`.
    """
    issuer = directory.issuer()
    chain = _chain(directory, directory, issuer, certifier, now)
    if chain is None:
        return None
    install(directory, chain)
    _renew_est(directory, now)
    return chain[0]


def prepare(
    directory: CaDirectory, certifier: Certifier, now: datetime, *, key_uri: str | None = None
) -> x509.Certificate | None:
    """Make the next key of a CA with its certificates, in `next/`; return its own, or None while next/ca.csr waits.

    What is there already stays. Raises `CaDirectoryError`.
    """
    issuer, following = directory.issuer(), directory.following
    following.root.mkdir(mode=0o700, exist_ok=True)
    key = ca_key(following, key_uri)
    if not following.certificate.exists():
        chain = _chain(directory, following, Issuer(issuer.certificate, key), certifier, now)
        if chain is None:
            return None
        install(following, chain)
    made = following.issuer()
    if not following.cross.exists():
        write_certificates(following.cross, [_cross(issuer, made, now), _cross(made, issuer, now)])
    return made.certificate


def switch(directory: CaDirectory, now: datetime) -> x509.Certificate:
    """Let the prepared key issue from now on; return its certificate. A switch that was cut short is finished.

    Raises `CaDirectoryError`.
    """
    following = directory.following
    if not following.cross.exists():
        raise CaDirectoryError(f"{following.root} holds no prepared key: run `lwm2m-server ca roll` first")
    made = following.issuer().certificate
    current = read_certificates(directory.certificate)[0]
    if current != made:
        _keep(directory, current)
        write_certificates(directory.cross, [*read_certificates(following.cross)[:1], *directory.crossed()])
        _copy_key(following, directory)
        install(directory, following.chain())
    _renew_est(directory, now)
    shutil.rmtree(following.root)
    return made


def _chain(
    directory: CaDirectory, place: CaDirectory, holder: Issuer, certifier: Certifier, now: datetime
) -> Sequence[x509.Certificate] | None:
    """A certificate with the CA's present name for the holder's key, and those above it."""
    current = holder.certificate
    name, room = _name(current), _path_length(current)
    if current.issuer == current.subject:
        return [root_ca(holder.private_key, name, Validity.lasting(now, CA_LIFETIME), room)]
    if certifier.parent is not None:
        parent = certifier.parent.issuer()
        validity = within(parent, Validity.lasting(now, CA_LIFETIME))
        made = intermediate_ca(parent, holder.private_key.public_key(), name, validity, room)
        certifier.parent.record_issued(made)
        return [made, *certifier.parent.chain()]
    if certifier.certificate is not None:
        return certified(certifier.certificate, holder.private_key, now)
    write_request(place.request, holder.private_key, name)
    return None


def _cross(signer: Issuer, subject: Issuer, now: datetime) -> x509.Certificate:
    """The subject's key certified by the signer, for as long as both last: same name, no end of its own."""
    end = min(signer.certificate.not_valid_after_utc, subject.certificate.not_valid_after_utc)
    validity = Validity(Validity.lasting(now, CA_LIFETIME).not_before, end)
    key, name = public_key(subject.certificate), _name(subject.certificate)
    return intermediate_ca(signer, key, name, validity, _path_length(subject.certificate))


def _keep(directory: CaDirectory, current: x509.Certificate) -> None:
    """Keep the present key among the earlier ones; its ca.pem comes last and says that all of it is there."""
    kept = directory.earlier_folder(current)
    if kept.certificate.exists():
        return
    kept.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _copy_key(directory, kept)
    install(kept, directory.chain())


def _copy_key(source: CaDirectory, target: CaDirectory) -> None:
    path = source.key_uri if source.key_uri.exists() else source.key
    write_durably(target.root / path.name, read_private(path), 0o600)
    (target.key if path.name == target.key_uri.name else target.key_uri).unlink(missing_ok=True)


def _renew_est(directory: CaDirectory, now: datetime) -> None:
    """The EST server's certificate by the present CA certificate, for the name, key and hosts it had."""
    issuer, old = directory.issuer(), read_certificates(directory.est.certificate)[0]
    names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    validity = within(issuer, Validity.lasting(now, SERVER_LIFETIME))
    made = est_server(issuer, public_key(old), _name(old), hosts, validity)
    directory.record_issued(made)
    write_certificates(directory.est.certificate, [made])


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if certificate.subject != common_name(str(names[0].value) if names else ""):
        raise CaDirectoryError("a CA is renewed here when one commonName is its whole name")
    return str(names[0].value)


def _path_length(certificate: x509.Certificate) -> int | None:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
