"""The attributes servers set by Write-Attributes: kept per server and place, inherited from above (Core 1.2, 7.3.2)."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

from objects.attributes import Attributes
from objects.model import ObjectModel
from objects.path import Path
from secure_coap.errors import TooManyRequests

MAX_PLACES: Final = 256
"""Places one server can attach attributes to."""

_NAMES: Final = tuple(one.name for one in fields(Attributes) if one.name != "removed")


def over(nearer: Attributes, further: Attributes) -> Attributes:
    """Both together; where both say something the nearer one counts."""
    given = {name: value for name in _NAMES if (value := getattr(nearer, name)) is not None}
    return replace(further, **given) if given else further


class AttributeStore:
    """What each server has attached to which place."""

    def __init__(self) -> None:
        self._by_server: dict[int, dict[Path, Attributes]] = {}

    def own(self, server: int, place: Path) -> Attributes:
        """What this server attached to exactly this place."""
        return self._by_server.get(server, {}).get(place, Attributes())

    def effective(self, server: int, place: Path) -> Attributes:
        """With what it attached to the places above; the nearest one counts."""
        places = self._by_server.get(server)
        result = Attributes()
        if places:
            for level in range(1, place.level + 1):
                result = over(self.own(server, Path.of(place.ids[:level])), result)
        return result

    def write(self, server: int, place: Path, query: tuple[str, ...], model: ObjectModel) -> None:
        """Change what is attached; an attribute without a value is taken away.

        Raises FormatError, InvalidValue (they cannot stand there, or not together), TooManyRequests.
        """
        wanted = Attributes.parse(query)
        wanted.check(place, model)
        changed = over(wanted, self.own(server, place))
        changed = replace(changed, **dict.fromkeys(wanted.removed), removed=frozenset())
        changed.check_together()
        places = self._by_server.setdefault(server, {})
        if place not in places and len(places) >= MAX_PLACES:
            raise TooManyRequests(f"attributes at {MAX_PLACES} places at most: take some away first")
        if changed == Attributes():
            places.pop(place, None)
        else:
            places[place] = changed

    def forget(self, place: Path) -> None:
        """The instance there is gone, and so is what was attached in it."""
        for places in self._by_server.values():
            for one in [one for one in places if place.contains(one)]:
                del places[one]
