"""File metadata of a component (draft-ietf-suit-update-management, suit-parameter-component-metadata)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any, Final, TypeAlias

from cose import cbor
from cose.cbor import Tagged
from suit import decoding
from suit.errors import SuitError, SuitReason

MAX_ACTORS: Final = 64
_UUID_TAG: Final = 37
_EPOCH_TAG: Final = 1

ActorId: TypeAlias = bytes | str | int
"""Whatever names an actor on the device; a UUID is its 16 bytes."""


class MetadataKey(IntEnum):
    """Elements of component metadata."""

    DEFAULT_PERMISSIONS = 1
    USER_PERMISSIONS = 2
    GROUP_PERMISSIONS = 3
    ROLE_PERMISSIONS = 4
    FILE_TYPE = 5
    MODIFICATION_TIME = 6
    CREATION_TIME = 7
    CREATOR = 8


class FileType(IntEnum):
    """What a component becomes."""

    REGULAR = 1
    DIRECTORY = 2
    SYMLINK = 3


class Permission(IntFlag):
    """Rights on a component."""

    TRAVERSE_EXEC = 1 << 0
    CREATE_WRITE = 1 << 1
    LIST_READ = 1 << 2
    CREATEDIR_APPEND = 1 << 3
    READ_ATTR = 1 << 4
    READ_PERM = 1 << 5
    CHANGE_PERM = 1 << 6
    CHANGE_OWNER = 1 << 7
    WRITE_ATTR = 1 << 8
    RECURSE_DELETE = 1 << 9
    DELETE = 1 << 10
    SYNC = 1 << 11
    READ_ATTR_EX = 1 << 12
    WRITE_ATTR_EX = 1 << 13


@dataclass(frozen=True, slots=True)
class ComponentMetadata:
    """Everything is optional; times are seconds since 1970."""

    default_permissions: Permission | None = None
    user_permissions: Mapping[ActorId, Permission] = field(default_factory=dict)
    group_permissions: Mapping[ActorId, Permission] = field(default_factory=dict)
    role_permissions: Mapping[ActorId, Permission] = field(default_factory=dict)
    file_type: FileType | None = None
    modification_time: int | None = None
    creation_time: int | None = None
    creator: ActorId | None = None

    def encode(self) -> bytes:
        """The encoded map of what is given."""
        fields = {
            MetadataKey.DEFAULT_PERMISSIONS: self.default_permissions,
            MetadataKey.USER_PERMISSIONS: self.user_permissions or None,
            MetadataKey.GROUP_PERMISSIONS: self.group_permissions or None,
            MetadataKey.ROLE_PERMISSIONS: self.role_permissions or None,
            MetadataKey.FILE_TYPE: self.file_type,
            MetadataKey.MODIFICATION_TIME: _time_item(self.modification_time),
            MetadataKey.CREATION_TIME: _time_item(self.creation_time),
            MetadataKey.CREATOR: self.creator,
        }
        return cbor.encode({key: value for key, value in fields.items() if value is not None})

    @classmethod
    def decode(cls, data: bytes) -> ComponentMetadata:
        """From its encoding. Raises SuitError MALFORMED."""
        item = decoding.mapping(decoding.decode(data, "component metadata"), "component metadata")
        known = decoding.known_keys(item, MetadataKey, "component metadata")
        return cls(**{key.name.lower(): _READERS[key](value) for key, value in known.items()})


def _time_item(value: int | None) -> Tagged | None:
    return None if value is None else Tagged(_EPOCH_TAG, value)


def _time(value: Any) -> int:
    if not isinstance(value, Tagged) or value.tag != _EPOCH_TAG:
        raise SuitError(SuitReason.MALFORMED, f"a time has tag {_EPOCH_TAG}")
    return decoding.integer(value.value, "time")


def _permissions(value: Any) -> Permission:
    number = decoding.integer(value, "permissions")
    if number > max(Permission) * 2 - 1:
        raise SuitError(SuitReason.MALFORMED, f"permissions {number:#x}")
    return Permission(number)


def _by_actor(value: Any) -> dict[ActorId, Permission]:
    fields = decoding.mapping(value, "permissions by actor")
    if not 1 <= len(fields) <= MAX_ACTORS:
        raise SuitError(SuitReason.LIMIT, f"permissions of 1 to {MAX_ACTORS} actors")
    return {_actor(actor): _permissions(rights) for actor, rights in fields.items()}


def _actor(value: Any) -> ActorId:
    if isinstance(value, Tagged) and value.tag == _UUID_TAG:
        return decoding.octets(value.value, "actor", 16)
    if isinstance(value, bool) or not isinstance(value, bytes | str | int):
        raise SuitError(SuitReason.MALFORMED, "an actor is bytes, text or a number")
    return value


def _file_type(value: Any) -> FileType:
    known = decoding.registered(value, FileType)
    if known is None:
        raise SuitError(SuitReason.MALFORMED, f"file type {value!r:.20}")
    return known


_READERS: Final[Mapping[MetadataKey, Callable[[Any], Any]]] = {
    MetadataKey.DEFAULT_PERMISSIONS: _permissions,
    MetadataKey.USER_PERMISSIONS: _by_actor,
    MetadataKey.GROUP_PERMISSIONS: _by_actor,
    MetadataKey.ROLE_PERMISSIONS: _by_actor,
    MetadataKey.FILE_TYPE: _file_type,
    MetadataKey.MODIFICATION_TIME: _time,
    MetadataKey.CREATION_TIME: _time,
    MetadataKey.CREATOR: _actor,
}
