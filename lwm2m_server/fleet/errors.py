"""Errors of the fleet's services. The HTTP interfaces map them to a status in one table; every text names the fix."""

from __future__ import annotations

from trust_transfer.messages.errors import MessageError


class FleetError(Exception):
    """Something that was asked for cannot be done. Nothing was changed."""


class Unknown(FleetError):
    """No such thing here, or it belongs to somebody else: told alike (security rule 36)."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not known here")


class Contradiction(FleetError):
    """It contradicts what is stored."""


class NotReady(FleetError):
    """Something else has to come first; the text says what."""


class Rejected(FleetError):
    """A document or value is wrong. `code`: the Result's name, or a word of our own."""

    def __init__(self, detail: str, code: str = "invalid") -> None:
        super().__init__(detail)
        self.code = code

    @classmethod
    def of(cls, error: MessageError) -> Rejected:
        """A message that was refused, with its registered reason."""
        return cls(error.detail, error.result.name.lower())
