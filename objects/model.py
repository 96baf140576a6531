"""The set of definitions a program works with. It finds them by id and by name, so that no number is repeated in code:

MODEL["Trust Transfer"]["Transfer Message"].path()      # Path(33001, 0, 0)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Final

from objects import ddf
from objects.definition import ObjectDefinition, ResourceDefinition
from objects.errors import InvalidDefinition, UnknownDefinition
from objects.path import Path

MAX_VIEWS: Final = 1024
"""Combinations of versions a model keeps."""
_BUILTIN: Final = FilePath(__file__).parent / "definitions"


class ObjectModel:
    """Definitions by (id, version); versions of one object stand side by side. Immutable."""

    def __init__(self, definitions: Iterable[ObjectDefinition]) -> None:
        """Raises InvalidDefinition when two different definitions claim the same id and version."""
        self._by_key: dict[tuple[int, str], ObjectDefinition] = {}
        for definition in definitions:
            known = self._by_key.setdefault((definition.id, definition.version), definition)
            if known != definition:
                raise InvalidDefinition(f"object {definition.id} version {definition.version} is defined twice")
        newest_last = sorted(self._by_key.values(), key=lambda d: _version_order(d.version))
        self._newest = {d.id: d for d in newest_last}
        self._by_name = {d.name: d for d in newest_last}
        self._views: dict[frozenset[tuple[int, str]], ObjectModel] = {}

    @classmethod
    def load(cls, folder: FilePath | None = None) -> ObjectModel:
        """From a folder of definition files; without one, those of this package. Raises InvalidDefinition, OSError."""
        return cls(ddf.read_folder(folder or _BUILTIN))

    def selecting(self, versions: Mapping[int, str]) -> ObjectModel:
        """The same set in which these versions of objects answer: the view of one device.

        Where a version is not here, the next higher one of the same major version stands for it, else the highest:
        minor versions only add. An object known in other major versions alone is unknown in the view. Objects that are
        not named answer in their newest version. Views are kept and shared: devices of one kind have the same.
        """
        wanted = frozenset((number, version) for number, version in versions.items() if number in self._newest)
        view = self._views.get(wanted)
        if view is None:
            if len(self._views) >= MAX_VIEWS:
                self._views.pop(next(iter(self._views)), None)
            view = self._views[wanted] = self._view(dict(wanted))
        return view

    def _view(self, versions: Mapping[int, str]) -> ObjectModel:
        view = ObjectModel(())
        view._by_key = self._by_key
        chosen = (
            (d.id, self._standing_for(d.id, versions[d.id]) if d.id in versions else d) for d in self._newest.values()
        )
        view._newest = {number: definition for number, definition in chosen if definition is not None}
        view._by_name = {d.name: d for d in view._newest.values()}
        return view

    def _standing_for(self, number: int, version: str) -> ObjectDefinition | None:
        wanted = _version_order(version)
        known = {_version_order(d.version): d for (n, _), d in self._by_key.items() if n == number}
        same_major = sorted(order for order in known if order[:1] == wanted[:1])
        higher = [order for order in same_major if order >= wanted]
        return known[(higher or same_major[-1:])[0]] if same_major else None

    def extended(self, other: ObjectModel) -> ObjectModel:
        """Both sets together; where both define the same id and version, `other` decides."""
        return ObjectModel({**self._by_key, **other._by_key}.values())

    def object(self, key: int | str, version: str | None = None) -> ObjectDefinition:
        """By id or exact name; the newest version unless one is named. Raises UnknownDefinition."""
        newest = self._newest.get(key) if isinstance(key, int) else self._by_name.get(key)
        if newest is None:
            raise UnknownDefinition(f"no definition of object {key!r}; add its XML file to the definitions folder")
        if version is None:
            return newest
        exact = self._by_key.get((newest.id, version))
        if exact is None:
            raise UnknownDefinition(f"no definition of object {key!r} in version {version}")
        return exact

    def get(self, number: int) -> ObjectDefinition | None:
        """The object's definition, or None."""
        return self._newest.get(number)

    def resource(self, path: Path) -> ResourceDefinition | None:
        """The definition of the resource at or above `path`; None when unknown or when the path is higher up."""
        definition = self._newest.get(path.object)
        return None if definition is None or path.resource is None else definition.resources.get(path.resource)

    def __getitem__(self, key: int | str) -> ObjectDefinition:
        return self.object(key)

    def __contains__(self, key: int | str) -> bool:
        return key in self._newest or key in self._by_name

    def __iter__(self) -> Iterator[ObjectDefinition]:
        return iter(sorted(self._by_key.values(), key=lambda d: (d.id, _version_order(d.version))))

    def __len__(self) -> int:
        return len(self._by_key)


def _version_order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split("."))


MODEL: Final = ObjectModel.load()
"""The definitions that come with this package."""
