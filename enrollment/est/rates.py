"""How often certificates may be asked for, per device and per label (docs/reference/ca-api.md, "policy"). Sans-IO."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from enrollment.register import DeviceEntry

MINUTE: Final = 60.0


class TooOften(Exception):
    """More requests than the label's policy allows. `retry_after`: seconds until the next may be tried."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many requests, try again in {retry_after} s")
        self.retry_after = retry_after


class EnrollmentRates:
    """Counts the requests of one minute. Only registered devices are counted, so the table cannot outgrow theirs."""

    def __init__(self) -> None:
        self._counts: Counter[bytes | str] = Counter()
        self._until = -math.inf

    def admit(self, entry: DeviceEntry, now: float) -> None:
        """Count a request at `now` (seconds, any origin); raise `TooOften` when it is one too many."""
        if not self._until - MINUTE <= now < self._until:
            self._counts.clear()
            self._until = now + MINUTE
        policy = entry.policy
        for key, limit in ((entry.label, policy.label_rate), (entry.fingerprint, policy.device_rate)):
            if 0 < limit <= self._counts[key]:
                raise TooOften(max(1, math.ceil(self._until - now)))
        self._counts.update((entry.label, entry.fingerprint))
