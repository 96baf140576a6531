"""Name constraints of CAs over the certificates beneath them (RFC 5280 4.2.1.10).

A form of name that is constrained but not understood here refuses every certificate that has a name of this form.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

_Kind = type[x509.GeneralName]


def violation(constraints: x509.NameConstraints, certificate: x509.Certificate) -> str | None:
    """Return which name of `certificate` the constraints forbid, or None.

    Looked at are the subject, its e-mail addresses, and the subject alternative names.
    """
    for kind, value in _names(certificate):
        permitted = [tree.value for tree in constraints.permitted_subtrees or () if type(tree) is kind]
        excluded = [tree.value for tree in constraints.excluded_subtrees or () if type(tree) is kind]
        if not permitted and not excluded:
            continue
        matches = _MATCHES.get(kind)
        if matches is None or (kind is x509.UniformResourceIdentifier and not _uri_host(value)):
            return f"{_text(value)} is of a constrained form that is not understood"
        if any(matches(value, tree) for tree in excluded):
            return f"{_text(value)} is excluded"
        if permitted and not any(matches(value, tree) for tree in permitted):
            return f"{_text(value)} is not among the permitted"
    return None


def _names(certificate: x509.Certificate) -> Iterable[tuple[_Kind, Any]]:
    if certificate.subject.rdns:
        yield x509.DirectoryName, certificate.subject
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield x509.RFC822Name, str(attribute.value)
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            yield from ((type(name), name.value) for name in extension.value)


def _text(value: Any) -> str:
    return value.rfc4514_string() if isinstance(value, x509.Name) else str(value)


def _dns(name: str, subtree: str) -> bool:
    """The host itself, or anything in front of it; with a leading dot only what is in front."""
    name, subtree = name.lower().rstrip("."), subtree.lower().rstrip(".")
    if not subtree or subtree.startswith("."):
        return name.endswith(subtree)
    return name == subtree or name.endswith(f".{subtree}")


def _host(host: str, subtree: str) -> bool:
    """A host exactly, or with a leading dot every host in a domain."""
    host, subtree = host.lower().rstrip("."), subtree.lower().rstrip(".")
    return host.endswith(subtree) if subtree.startswith(".") else host == subtree


def _mailbox(name: str, subtree: str) -> bool:
    """One mailbox, all of a host, or with a leading dot all of a domain."""
    local, _, host = name.rpartition("@")
    if "@" in subtree:
        wanted, _, wanted_host = subtree.rpartition("@")
        return local == wanted and host.lower() == wanted_host.lower()
    return _host(host, subtree)


def _uri(name: str, subtree: str) -> bool:
    return _host(_uri_host(name), subtree)


def _uri_host(name: str) -> str:
    """The host name in a URI; none for a literal address, which no constraint can be applied to."""
    try:
        host = urlsplit(name).hostname or ""
    except ValueError:
        return ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return ""


def _address(name: Any, subtree: Any) -> bool:
    """An address in a network of the same version."""
    return bool(name.version == subtree.version and name in subtree)


def _directory(name: x509.Name, subtree: x509.Name) -> bool:
    """A name that begins with the subtree's, letter case and runs of spaces ignored (RFC 5280 7.1)."""
    return _folded(name)[: len(subtree.rdns)] == _folded(subtree)


def _folded(name: x509.Name) -> list[frozenset[tuple[str, str]]]:
    return [
        frozenset((attribute.oid.dotted_string, " ".join(str(attribute.value).casefold().split())) for attribute in rdn)
        for rdn in name.rdns
    ]


_MATCHES: Final[dict[_Kind, Callable[[Any, Any], bool]]] = {
    x509.DNSName: _dns,
    x509.RFC822Name: _mailbox,
    x509.UniformResourceIdentifier: _uri,
    x509.IPAddress: _address,
    x509.DirectoryName: _directory,
}
