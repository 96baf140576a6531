"""Erasing: what the record does not name has no business on the device. Every function may be repeated."""

from __future__ import annotations

from collections.abc import Collection

from device_client.emulator.life.parts import Parts
from device_pki.fingerprints import fingerprint
from objects.firmware import UpdateResult
from trust_transfer.device.actions import Reset


def erase_for_reset(parts: Parts, action: Reset) -> None:
    """The provider's secrets, settings, pending manifests and unnamed anchors (protocol.md rule 10)."""
    parts.preferences.erase()
    parts.agreement_keys.forget_shared()
    parts.firmware.reset(UpdateResult.INITIAL)
    _erase_keys(parts, action.keep_keys)
    _erase_certificates(parts, action.keep_anchors)
    # The running image's manifest goes too: it carries what the provider installed, and nothing is started from it.
    _erase_manifests(parts, {action.agreed_state.digest})
    parts.vault.erase_leftovers()
    parts.manifests.erase_leftovers()


def erase_left_behind(parts: Parts, keep_keys: frozenset[bytes], keep_anchors: frozenset[bytes]) -> None:
    """What is left of a provider after the decision: keys, anchors, manifests nobody here could order any more."""
    _erase_keys(parts, keep_keys)
    _erase_certificates(parts, keep_anchors)
    own = parts.software.signed_by(parts.host.record.account.authorities.firmware)
    _erase_manifests(parts, {one.digest for one in own | {parts.software.running}})
    parts.software.settle()


def erase_rubbish(parts: Parts) -> None:
    """At each start: keys that no record names, and what writes that were cut short left behind."""
    _erase_keys(parts, parts.host.record.referenced_keys)
    parts.vault.erase_leftovers()
    parts.manifests.erase_leftovers()
    parts.software_store.erase_unused()


def _erase_keys(parts: Parts, keep: frozenset[bytes]) -> None:
    kept = {parts.factory.key_thumbprint, parts.preferences.now.candidate, *keep}
    parts.vault.erase_keys([name for name in parts.vault.key_names() if name not in kept])


def _erase_certificates(parts: Parts, keep: frozenset[bytes]) -> None:
    """Anchors outside `keep` go; CA certificates that only lead from the device's own certificate stay."""
    identity = parts.credentials.operational()
    chain = {fingerprint(one) for one in identity.chain} if identity else set()
    parts.vault.erase_certificates([n for n in parts.vault.certificate_names() if n not in keep | chain])


def _erase_manifests(parts: Parts, keep: Collection[bytes]) -> None:
    parts.manifests.erase([name for name in parts.manifests.names() if name not in keep])
