"""The TransferReport a device owes for its decision, before it is signed (protocol rules 14 and 19)."""

from __future__ import annotations

from trust_transfer.device.context import Context
from trust_transfer.messages.numbers import State
from trust_transfer.messages.report import TransferReport


def decision_report(context: Context) -> TransferReport:
    """The report of a stored decision: committed names all the device trusts now, fell back names the reason."""
    record = context.record
    committed = record.state is State.COMMITTED
    return TransferReport(
        endpoint=record.endpoint,
        issued_at=context.now if context.facts.clock_trusted else None,
        transfer_id=context.order.transfer_id,
        seq=context.order.seq,
        state=record.state,
        result=record.result,
        running=context.facts.running,
        anchors=tuple(sorted(record.truststore)) if committed else None,
        attempt_key=context.attempt.key,
        authorities=record.authority_thumbprints if committed else None,
    )
