"""Reports: the shape belongs to the state, and the factory key alone signs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.trust_transfer.messages.samples import (
    ATTACKER,
    COMMITTED,
    DIGEST,
    FACTORY,
    FELL_BACK,
    PROGRESS,
    SP2_TRANSFER,
    TEMPLATE,
    sha,
)
from tests.trust_transfer.messages.signing import with_claims
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import PRIVATE_REPORT, ReportKey, Result, State
from trust_transfer.messages.report import TransferReport

DEVICE = FACTORY.public_key()


def _result(raw: bytes) -> Result:
    with pytest.raises(MessageError) as caught:
        TransferReport.parse(raw, DEVICE)
    return caught.value.result


@pytest.mark.parametrize(
    ("report", "changes", "result"),
    [
        (COMMITTED, {"running": None}, Result.MALFORMED),
        (COMMITTED, {"anchors": None}, Result.MALFORMED),
        (COMMITTED, {"attempt_key": None}, Result.MALFORMED),
        (COMMITTED, {"authorities": None}, Result.MALFORMED),
        (FELL_BACK, {"attempt_key": None}, Result.MALFORMED),
        (FELL_BACK, {"anchors": (sha("a"),)}, Result.UNKNOWN_TYP_OR_CLAIM),
        (PROGRESS, {"authorities": (sha("a"),)}, Result.UNKNOWN_TYP_OR_CLAIM),
        (COMMITTED, {"state": State.ENROLLING}, Result.UNKNOWN_TYP_OR_CLAIM),
        (PROGRESS, {"state": State.COMMITTED}, Result.MALFORMED),
    ],
)
def test_the_state_decides_the_members(report: TransferReport, changes: dict[str, Any], result: Result) -> None:
    with pytest.raises(MessageError) as caught:
        dataclasses.replace(report, **changes)
    assert caught.value.result is result


@pytest.mark.parametrize("state", [State.COMMITTED, 10, -1, None])
def test_a_signed_report_of_the_wrong_shape_is_refused(state: Any) -> None:
    raw = with_claims(FELL_BACK.sign(FACTORY), FACTORY, lambda claims: claims[PRIVATE_REPORT].update({1: state}))
    assert _result(raw) is Result.MALFORMED


@pytest.mark.parametrize("key", [ReportKey.ANCHORS, ReportKey.AUTHORITIES])
@pytest.mark.parametrize("value", [[], [b"short"], [sha("a"), 0], sha("a"), {}])
def test_lists_of_hashes(key: ReportKey, value: Any) -> None:
    raw = with_claims(COMMITTED.sign(FACTORY), FACTORY, lambda claims: claims[PRIVATE_REPORT].update({key: value}))
    assert _result(raw) is Result.MALFORMED


def test_only_the_factory_key_reports() -> None:
    assert _result(COMMITTED.sign(ATTACKER)) is Result.WRONG_SIGNER
    assert _result(TEMPLATE.sign(SP2_TRANSFER)) is Result.UNKNOWN_TYP_OR_CLAIM


def test_a_result_of_a_newer_registry_is_kept() -> None:
    newer = dataclasses.replace(FELL_BACK, result=Result(51))
    read = TransferReport.parse(newer.sign(FACTORY), DEVICE)
    assert (read.result, read.result.name) == (51, "RESULT_51")
    raw = with_claims(FELL_BACK.sign(FACTORY), FACTORY, lambda claims: claims[PRIVATE_REPORT].update({2: 65536}))
    assert _result(raw) is Result.MALFORMED


def test_no_clock_is_said_not_left_out() -> None:
    raw = FELL_BACK.sign(FACTORY)
    assert TransferReport.parse(raw, DEVICE).issued_at is None
    assert _result(with_claims(raw, FACTORY, lambda claims: claims.pop(6))) is Result.MALFORMED


def test_a_progress_report_may_be_bare() -> None:
    bare = dataclasses.replace(PROGRESS, running=None)
    assert TransferReport.parse(bare.sign(FACTORY), DEVICE) == bare
    assert PROGRESS.running == DIGEST
