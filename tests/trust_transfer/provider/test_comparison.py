"""A device that trusts more, less or other than agreed is noticed."""

from __future__ import annotations

from dataclasses import replace

from tests.trust_transfer.device.samples import FACTS, OPENS, PERMANENT, at, destination
from trust_transfer.device import events as ev
from trust_transfer.device import machine
from trust_transfer.device.actions import SignReport
from trust_transfer.messages.numbers import State
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.values import SuitDigest
from trust_transfer.provider.comparison import deviations


def committed_report() -> TransferReport:
    """What an honest device reports."""
    commit = ev.RegistrationAccepted(ev.Side.NEW)
    sign = machine.handle(at(State.REGISTERING), commit, OPENS + 2000, FACTS).actions[0]
    assert isinstance(sign, SignReport)
    return sign.report


def test_an_honest_device_deviates_in_nothing() -> None:
    assert deviations(committed_report(), destination(), PERMANENT) == ()


def test_every_deviation_is_named() -> None:
    honest = committed_report()
    assert honest.anchors is not None and honest.authorities is not None
    planted = replace(honest, anchors=(*honest.anchors, b"x" * 32))
    assert deviations(planted, destination(), PERMANENT) == (f"anchor {'78' * 8} was not agreed",)
    bare = replace(honest, anchors=(PERMANENT,))
    assert [text.endswith("is missing") for text in deviations(bare, destination(), PERMANENT)] == [True]
    kept = replace(honest, authorities=(honest.authorities[0], b"y" * 32))
    assert len(deviations(kept, destination(), PERMANENT)) == 2


def test_the_image_counts_unless_an_update_came_first() -> None:
    other = replace(committed_report(), running=SuitDigest(-16, b"z" * 32))
    assert deviations(other, destination(), PERMANENT) == ("another image than the agreed state runs",)
    assert deviations(other, destination(update_first=True), PERMANENT) == ()
