"""Who may give the device software now: its present provider, or in a transfer the next one, who alone can then."""

from __future__ import annotations

from device_client.emulator.life.trust import Peer, beneath_permanent
from device_pki.roles import Role
from trust_transfer.device.record import UNDECIDED, DeviceRecord, anchors_for
from trust_transfer.messages.numbers import AnchorRole


def is_moving(record: DeviceRecord) -> bool:
    """Whether the agreed state was reached and nothing is decided yet: what is installed now goes beside it."""
    return record.state in UNDECIDED and record.order is not None


def firmware_authority(record: DeviceRecord) -> bytes:
    """Whose manifests object 5 takes."""
    if is_moving(record) and record.order is not None:
        return record.order.destination.authorities.firmware
    return record.account.authorities.firmware


def judged_like_its_server(record: DeviceRecord, uri: str) -> Peer:
    """A CoAP server of that provider at this URI."""
    account = record.account
    if is_moving(record) and record.order is not None:
        named = record.order.destination.anchors
        return Peer(uri, Role.SERVER, anchors_for(named, AnchorRole.UPDATE), beneath_permanent(named, account.anchors))
    return Peer(uri, Role.SERVER, account.anchors_for(AnchorRole.UPDATE), beneath_permanent(account.anchors))
