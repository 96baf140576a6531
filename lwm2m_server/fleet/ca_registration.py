"""Registering factory certificates with the own CA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import httpx

from device_pki.bag import encode_x5bag
from enrollment.ca_client import MAX_BATCH, CaApiError, CaClient
from lwm2m_server.fleet.errors import NotReady, Rejected
from lwm2m_server.fleet.profiles import Profile
from lwm2m_server.settings import CaClientSettings
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.uri import within

MAX_PART: Final = 768 * 1024
"""Bytes of certificates in one call; the CA API takes bodies of 1 MiB."""


@dataclass(frozen=True, slots=True)
class CaPlace:
    """Where the devices of a label enroll, by profile."""

    dtls_uri: str
    compact_uri: str | None
    edhoc_key: bytes | None

    def uri(self, profile: Profile) -> str:
        """The CA-URI of a profile. Raises `Rejected` when the CA does not serve it."""
        if profile is Profile.DTLS:
            return self.dtls_uri
        if self.compact_uri is None:
            raise Rejected("the CA does not serve the compact profile (its oscore_bind, and oscore_uri in [sp.ca])")
        return self.compact_uri

    def pinned_key(self, profile: Profile) -> bytes | None:
        """The key of the CA that templates of a profile pin. Raises `Rejected` when there is none."""
        if not profile.pins_key:
            return None
        if self.edhoc_key is None:
            raise Rejected("the CA has no EDHOC key to pin: run `ca init` on its folder again")
        return self.edhoc_key


async def register_certificates(
    ca: CaClient, settings: CaClientSettings, label: UUID, certificates: Sequence[bytes]
) -> CaPlace:
    """Register factory certificates (DER) with the own CA, in as many calls as it takes; returns where they enroll.

    Raises `Rejected` or `NotReady`; what was registered before that stays, and the same order again completes it. A
    CA-URI is believed only beneath the CA's own URIs: a CA that was taken over sends no device elsewhere.
    """
    place: CaPlace | None = None
    for part in _parts(certificates):
        place = await _register_bag(ca, settings, label, encode_x5bag(part))
    if place is None:
        raise Rejected("no certificates to register")
    return place


def _parts(certificates: Sequence[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for certificate in certificates:
        if part and (len(part) == MAX_BATCH or size + len(certificate) > MAX_PART):
            yield part
            part, size = [], 0
        part.append(certificate)
        size += len(certificate)
    if part:
        yield part


async def _register_bag(ca: CaClient, settings: CaClientSettings, label: UUID, bag: bytes) -> CaPlace:
    try:
        result = await ca.put_label(label, bag)
    except CaApiError as error:
        raise (NotReady if error.temporary else Rejected)(f"the CA answered {error}") from error
    except httpx.HTTPError as error:
        raise NotReady(f"the CA cannot be reached ({error!r}); try again") from error
    if result.refused:
        first = result.refused[0]
        raise Rejected(
            f"the CA refused {len(result.refused)} certificates; {first.fingerprint.hex()[:16]}…: {first.reason}",
            "refused_by_ca",
        )
    compact = result.compact_ca_uri if settings.oscore_uri else None
    if compact is not None:
        compact = _believed(compact, settings.oscore_uri, "oscore_uri")
    return CaPlace(_believed(result.ca_uri, settings.public_uri, "public_uri"), compact, result.edhoc_key)


def _believed(ca_uri: str, base: str, setting: str) -> str:
    try:
        believed = within(ca_uri, base)
    except MessageError as error:
        raise Rejected(f"the CA-URI: {error.detail}", "ca_uri") from error
    if not believed:
        raise Rejected(f"the CA-URI is not beneath {base}: set [sp.ca] {setting} to the CA's", "ca_uri")
    return ca_uri.rstrip("/")
