"""Where each device is: read from its own files, from both providers' stores and from CA1's revocation list.

Nothing here knows what was expected of a device. An end state counts only if everybody who has a say agrees on it;
what is contradictory or unfinished is *unaccounted*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

END_STATES = ("committed", "fell_back", "cancelled", "window_missed", "in_doubt", "rejected", "unaccounted")


_WITHOUT_REPORT = frozenset({"cancelled", "window_missed"})


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What is known of one device: by itself, by SP1's book, by SP2's book, by CA1."""

    endpoint: str
    device: Mapping[str, Any]
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    sp1_uris: frozenset[str]
    sp2_uris: frozenset[str]
    revoked: bool
    """Whether CA1's list names the operational certificate the device had before the transfer."""


def end_state(seen: Witnesses) -> str:
    """The one end state all witnesses agree on."""
    if seen.device.get("state") != "idle":
        return "unaccounted"
    if _committed(seen):
        return "committed"
    return _stayed(seen) if _with_old_provider(seen) else "unaccounted"


def _stayed(seen: Witnesses) -> str:
    if seen.old["book"] == "in_doubt":
        return "in_doubt"
    if seen.old["fell_back"]:
        return "fell_back" if _released(seen) else "unaccounted"
    if any(offer["delivery"] == "rejected" for offer in seen.old["offers"]):
        return "rejected"
    settled = all(offer["settled"] for offer in seen.old["offers"])
    return str(seen.device["result"]) if settled and seen.device["result"] in _WITHOUT_REPORT else "unaccounted"


def _committed(seen: Witnesses) -> bool:
    return (
        seen.device["epoch"] == 1
        and seen.device["server_uri"] in seen.sp2_uris
        and set(seen.device["secrets"]) == {"factory", "epoch 1"}
        and not seen.device["erase_pending"]
        and seen.old["committed"]
        and not seen.old["owned"]
        and seen.new["committed"]
        and seen.new["owned"]
        and seen.new["receipt_acknowledged"]
        and seen.old["revoked"]
        and seen.revoked
    )


def _with_old_provider(seen: Witnesses) -> bool:
    return (
        seen.device["epoch"] == 0
        and seen.device["server_uri"] in seen.sp1_uris
        and seen.old["owned"]
        and not seen.new.get("owned", False)
        and not seen.new.get("provisional", [])
        and not seen.revoked
    )


def _released(seen: Witnesses) -> bool:
    """SP2 has the release of every attempt that fell back, and its CA has refused that key."""
    mine = {one["attempt_key"] for one in seen.old["fell_back"]}
    theirs = {one["attempt_key"] for one in seen.new["released"] if one["revoked"]}
    return all(one["released"] for one in seen.old["fell_back"]) and mine == theirs
