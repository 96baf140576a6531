"""Versions of the objects of LwM2M itself that a device means when it registers them without `ver`.

MODEL.selecting(core_versions("1.1") | {3303: "1.1"})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SINCE_1_1: Final = {0: "1.1", 1: "1.1", 3: "1.1", 4: "1.2"}
_SINCE_1_2: Final = {0: "1.2", 1: "1.2", 2: "1.1", 3: "1.2", 4: "1.3", 5: "1.1", 21: "2.0"}
_BY_ENABLER: Final[Mapping[str, Mapping[int, str]]] = {"1.1": _SINCE_1_1, "1.2": _SINCE_1_2}
_OBJECTS: Final = (0, 1, 2, 3, 4, 5, 6, 7, 21, 23, 24, 25, 26, 27)


def core_versions(enabler: str) -> dict[int, str]:
    """By object id, for the version of LwM2M a device registers with (LwM2M Core 1.2, 7.2.3 and Appendix E).

    Version 1.0 knew no others; where 1.1 and its corrections disagree, the last compatible version is meant. An object
    that is not listed and comes without `ver` is in version 1.0.
    """
    return dict.fromkeys(_OBJECTS, "1.0") | dict(_BY_ENABLER.get(enabler, {}))
