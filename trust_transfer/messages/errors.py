"""The one error of this package: a message that must not be acted on, and the registered reason."""

from __future__ import annotations

from trust_transfer.messages.numbers import Result


class MessageError(ValueError):
    """A message is rejected.

    `result` is the registered reason, the same on the device, in the provider's log and in the partner API; `detail`
    says in words what is wrong and contains no bytes of the message beyond numbers and lengths.
    """

    def __init__(self, result: Result, detail: str) -> None:
        super().__init__(f"{result.name.lower()}: {detail}")
        self.result = result
        self.detail = detail
