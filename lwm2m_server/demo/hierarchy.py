"""The four CA hierarchies of the paper's Fig. 1, as data.

`None` as issuer makes an own root. What a device must be given beforehand follows from the shape: a root that is not
the permanent one has to be in the truststore before the reset; a CA beneath the permanent one need not be.
"""

from __future__ import annotations

from dataclasses import dataclass

PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Which authority certifies which: `issuers[ca]` in the order in which they have to be made."""

    letter: str
    picture: str
    issuers: tuple[tuple[str, str | None], ...]

    def beneath_permanent(self, ca: str) -> bool:
        """Whether the path of `ca` ends at the permanent root."""
        issuer = dict(self.issuers)[ca]
        return issuer is not None and (issuer == PERMANENT or self.beneath_permanent(issuer))


HIERARCHIES = {
    hierarchy.letter: hierarchy
    for hierarchy in (
        Hierarchy("a", "three roots", ((PERMANENT, None), ("ca1", None), ("ca2", None))),
        Hierarchy("b", "CA1 under the permanent CA, CA2 apart", ((PERMANENT, None), ("ca1", PERMANENT), ("ca2", None))),
        Hierarchy("c", "both under the permanent CA", ((PERMANENT, None), ("ca1", PERMANENT), ("ca2", PERMANENT))),
        Hierarchy(
            "d",
            "both through intermediates",
            (
                (PERMANENT, None),
                ("intermediate1", PERMANENT),
                ("intermediate2", PERMANENT),
                ("ca1", "intermediate1"),
                ("ca2", "intermediate2"),
            ),
        ),
    )
}
