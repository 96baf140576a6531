"""Keys that the devices of a group share, for whoever encrypts firmware for the group, in the server's data folder:

    keys/groups/<kid>.cbor    [group, made at, COSE_Key], 0600

They are secrets, so they are where the server's own keys are, and not in its store. The newest counts; older ones stay
until they are removed, for devices that do not have the newest yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cose import cbor
from cose.errors import CoseError
from cose.files import write_durably
from cose.keys import UnusableKey, read_private
from cose.shared_keys import SharedKey

_FOLDER: Final = Path("keys") / "groups"
_SUFFIX: Final = ".cbor"
_MAX_FILE: Final = 1024


@dataclass(frozen=True, slots=True)
class GroupKey:
    """A key, and whose it is. `made_at`: seconds since 1970."""

    group: str
    made_at: int
    key: SharedKey


def make(data: Path, group: str, now: int) -> GroupKey:
    """A fresh key of a group, on the disk. Raises OSError, `UnusableKey`."""
    earlier = [one.made_at + 1 for one in load(data, group)]
    made = GroupKey(group, max([now, *earlier]), SharedKey.generate())
    folder = data / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = cbor.encode([made.group, made.made_at, made.key.encode()])
    write_durably(folder / f"{made.key.kid.hex()}{_SUFFIX}", content, 0o600)
    return made


def load(data: Path, group: str | None = None) -> list[GroupKey]:
    """The keys of a group, or of all, the newest last. Raises `UnusableKey` with the remedy."""
    folder = data / _FOLDER
    found = [_read(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))] if folder.is_dir() else []
    wanted = [one for one in found if group is None or one.group == group]
    return sorted(wanted, key=lambda one: (one.group, one.made_at))


def remove(data: Path, kid: str) -> bool:
    """Forget a key; False when there is none of that id."""
    path = next((one for one in (data / _FOLDER).glob(f"*{_SUFFIX}") if one.stem == kid), None)
    if path is None:
        return False
    path.unlink()
    return True


def _read(path: Path) -> GroupKey:
    try:
        match cbor.decode(read_private(path), max_size=_MAX_FILE):
            case [str(group), int(made_at), bytes(key)]:
                return GroupKey(group, made_at, SharedKey.decode(key))
    except (cbor.CborError, CoseError) as error:
        raise UnusableKey(f"{path} is damaged: remove it, and make another key") from error
    raise UnusableKey(f"{path} is no key of a group: remove it, and make another key")
