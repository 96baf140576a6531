"""What a committed report says the device trusts now, compared with what was agreed (security rule 19).

The device has committed, so a deviation makes it no less SP2's; it means that something else than the agreed was on it,
and has to be shown to the operator.
"""

from __future__ import annotations

from cose.keys import public_key_of, thumbprint
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.values import Authorities, Destination


def deviations(report: TransferReport, destination: Destination, permanent_anchor: bytes) -> tuple[str, ...]:
    """In words, each thing of a committed report that is not as the template's destination has it; empty if all is.

    `permanent_anchor` is the fingerprint of the anchor the device keeps in every hierarchy.
    """
    anchors = {permanent_anchor, *(anchor.fingerprint for anchor in destination.anchors)}
    found = [
        *_difference("anchor", set(report.anchors or ()), anchors),
        *_difference("authority", set(report.authorities or ()), _thumbprints(destination.authorities)),
    ]
    if not destination.update_first and report.running != destination.agreed_state:
        found.append("another image than the agreed state runs")
    return tuple(found)


def _thumbprints(keys: Authorities) -> set[bytes]:
    return {thumbprint(public_key_of(key)) for key in (keys.transfer, keys.firmware)}


def _difference(name: str, reported: set[bytes], agreed: set[bytes]) -> list[str]:
    surplus = [f"{name} {one.hex()[:16]} was not agreed" for one in sorted(reported - agreed)]
    return surplus + [f"{name} {one.hex()[:16]} is missing" for one in sorted(agreed - reported)]
