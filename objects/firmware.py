"""Numbers of Firmware Update (object 5) and Advanced Firmware Update (object 33629), which share resources 0 to 13."""

from __future__ import annotations

from enum import IntEnum


class UpdateState(IntEnum):
    """Resource 3, State."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


class UpdateResult(IntEnum):
    """Resource 5, Update Result. 12 and 13 are of 33629; any further one is a failure without a word of its own."""

    INITIAL = 0
    SUCCESS = 1
    NOT_ENOUGH_STORAGE = 2
    OUT_OF_MEMORY = 3
    CONNECTION_LOST = 4
    INTEGRITY_CHECK_FAILED = 5
    UNSUPPORTED_PACKAGE = 6
    INVALID_URI = 7
    UPDATE_FAILED = 8
    UNSUPPORTED_PROTOCOL = 9
    CANCELLED = 10
    DEFERRED = 11
    CONFLICTING_STATE = 12
    DEPENDENCY_ERROR = 13

    @classmethod
    def text(cls, number: int) -> str:
        """The result in words."""
        return cls(number).name.lower().replace("_", " ") if number in cls.__members__.values() else f"result {number}"


class DeliveryMethod(IntEnum):
    """Resource 9, Firmware Update Delivery Method."""

    PULL = 0
    PUSH = 1
    BOTH = 2


class PullProtocol(IntEnum):
    """Resource 8, Firmware Update Protocol Support: how a device fetches a package."""

    COAP = 0
    COAPS = 1
    HTTP = 2
    HTTPS = 3
    COAP_TCP = 4
    COAPS_TCP = 5

    @property
    def scheme(self) -> str:
        """The URI scheme (RFC 7252 6, RFC 8323 8)."""
        return self.name.lower().replace("_", "+")

    @property
    def authenticated(self) -> bool:
        """Whether the device knows whom it fetches from."""
        return self in {PullProtocol.COAPS, PullProtocol.HTTPS, PullProtocol.COAPS_TCP}


class Severity(IntEnum):
    """Resource 11."""

    CRITICAL = 0
    MANDATORY = 1
    OPTIONAL = 2
