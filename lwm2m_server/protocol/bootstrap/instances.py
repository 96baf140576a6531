"""A profile as object instances: which number each gets, and which of the device's own end.

New instances take numbers the device does not use, so that its old accounts stay whole until Bootstrap-Finish.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from lwm2m_server.protocol.bootstrap.profile import (
    AccessControl,
    Account,
    Certificate,
    CertificateByEst,
    Oscore,
    PreSharedKey,
    Profile,
)
from objects.formats.link_format import Link
from objects.model import MODEL
from objects.nodes import ObjectInstance
from objects.path import MAX_ID, Path
from objects.values import ObjectLink, Value

SECURITY: Final = MODEL["LWM2M Security"].id
SERVER: Final = MODEL["LwM2M Server"].id
ACCESS_CONTROL: Final = MODEL["LwM2M Access Control"].id
OSCORE: Final = MODEL["LWM2M OSCORE"].id
_MANAGED: Final = (SECURITY, SERVER, ACCESS_CONTROL, OSCORE)
"""What bootstrap writes and deletes. Everything else is the business of the device's servers; 33001-33003 obey the
current one only (security rule 17)."""


class SecurityMode(IntEnum):
    """Resource 0/x/2."""

    PSK = 0
    RPK = 1
    CERTIFICATE = 2
    NOSEC = 3
    EST = 4


@dataclass(frozen=True, slots=True)
class Present:
    """What a device has: instance numbers by object, and which of them belong to its bootstrap account."""

    numbers: Mapping[int, frozenset[int]] = field(default_factory=dict)
    kept: frozenset[Path] = frozenset()

    @classmethod
    def of(cls, links: Collection[Link]) -> Present:
        """From Bootstrap-Discover: an account of a server shows its `ssid`, that of the bootstrap server has none."""
        numbers: dict[int, set[int]] = {}
        kept: set[Path] = set()
        for path, link in _instances(links):
            numbers.setdefault(path.object, set()).add(path.ids[1])
            if path.object in {SECURITY, OSCORE} and "ssid" not in link.attributes:
                kept.add(path)
        return cls({number: frozenset(found) for number, found in numbers.items()}, frozenset(kept))

    @property
    def ending(self) -> tuple[Path, ...]:
        """Instances that are to go once the new ones are there."""
        paths = (Path(number, one) for number in _MANAGED for one in sorted(self.numbers.get(number, ())))
        return tuple(path for path in paths if path not in self.kept)


def _instances(links: Collection[Link]) -> Iterator[tuple[Path, Link]]:
    for link in links:
        segments = [segment for segment in link.target.split("/") if segment]
        if len(segments) == 2 and all(segment.isascii() and segment.isdecimal() for segment in segments):
            object_id, instance = (int(segment) for segment in segments)
            if object_id <= MAX_ID and instance <= MAX_ID:
                yield Path(object_id, instance), link


UNKNOWN: Final = Present({SECURITY: frozenset({0})})
"""A device that lists nothing: by convention its bootstrap account is instance 0."""


class _Numbers:
    """Free instance numbers of each object, lowest first."""

    def __init__(self, present: Present) -> None:
        self._used = {number: set(present.numbers.get(number, ())) for number in _MANAGED}

    def take(self, object_id: int) -> int:
        used = self._used[object_id]
        number = next(number for number in range(MAX_ID) if number not in used)
        used.add(number)
        return number


def instances_of(profile: Profile, present: Present) -> dict[Path, ObjectInstance]:
    """The instances to write, by their paths: for each account OSCORE, Security, Server; then access control."""
    numbers = _Numbers(present)
    found: dict[Path, ObjectInstance] = {}
    for account in profile.accounts:
        link = None
        if isinstance(account.security, Oscore):
            link = ObjectLink(OSCORE, numbers.take(OSCORE))
            found[Path(OSCORE, link.instance)] = _oscore(link.instance, account.security)
        number = numbers.take(SECURITY)
        found[Path(SECURITY, number)] = _security(number, account, link)
        number = numbers.take(SERVER)
        found[Path(SERVER, number)] = _server(number, account)
    for entry in profile.access_control:
        number = numbers.take(ACCESS_CONTROL)
        found[Path(ACCESS_CONTROL, number)] = _access_control(number, entry)
    return found


def _named(object_id: int, number: int, values: Mapping[str, Value | Mapping[int, Value]]) -> ObjectInstance:
    definition = MODEL[object_id]
    return ObjectInstance.of(number, {definition[name].id: value for name, value in values.items()})


def _security(number: int, account: Account, oscore: ObjectLink | None) -> ObjectInstance:
    mode, identity, server_key, secret = _credentials(account)
    values: dict[str, Value | Mapping[int, Value]] = {
        "LWM2M Server URI": account.uri,
        "Bootstrap-Server": False,
        "Security Mode": int(mode),
        "Public Key or Identity": identity,
        "Server Public Key": server_key,
        "Secret Key": secret,
        "Short Server ID": account.short_server_id,
    }
    if account.hold_off is not None:
        values["Client Hold Off Time"] = account.hold_off
    if oscore is not None:
        values["OSCORE Security Mode"] = oscore
    return _named(SECURITY, number, values)


def _credentials(account: Account) -> tuple[SecurityMode, bytes, bytes, bytes]:
    """Security Mode, and resources 3, 4 and 5 for it (LwM2M Core 1.2, E.1)."""
    match account.security:
        case PreSharedKey(identity=identity, key=key):
            if identity is None or key is None:
                raise ValueError("the device's credential is put in before its profile is written")
            return SecurityMode.PSK, identity.encode(), b"", key
        case Certificate() as own:
            return SecurityMode.CERTIFICATE, own.certificate, own.server_certificate, own.private_key
        case CertificateByEst(server_certificate=server):
            return SecurityMode.EST, b"", server, b""
        case _:
            return SecurityMode.NOSEC, b"", b"", b""


def _server(number: int, account: Account) -> ObjectInstance:
    values: dict[str, Value | Mapping[int, Value]] = {
        "Short Server ID": account.short_server_id,
        "Lifetime": account.lifetime,
        "Notification Storing When Disabled or Offline": account.store_notifications,
        "Binding": account.binding,
    }
    return _named(SERVER, number, values)


def _oscore(number: int, oscore: Oscore) -> ObjectInstance:
    if oscore.master_secret is None or oscore.sender_id is None or oscore.recipient_id is None:
        raise ValueError("the device's context is put in before its profile is written")
    values: dict[str, Value | Mapping[int, Value]] = {
        "OSCORE Master Secret": oscore.master_secret,
        "OSCORE Sender ID": oscore.sender_id,
        "OSCORE Recipient ID": oscore.recipient_id,
        "OSCORE AEAD Algorithm": oscore.aead,
        "OSCORE HMAC Algorithm": oscore.hmac,
    }
    if oscore.master_salt:
        values["OSCORE Master Salt"] = oscore.master_salt
    if oscore.id_context:
        values["OSCORE ID Context"] = oscore.id_context
    return _named(OSCORE, number, values)


def _access_control(number: int, entry: AccessControl) -> ObjectInstance:
    values: dict[str, Value | Mapping[int, Value]] = {
        "Object ID": entry.object_id,
        "Object Instance ID": entry.object_instance_id,
        "Access Control Owner": entry.owner,
    }
    if entry.rights:
        values["ACL"] = dict(entry.rights)
    return _named(ACCESS_CONTROL, number, values)
