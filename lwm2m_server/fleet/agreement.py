"""Whether a partner's template says what was agreed: its profile, and the transfer it answers (security rule 12).

A template that says anything else is refused whole; nothing in it can widen the agreement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lwm2m_server.fleet.errors import Rejected
from lwm2m_server.fleet.partners import PartnerProfile
from lwm2m_server.fleet.profiles import AGREEABLE, COMPACT_PROFILE
from lwm2m_server.settings import SpSettings
from lwm2m_server.store.transfers import Transfer
from trust_transfer.messages.device_update_info import DeviceEntry
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.uri import check_uri, within
from trust_transfer.messages.values import Authorities

_DAY: Final = 86400


def check_template(
    template: TransferTemplate,
    transfer: Transfer,
    entries: Sequence[DeviceEntry],
    partner: PartnerProfile,
    settings: SpSettings,
) -> None:
    """Raise `Rejected`, with the first thing that is not as agreed."""
    destination = template.destination
    _require(template.issuer == partner.name, "iss", f"{template.issuer!r} instead of {partner.name!r}")
    _require(template.audience == settings.name, "aud", f"{template.audience!r} instead of {settings.name!r}")
    _require(template.transfer_id == transfer.transfer_id, "cti", "another transfer than the path names")
    _check_window(template, entries, partner)
    _require(destination.profile in AGREEABLE, "enrollment profile", "only with keys made on the device")
    scheme = destination.profile.scheme
    _check_uri(destination.enroll_uri, scheme, partner.enroll_prefixes, "enrollURI", lab=settings.lab)
    _check_uri(destination.update_uri, scheme, partner.update_prefixes, "updateURI", lab=settings.lab)
    _require(destination.ra_uri is None, "raURI", "there is no agreement on a verifier")
    agreed = destination.agreed_state.digest
    _require(agreed == transfer.agreed_state, "agreed state", f"{agreed.hex()} is not the one this transfer names")
    known = {named.anchor for named in partner.anchors}
    for anchor in destination.anchors:
        _require(anchor in known, "anchors", f"{anchor.fingerprint.hex()} in this role is not in the profile")
    unpinned = destination.pinned_key is None
    _require(unpinned or destination.profile == COMPACT_PROFILE, "pinned key", "it belongs to the compact profile")
    agreed_keys = Authorities(*partner.authorities)
    _require(destination.authorities == agreed_keys, "authorities", "other keys than those of the profile")


def _check_window(template: TransferTemplate, entries: Sequence[DeviceEntry], partner: PartnerProfile) -> None:
    length = template.not_after - template.not_before
    allowed = partner.max_window_days * _DAY
    _require(length <= allowed, "window", f"it lasts {length} s, at most {allowed} s are agreed")
    for entry in entries:
        overlap = min(entry.info.latest, template.not_after) - max(entry.info.earliest, template.not_before)
        _require(overlap > 0, "window", f"it leaves no time for {entry.name}")


def _check_uri(uri: str, scheme: str, prefixes: Sequence[str], name: str, *, lab: bool) -> None:
    try:
        check_uri(uri, schemes=(scheme,), lab=lab)
        allowed = any(within(uri, prefix) for prefix in prefixes)
    except MessageError as error:
        raise Rejected(f"{name}: {error.detail}", "uri") from error
    _require(allowed, name, f"{uri} is not beneath one of {', '.join(prefixes)}")


def _require(condition: bool, name: str, detail: str) -> None:
    if not condition:
        raise Rejected(f"{name}: {detail}", name.lower().replace(" ", "_"))
