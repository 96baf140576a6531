"""States and results of objects 5 (Firmware Update 1.2) and 33629 (Advanced Firmware Update)."""

from __future__ import annotations

from enum import IntEnum


class FirmwareState(IntEnum):
    """Resources 5/0/3 and 33629/x/3."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


class UpdateResult(IntEnum):
    """Resources 5/0/5 and 33629/x/5; 12 and 13 are the latter's alone."""

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


class Delivery(IntEnum):
    """Firmware Update Delivery Method."""

    PULL = 0
    PUSH = 1
    BOTH = 2


class Protocol(IntEnum):
    """Firmware Update Protocol Support."""

    COAP = 0
    COAPS = 1
    HTTP = 2
    HTTPS = 3
